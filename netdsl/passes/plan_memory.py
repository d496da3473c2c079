"""Give each buffer a place: what is kept lies together, what lives within a step shares memory with what
does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def plan_memory(program: Program, rows: int, guard: int = 0, unit: int = 1) -> MemoryPlan:
    """Plan the memory of a program for so many rows in a batch, places being multiples of `unit`.

    With a `guard` each buffer has memory of its own, with so many elements left free before and behind it, to
    see that nobody writes there.

    A value needs its place from the phase that writes it first to the last that touches it. Large values are
    placed first, each at the lowest place that is free all that time. Weights come before states, each kind
    in one piece, so that one sweep can go over them.
    """
    sizes = {name: -(-size(each, rows) // unit) * unit for name, each in program.buffers.items()}
    kept, kept_size = _in_a_row(_of_role(program, KEPT), sizes, guard)
    scratch, scratch_size = _in_a_row(_of_role(program, ("scratch",)), sizes, guard)
    values, values_size = (
        _shared(program, sizes) if not guard else _in_a_row(_of_role(program, PASSING), sizes, guard)
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
    found = [program.buffers[name] for name in lives]
    places: dict[str, int] = {}
    end = 0
    for buffer in sorted(found, key=lambda each: (-sizes[each.name], each.name)):
        first, last = lives[buffer.name]
        taken = sorted(
            (places[name], places[name] + sizes[name])
            for name in places
            if lives[name][0] <= last and first <= lives[name][1]
        )
        place = 0
        for start, stop in taken:
            if place + sizes[buffer.name] <= start:
                break
            place = max(place, stop)
        places[buffer.name] = place
        end = max(end, place + sizes[buffer.name])
    return places, end


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
