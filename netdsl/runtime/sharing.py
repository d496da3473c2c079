"""How many threads share out the next piece of a run, told by how long the last ones took."""

from __future__ import annotations

import sys
from typing import Final

from netdsl.lazy_dataclass import dataclass
from netdsl.program import Program

FLOPS_A_CYCLE: Final = 16
BYTES_A_CYCLE: Final = 8
CYCLES_A_PHASE: Final = 10_000
"""How long a phase should be for each of its threads: several times what a barrier costs."""

CYCLES_A_PIECE: Final = 1_000_000
"""How long the work of a run should be for each of its threads: several times what handing it over costs."""

CYCLES_OF_A_PAIR: Final = 100_000
"""How long the work of a step should be for each of two threads that are both ready for it: a row of LeNet,
of 90,000 cycles, takes 24 to 28 us by two and 23 by one, one of 784-300-10, of 150,000, 20 and 22, one of
784-512-256-10, of 340,000, 33 and 100: its weights fit into two second caches, and not into one."""

PIECE: Final = 0.05
"""Seconds of a piece of a run: then what the pieces before took is looked at. Handing a piece to threads
costs a quarter of a millisecond."""

GROWTH: Final = 4
"""How many times as long the next piece may be, at most, until a piece lasts so long."""

TOO_SHORT: Final = 0.005
"""Seconds below which a piece says nothing about how many threads are best."""

TELLS_CORES: Final = sys.platform != "win32"
"""Whether the time that threads had of their cores is told finely enough to be compared with a piece's.
Windows counts it in ticks of 15.6 ms, of which a piece has three: there all threads are kept."""

LACKING: Final = 0.15
"""The part of a core that threads may be without, all together, before fewer of them are tried."""

GAIN: Final = 0.97
"""The part of the time that another number of threads may take at most, to be worth a change."""

WAIT: Final = 2
"""Pieces between two trials, at first; each trial that fails doubles them. Few, as what took a core
is often gone after one piece, and all threads should be back soon."""

LONGEST_WAIT: Final = 64


class Sharing:
    """The number of threads for steps of one kind. Results are the same for any.

    Threads that meet at barriers are as slow as the slowest, and one that shares its core with another
    program has half of it. So when threads did not get all of their cores, as many as the cores they got are
    tried for one piece, and kept if a step is not slower; later all are tried again.
    """

    def __init__(self, most: int, *, fixed: bool = False) -> None:
        self.most = most
        self.fixed = fixed
        self.threads = most
        """How many the next piece is shared out to."""
        self.steps = 1
        """How many steps a piece has, about."""
        self._settled = most
        self._seconds = 0.0
        self._wait = 0
        self._patience = WAIT

    def next_piece(self, left: int) -> int:
        """Return how many of the steps that are left the next piece has: all pieces are nearly alike."""
        return -(-left // max(1, round(left / self.steps)))

    def tell(self, steps: int, threads: int, seconds: float, cores: float) -> None:
        """Say how long a piece of so many steps took, and how many cores its threads had meanwhile."""
        fitting = int(PIECE * steps / max(seconds, 1e-9))
        self.steps = max(1, min(fitting, GROWTH * max(steps, self.steps)))
        if self.fixed or not TELLS_CORES or self.most == 1:
            return
        if threads != self.threads or seconds < TOO_SHORT:
            return
        if self.threads != self._settled:
            self._decide(seconds / steps)
        else:
            self._seconds = seconds / steps
            self._try_another(cores)

    def _decide(self, seconds: float) -> None:
        """End a trial: keep its number of threads, or go back."""
        fewer = self.threads < self._settled
        if seconds <= self._seconds * (1 if fewer else GAIN):
            self._settled, self._seconds, self._patience = self.threads, seconds, WAIT
        else:
            self.threads = self._settled
            self._patience = min(2 * self._patience, LONGEST_WAIT)
        self._wait = self._patience

    def _try_another(self, cores: float) -> None:
        if self._wait:
            self._wait -= 1
        elif self.threads > cores + LACKING:
            self.threads = max(1, int(cores + LACKING))
        elif self.threads < self.most:
            self.threads = self.most


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one number of rows: the cycles of one, by an estimate, and how they are shared out."""

    cycles: float
    sharing: Sharing

    def threads(self, steps: int) -> int:
        """Return how many threads so many steps are handed to: one, where handing over would cost more."""
        wanted = self.sharing.threads
        alone = not self.sharing.fixed and self.cycles * steps < CYCLES_A_PIECE * wanted
        return 1 if alone else wanted

    def ready_threads(self) -> int:
        """Return how many threads one step is shared out to, of two at most, where both are ready for it."""
        wanted = min(2, self.sharing.most)
        return 1 if self.cycles < CYCLES_OF_A_PAIR * wanted else wanted


def steps_of(program: Program, rows: int, threads: int, *, fixed: bool) -> Steps:
    """Estimate what a step of so many rows costs, and how many threads are worth while for it, unless all are
    to be taken."""
    symbols = {"rows": rows}
    cycles = sum(
        phase.times * (each.flops.value(symbols) / FLOPS_A_CYCLE + each.bytes.value(symbols) / BYTES_A_CYCLE)
        for phase in program.phases
        for each in phase.steps
    )
    phases = max(1, sum(phase.times for phase in program.phases))
    worth = max(1, min(threads, int(cycles / (CYCLES_A_PHASE * phases))))
    return Steps(cycles, Sharing(threads if fixed else worth, fixed=fixed))
