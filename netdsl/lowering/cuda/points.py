"""Launches in which each thread computes whole elements, of several values one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from netdsl.graph import Shape, count, is_batched
from netdsl.lowering.cuda.formulas import Formulas
from netdsl.lowering.cuda.lanes import of_lane
from netdsl.lowering.cuda.plan import space_of
from netdsl.program import Count, Grid, count_of, rows_of

THREADS: Final = 128
"""Threads of a block."""


LANES: Final = 4
"""Floats that are read and written at once."""

MANY: Final = 1 << 16
"""Elements from which on a thread makes four of them: with fewer a device is not full, and four take longer
than one."""

STRAIGHT: Final = frozenset(
    {
        "broadcast",
        "reshape",
        "stored",
        "transpose",
        "slice",
        "uniform",
        "gaussian",
        "input",
        "one_hot",
        "iota",
    }
)
"""Operations, beside those on elements, that take no loop."""

MOST: Final = 48
"""Stores of a launch: each has a few addresses, and older drivers have room for 4 KiB of parameters."""


@dataclass(frozen=True, slots=True)
class Store:
    """Elements of a value written to a buffer, or to a result, whose batches follow each other."""

    index: int
    buffer: str
    kind: str = "float"
    result: bool = False


def write_points(of: Formulas, stores: Sequence[Store], rows: int) -> Grid:
    """Write a section for the stores of each number of elements; return the grid that covers them all.

    `rows` are those of a usual batch. Where the grid covers each section whatever the rows are, a thread has
    one element of each, or four; else it goes on with what is left.
    """
    found: dict[tuple[int, int], list[Store]] = {}
    for each in stores:
        found.setdefault(space_of(of.graph[each.index].shape), []).append(each)
    sections = [(members, lanes_of(of, members, rows)) for members in found.values()]
    totals = [_work(of, members, lanes) for members, lanes in sections]
    covered = len({batches > 0 for batches, _ in found}) == 1
    of.text.line(f"thread = cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x")
    if not covered:
        of.text.line(f"threads = cuda.gridDim.x * {THREADS}")
    for members, lanes in sections:
        _write_section(of, members, lanes, covered=covered)
    return Grid(((_largest(totals), THREADS),))


def _work(of: Formulas, members: Sequence[Store], lanes: int) -> Count:
    """Return how many threads a section has work for."""
    shape = of.graph[members[0].index].shape
    return rows_of(shape) * (count(shape) // lanes)


def shared_out(
    stores: Sequence[Store], reads: Callable[[int], Iterable[int]], replaced: Mapping[int, int]
) -> list[list[Store]]:
    """Share stores out to launches of at most about `MOST`: what is made of each other stays together.

    So does what reads a weight with the value that overwrites it, of which `replaced` tells the weight: one
    launch reads before it writes, two would not wait for each other.
    """
    made = {each.index for each in stores}
    made |= {replaced[index] for index in made if index in replaced}
    groups: list[tuple[set[int], list[Store]]] = []
    for store in sorted(stores, key=lambda each: each.index):
        near = made.intersection((store.index, replaced.get(store.index, store.index), *reads(store.index)))
        touched = [group for group in groups if not near.isdisjoint(group[0])]
        groups = [group for group in groups if group not in touched]
        groups.append((near.union(*(each for each, _ in touched)), [*chain(*(g for _, g in touched)), store]))
    launches: list[list[Store]] = []
    for _, group in groups:
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


def _write_section(of: Formulas, members: Sequence[Store], lanes: int, *, covered: bool) -> None:
    depth = len(of.text.blocks)
    shape = of.graph[members[0].index].shape
    name = of.text.variable("i")
    each = count(shape) // lanes
    limit = str(each * of.rows(shape[0])) if is_batched(shape) else str(each)
    if covered:
        of.depths[name] = of.text.open(f"if thread < {limit}:")
        of.text.line(f"{name} = thread")
    else:
        of.text.line(f"{name} = thread")
        of.depths[name] = of.text.open(f"while {name} < {limit}:")
    place = of.index.variable(name, None if is_batched(shape) else each)
    of.lanes = lanes
    places = [lanes * place + lane for lane in range(lanes)]
    values = [[_value(of, store, place, lane) for lane in range(lanes)] for store in members]
    for store, of_lanes in zip(members, values, strict=True):
        _write_store(of, store, places, of_lanes)
    of.lanes = 1
    if not covered:
        of.text.line(f"{name} += threads")
    of.text.close_to(depth)


def _write_store(of: Formulas, store: Store, places: Sequence[Count], values: Sequence[str]) -> None:
    if len(places) > 1 and store.kind == "float" and not store.result:
        of.text.line(f"st4({of.pointer(store.buffer)}, {places[0]}, {', '.join(values)})")
        return
    shape = of.graph[store.index].shape
    of.text.lines(
        f"{_element(of, store, place, shape)} = {value}" for place, value in zip(places, values, strict=True)
    )


def lanes_of(of: Formulas, members: Sequence[Store], rows: int) -> int:
    """Return how many neighboring elements a thread makes: four, which it reads and writes at once, where a
    device has enough to do then and an element takes no loop."""
    shape = of.graph[members[0].index].shape
    if count(shape) % LANES or total_of(shape).value({"rows": rows}) < MANY:
        return 1
    return LANES if all(_is_straight(of, each.index) for each in members) else 1


def _is_straight(of: Formulas, index: int) -> bool:
    """Tell whether an element is made of elements, without a loop or a test of its place."""
    todo, seen = [index], set()
    while todo:
        each = todo.pop()
        if each in seen or each in of.host or (each in of.places and each not in of.own):
            continue
        seen.add(each)
        node = of.graph[each]
        if each in of.pieces:
            continue
        if node.operation.family != "elementwise" and node.operation.name not in STRAIGHT:
            return False
        todo += of.graph.operands(each)
    return True


def total_text(of: Formulas, shape: Shape) -> str:
    """Return the text of how many elements a value has."""
    return str(count(shape) * of.rows(shape[0])) if is_batched(shape) else str(count(shape))


def _value(of: Formulas, store: Store, place: Count, lane: int) -> str:
    value = of.value(store.index, of_lane(of, place, lane, of.graph[store.index].shape))
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
