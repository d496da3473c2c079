"""Phases of launches: each launch stands in the first phase behind all that it needs.

A launch needs another before it where one of them writes memory that the other touches. What memory that is
stands in the launches, so the steps of a pass are put together as well as the launches of a step: rows of the
next batch are read while the optimizer runs, and a sum that nobody waits for holds nobody up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from netdsl.runtime.cuda.device import Launch, Span
from netdsl.runtime.cuda.product import Product


def scheduled(launches: Sequence[Launch | Product]) -> list[list[Launch | Product]]:
    """Return the phases of launches that are given in an order in which they are right."""
    memory = _Memory(span for each in launches for span in (*each.reads, *each.writes))
    phases: list[list[Launch | Product]] = []
    for launch in launches:
        phase = memory.first(launch)
        if phase == len(phases):
            phases.append([])
        phases[phase].append(launch)
        memory.touch(launch, phase)
    return phases


class _Memory:
    """For each piece of memory the phase behind the last that writes it, and behind the last that touches it.
    Pieces are those into which the ends of all spans cut memory."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._ends = sorted({end for span in spans for end in span})
        self._written = [0] * len(self._ends)
        self._touched = [0] * len(self._ends)

    def first(self, launch: Launch | Product) -> int:
        """Return the first phase in which a launch may stand."""
        behind = [self._written[each] for each in self._pieces(launch.reads)]
        behind += [self._touched[each] for each in self._pieces(launch.writes)]
        return max(behind, default=0)

    def touch(self, launch: Launch | Product, phase: int) -> None:
        """Note that a launch stands in a phase."""
        for each in self._pieces((*launch.reads, *launch.writes)):
            self._touched[each] = max(self._touched[each], phase + 1)
        for each in self._pieces(launch.writes):
            self._written[each] = max(self._written[each], phase + 1)

    def _pieces(self, spans: Iterable[Span]) -> Iterable[int]:
        for start, end in spans:
            yield from range(bisect_left(self._ends, start), bisect_left(self._ends, end))
