"""Times the launches of an executable: the counts of each call and each barrier, by thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.expand import Table, Tables, calls_of
from netdsl.program import Program
from netdsl.runtime.threads import Threads


@dataclass(slots=True)
class Spent:
    """What was spent on some steps, in counts of the processor's counter.

    Shapes: `calls` and `launches` (threads, calls of the program), `waits` (threads, phases). `seconds` is
    how long the launch lists took, from their start to their end, `worked` how long cores worked meanwhile,
    `noting` how long it took to put the counts together.
    """

    calls: NDArray[np.int64]
    launches: NDArray[np.int64]
    waits: NDArray[np.int64]
    steps: int = 0
    seconds: float = 0.0
    worked: float = 0.0
    noting: float = 0.0


@dataclass(slots=True)
class Watch:
    """Runs launch lists and adds up their times; one executable with a fixed number of threads at a time."""

    program: Program
    spent: Spent | None = None
    _owners: dict[int, tuple[Tables, list[Table]]] = field(default_factory=dict)

    def run(
        self,
        threads: Threads,
        tables: Tables,
        addresses: Sequence[tuple[int, int]],
        contexts: Sequence[int],
        first: int,
        last: int,
    ) -> float:
        """Run as `Threads.run` does, and note what each call takes; all threads are said to have cores."""
        began = time.perf_counter()
        owners = self._owners_of(tables)
        counts = [np.zeros(len(each), np.int64) for each in owners]
        start, before = time.perf_counter(), time.process_time()
        threads.run_timed(addresses, contexts, first, last, [each.ctypes.data for each in counts])
        seconds, worked = time.perf_counter() - start, time.process_time() - before
        spent = self._room(len(owners))
        spent.seconds += seconds
        spent.worked += worked
        spent.steps += last - first
        for thread, (calls, took) in enumerate(zip(owners, counts, strict=True)):
            waited = calls < 0
            np.add.at(spent.waits[thread], -1 - calls[waited], took[waited])
            np.add.at(spent.calls[thread], calls[~waited], took[~waited])
            np.add.at(spent.launches[thread], calls[~waited], last - first)
        spent.noting += time.perf_counter() - began - seconds
        return float(threads.count)

    def take(self) -> Spent:
        """Return what was spent since the last time, and begin anew.

        Errors: ValueError when nothing was run.
        """
        if self.spent is None:
            raise ValueError("nothing was run")
        spent, self.spent = self.spent, None
        return spent

    def _owners_of(self, tables: Tables) -> list[Table]:
        if id(tables) not in self._owners:
            found = [calls_of(self.program, tables, thread) for thread in range(len(tables.threads))]
            self._owners[id(tables)] = tables, found
        return self._owners[id(tables)][1]

    def _room(self, threads: int) -> Spent:
        if self.spent is None:
            calls = sum(len(step.calls) for step in self.program.steps())
            of_calls, of_phases = (threads, calls), (threads, len(self.program.phases))
            self.spent = Spent(
                np.zeros(of_calls, np.int64), np.zeros(of_calls, np.int64), np.zeros(of_phases, np.int64)
            )
        return self.spent
