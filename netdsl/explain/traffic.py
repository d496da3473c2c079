"""Where the bytes that a program touches are found: in a core's caches, or beyond them.

A value is as near as what was touched since: it is in a cache that holds all of that. This is an estimate:
caches are taken to forget what was used longest ago, and each value to be moved once by each portion of a
step that touches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import prod
from typing import TypeAlias

from netdsl.lazy_dataclass import dataclass, field
from netdsl.program import ELSEWHERE, Each, Phase, Pieces, Portion, Program, Step
from netdsl.program.layout import size
from netdsl.runtime.limits import Level

Traffic: TypeAlias = Mapping[Level, int]
"""Bytes by where they are found, of all times that a portion is done in a step."""


def portions(step: Step) -> tuple[Portion, ...]:
    """Return what the calls of a step are for; a step that was not joined from others is one portion."""
    return step.portions or (Portion(len(step.calls), step.origins, step.flops),)


def traffic(program: Program, rows: int, threads: int, caches: Mapping[Level, int]) -> list[Traffic]:
    """Return the traffic of each portion of each step, in order, where steps come one after the other."""
    sizes = {name: 4 * size(buffer, rows) for name, buffer in program.buffers.items()}
    history = _History(rows, threads, caches, sizes)
    found: list[Traffic] = []
    for _ in range(2):  # what a step before has left is known the second time
        loops = groupby(program.phases, key=lambda phase: id(phase.repeat or phase))
        found = [each for _, phases in loops for each in _of_loop(history, list(phases))]
    return found


def _of_loop(history: _History, phases: Sequence[Phase]) -> list[Traffic]:
    times = phases[0].times
    steps = [step for phase in phases for step in phase.steps]
    found: list[dict[Level, int]] = []
    for _ in range(min(2, times)):
        history.turn = set()
        found = [each for step in steps for each in history.take(step, in_loop=times > 1)]
    return [{level: times * number for level, number in each.items()} for each in found]


@dataclass(slots=True)
class _History:
    """What was touched, the latest last, with its bytes; `turn` are the buffers of this turn of a loop."""

    rows: int
    threads: int
    caches: Mapping[Level, int]
    sizes: Mapping[str, int]
    touched: dict[str, int] = field(default_factory=dict)
    turn: set[str] = field(default_factory=set)

    def take(self, step: Step, *, in_loop: bool) -> list[dict[Level, int]]:
        """Take a step; return the traffic of its portions.

        What one portion has touched the next finds again after a piece of the work, not after all of it.
        """
        parts = [self._touched(step, each) for each in portions(step)]
        whole = sum({name: number for part in parts for name, number in part}.values())
        again = whole // max(_pieces(step, self.rows), self.threads)
        within: set[str] = set()
        found = []
        for part in parts:
            traffic: dict[Level, int] = {}
            for name, number in part:
                far = again if name in within else self._distance(name, number, in_loop) // self.threads
                level = self._level(far) if name != ELSEWHERE else "memory"
                traffic[level] = traffic.get(level, 0) + number
                within.add(name)
            found.append(traffic)
        for name, number in (each for part in parts for each in part):
            self.touched.pop(name, None)
            self.touched[name] = number
            self.turn.add(name)
        return found

    def _touched(self, step: Step, portion: Portion) -> list[tuple[str, int]]:
        symbols = {"rows": self.rows}
        if step.portions:
            return [(name, int(number.value(symbols))) for name, number in portion.touched]
        half = int(step.bytes.value(symbols)) // 2
        ends = (step.reads, step.writes)
        return [(each[0].buffer if each else ELSEWHERE, half) for each in ends]

    def _distance(self, name: str, number: int, in_loop: bool) -> int:
        """Return the bytes that were touched since, or enough to be in no cache.

        A turn of a loop that touches a part of a buffer touches another in each turn.
        """
        if in_loop and name not in self.turn and number < self.sizes.get(name, 0) // 2:
            return self.sizes[name]
        total = 0
        for other, size_of_other in reversed(self.touched.items()):
            total += size_of_other
            if other == name or total > self.threads * self.caches["L2"]:
                break
        return total

    def _level(self, distance: int) -> Level:
        if distance <= self.caches["L1"]:
            return "L1"
        return "L2" if distance <= self.caches["L2"] else "memory"


def _pieces(step: Step, rows: int) -> int:
    """Return how many pieces the work of a step is cut into, or 1 where each thread has one."""
    symbols = {"rows": rows}
    match step.work:
        case Each(extents):
            return prod(int(each.value(symbols)) for each in extents)
        case Pieces(total, size_of_piece):
            return max(1, -(-int(total.value(symbols)) // size_of_piece))
    return 1
