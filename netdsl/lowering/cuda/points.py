"""Launches in which each thread computes whole elements, of several values one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netdsl.graph import Shape, count, is_batched
from netdsl.lowering.cuda.formulas import Formulas
from netdsl.lowering.cuda.plan import space_of
from netdsl.program import Count, Grid, count_of, rows_of

THREADS: Final = 128
"""Threads of a block."""


MOST: Final = 48
"""Stores of a launch: each has a few addresses, and older drivers have room for 4 KiB of parameters."""


@dataclass(frozen=True, slots=True)
class Store:
    """Elements of a value written to a buffer, or to a result, whose batches follow each other."""

    index: int
    buffer: str
    kind: str = "float"
    result: bool = False


def write_points(of: Formulas, stores: Sequence[Store]) -> Grid:
    """Write a section for the stores of each number of elements; return the grid that covers them all."""
    sections: dict[tuple[int, int], list[Store]] = {}
    for each in stores:
        sections.setdefault(space_of(of.graph[each.index].shape), []).append(each)
    totals = [total_of(of.graph[members[0].index].shape) for members in sections.values()]
    for members in sections.values():
        _write_section(of, members)
    return Grid(((_largest(totals), THREADS),))


def shared_out(stores: Sequence[Store], reads: Callable[[int], Iterable[int]]) -> list[list[Store]]:
    """Share stores out to launches of at most about `MOST`: what is made of each other stays together."""
    groups: list[list[Store]] = []
    for store in sorted(stores, key=lambda each: each.index):
        near = {store.index, *reads(store.index)}
        touched = [group for group in groups if not near.isdisjoint(each.index for each in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([*(each for group in touched for each in group), store])
    launches: list[list[Store]] = []
    for group in groups:
        if not launches or len(launches[-1]) + len(group) > MOST:
            launches.append([])
        launches[-1] += group
    return launches


def total_of(shape: Shape) -> Count:
    """Return how many elements a value has in a step."""
    return rows_of(shape) * count(shape)


def _largest(totals: Iterable[Count]) -> Count:
    """Return a number of elements that is as great as the others for any batch of at least a few rows.

    A grid may be too small for a section: its threads go on with what is left.
    """
    return max(totals, key=lambda each: each.value({"rows": 64}))


def _write_section(of: Formulas, members: Sequence[Store]) -> None:
    depth = len(of.text.blocks)
    shapes = [of.graph[each.index].shape for each in members]
    total = total_text(of, shapes[0])
    name = of.text.variable("i")
    start, step = f"cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x", f"cuda.gridDim.x * {THREADS}"
    inside = of.text.open(f"for {name} in range({start}, {total}, {step}):")
    bound = None if is_batched(shapes[0]) else count(shapes[0])
    of.depths[name] = inside
    place = of.index.variable(name, bound)
    values = [_value(of, each, place, shape) for each, shape in zip(members, shapes, strict=True)]
    for each, shape, value in zip(members, shapes, values, strict=True):
        of.text.line(f"{_element(of, each, place, shape)} = {value}")
    of.text.close_to(depth)


def total_text(of: Formulas, shape: Shape) -> str:
    """Return the text of how many elements a value has."""
    return str(count(shape) * of.rows(shape[0])) if is_batched(shape) else str(count(shape))


def _value(of: Formulas, store: Store, place: Count, shape: Shape) -> str:
    value = of.value(store.index, of.unflattened(place, shape))
    if of.graph[store.index].dtype == "bool":
        return f"(f32(1.0) if {value} else f32(0.0))"
    return value


def _element(of: Formulas, store: Store, place: Count, shape: Shape) -> str:
    array = of.pointer(store.buffer, "int" if store.kind == "int" else "float")
    if not store.result:
        return f"{array}[{place}]"
    width, cursor = count_of(count(shape)), of.word("CURSOR")
    if is_batched(shape):
        return f"{array}[{cursor} * {of.word('BATCH')} * {width} + {place}]"
    return f"{array}[{cursor} * {width} + {place}]"
