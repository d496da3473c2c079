"""Give each buffer a place: what is kept lies together, what lives within a step shares memory with what
does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from netdsl.lazy_dataclass import dataclass
from netdsl.program import Buffer, Program, Step
from netdsl.program.layout import size

PAGE_ELEMENTS = 1024
KEPT = ("constant", "weight", "state")
PASSING = ("input", "value")


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Places in elements of four bytes: of what is kept, of a step's values, and of one thread's scratch
    memory."""

    kept: Mapping[str, int]
    kept_size: int
    values: Mapping[str, int]
    values_size: int
    scratch: Mapping[str, int]
    scratch_size: int


def plan_memory(
    program: Program, rows: int, guard: int = 0, unit: int = 1, *, apart: bool = False
) -> MemoryPlan:
    """Plan the memory of a program for so many rows in a batch, places being multiples of `unit`.

    With a `guard` each buffer has memory of its own, with so many elements left free before and behind it, to
    see that nobody writes there; values that are `apart` have memory of their own too.

    A value needs its place from the phase that writes it first to the last that touches it. Large values are
    placed first, each at the lowest place that is free all that time. Weights come before states, each kind
    in one piece, so that one sweep can go over them.
    """
    sizes = {name: -(-size(each, rows) // unit) * unit for name, each in program.buffers.items()}
    kept, kept_size = _in_a_row(_of_role(program, KEPT), sizes, guard)
    scratch, scratch_size = _in_a_row(_of_role(program, ("scratch",)), sizes, guard)
    values, values_size = (
        _shared(program, sizes)
        if not guard and not apart
        else _in_a_row(_of_role(program, PASSING), sizes, guard)
    )
    return MemoryPlan(kept, kept_size, values, values_size, scratch, _whole_pages(scratch_size))


def _of_role(program: Program, roles: tuple[str, ...]) -> list[Buffer]:
    found = [buffer for buffer in program.buffers.values() if buffer.role in roles]
    return sorted(found, key=lambda buffer: roles.index(buffer.role))


def _in_a_row(buffers: Iterable[Buffer], sizes: Mapping[str, int], guard: int) -> tuple[dict[str, int], int]:
    places: dict[str, int] = {}
    end = guard
    for buffer in buffers:
        places[buffer.name] = end
        end += sizes[buffer.name] + guard
    return places, end


def _shared(program: Program, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    lives = lifetimes(program)
    placed = _Placed(len(lives))
    places = {}
    for name in sorted(lives, key=lambda each: (-sizes[each], each)):
        places[name] = placed.add(sizes[name], *lives[name])
    return places, max((place + sizes[name] for name, place in places.items()), default=0)


class _Placed:
    """Pieces of memory that are taken for some phases, by where they begin.

    Each that comes is compared with all before it, which takes a thousandth of a compilation as arrays, and
    took an eighth as a loop: 0.3 instead of 1.4 s for 1000 layers.
    """

    def __init__(self, most: int) -> None:
        self._columns = np.zeros((4, most), np.int64)
        self._count = 0

    def add(self, size: int, first: int, last: int) -> int:
        """Take the lowest place of a size that is free from the first phase to the last; return it."""
        begins, ends, firsts, lasts = self._columns[:, : self._count]
        meant = np.flatnonzero((firsts <= last) & (lasts >= first))
        # How far memory is taken before each piece, and behind them all.
        taken = np.concatenate([[0], np.maximum.accumulate(ends[meant])])
        gaps = np.flatnonzero(begins[meant] - taken[:-1] >= size)
        place = int(taken[gaps[0] if len(gaps) else -1])
        at = int(np.searchsorted(begins, place))
        self._columns[:, at + 1 : self._count + 1] = self._columns[:, at : self._count].copy()
        self._columns[:, at] = place, place + size, first, last
        self._count += 1
        return place


def lifetimes(program: Program) -> dict[str, tuple[int, int]]:
    """Return the first and last phase in which each value of a step is touched; those of a loop are one."""
    lives: dict[str, tuple[int, int]] = {}
    number, before = 0, None
    for phase in program.phases:
        number += phase.repeat is None or phase.repeat is not before
        before = phase.repeat
        for name in (name for step in phase.steps for name in _touched(step)):
            if program.buffers[name].role in {"input", "value"}:
                first, _ = lives.get(name, (number, number))
                lives[name] = first, number
    return lives


def _touched(step: Step) -> Iterable[str]:
    return (access.buffer for access in (*step.reads, *step.writes))


def _whole_pages(elements: int) -> int:
    return -(-elements // PAGE_ELEMENTS) * PAGE_ELEMENTS
