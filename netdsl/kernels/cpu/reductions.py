"""Sums and extremes of many numbers, in an order that is fixed by their count alone.

64 running results, in lanes, are combined two by two at the end; the count decides the order, never the width
of registers.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    FLOAT,
    I32,
    I64,
    LANES,
    NOTHING,
    PANEL,
    WORD,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    masked_load,
    splat,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.looping import Carried, repeat

Combine = Callable[[Any, Value, Value], Value]
CHAINS: Final = 4


def _add(builder: Any, a: Value, b: Value) -> Value:
    return builder.fadd(a, b)


def _greater(builder: Any, a: Value, b: Value) -> Value:
    """Return the greater of two, NaN if one is."""
    keep = builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
    return builder.select(keep, a, b)


def _smaller(builder: Any, a: Value, b: Value) -> Value:
    """Return the smaller of two, NaN if one is."""
    keep = builder.or_(builder.fcmp_ordered("<", a, b), builder.fcmp_unordered("uno", a, a))
    return builder.select(keep, a, b)


def _lanes(builder: Any, value: Value, combine: Combine) -> Value:
    """Combine the lanes of a vector: upper half with lower half, until one is left."""
    undefined = ir.Constant(PANEL, ir.Undefined)
    width = LANES
    while width > 1:
        width //= 2
        places = ir.Constant(ir.VectorType(I32, LANES), [(i + width) % LANES for i in range(LANES)])
        value = combine(builder, value, builder.shuffle_vector(value, undefined, places))
    return builder.extract_element(value, ir.Constant(I32, 0))


def _chains(builder: Any, values: list[Value], combine: Combine) -> Value:
    first, second, third, fourth = values
    return combine(builder, combine(builder, first, second), combine(builder, third, fourth))


def _reduced(builder: Any, start: Value, count: Value, neutral: float, combine: Combine) -> Value:
    """Emit the reduction of neighbors in memory.

    What is left behind the last whole line is one line more, of fewer lanes.
    """
    nothing = ir.Constant(PANEL, [neutral] * LANES)

    def four_lines(_: Value, held: Carried) -> Carried:
        lines = [load_vector(builder, advance(builder, held[0], i * LANES)) for i in range(CHAINS)]
        sums = [combine(builder, a, b) for a, b in zip(held[1:], lines, strict=True)]
        return [advance(builder, held[0], CHAINS * LANES), *sums]

    def line(_: Value, held: Carried) -> Carried:
        total = combine(builder, held[1], load_vector(builder, held[0]))
        return [advance(builder, held[0], LANES), total]

    place, *sums = repeat(builder, builder.lshr(count, whole(6)), [start, *[nothing] * CHAINS], four_lines)
    rest = builder.and_(builder.lshr(count, whole(4)), whole(CHAINS - 1))
    place, total = repeat(builder, rest, [place, _chains(builder, sums, combine)], line)
    odd = builder.and_(count, whole(LANES - 1))
    numbers = ir.Constant(ir.VectorType(I64, LANES), list(range(LANES)))
    seen = builder.icmp_signed("<", numbers, splat(builder, odd))
    total = combine(builder, total, masked_load(builder, place, seen, nothing))
    return _lanes(builder, total, combine)


@emits(FLOAT, WORD, WORD)
def sum_of(builder: Any, address: Value, count: Value) -> Value:
    """Return the sum of neighboring floats."""
    return _reduced(builder, floats(builder, address), count, 0.0, _add)


@emits(FLOAT, WORD, WORD)
def maximum_of(builder: Any, address: Value, count: Value) -> Value:
    """Return the greatest of neighboring floats, NaN if one is."""
    return _reduced(builder, floats(builder, address), count, float("-inf"), _greater)


@emits(FLOAT, WORD, WORD)
def minimum_of(builder: Any, address: Value, count: Value) -> Value:
    """Return the smallest of neighboring floats, NaN if one is."""
    return _reduced(builder, floats(builder, address), count, float("inf"), _smaller)


@emits(NOTHING, WORD, WORD, WORD)
def sum_lines(builder: Any, source: Value, lines: Value, target: Value) -> None:
    """Store the sum of lines of 16 floats, lane by lane."""
    nothing = ir.Constant(PANEL, [0.0] * LANES)

    def four_lines(_: Value, held: Carried) -> Carried:
        read = [load_vector(builder, advance(builder, held[0], i * LANES)) for i in range(CHAINS)]
        sums = [builder.fadd(a, b) for a, b in zip(held[1:], read, strict=True)]
        return [advance(builder, held[0], CHAINS * LANES), *sums]

    def line(_: Value, held: Carried) -> Carried:
        total = builder.fadd(held[1], load_vector(builder, held[0]))
        return [advance(builder, held[0], LANES), total]

    start = floats(builder, source)
    place, *sums = repeat(builder, builder.lshr(lines, whole(2)), [start, *[nothing] * CHAINS], four_lines)
    total = _chains(builder, sums, _add)
    rest = builder.and_(lines, whole(CHAINS - 1))
    total = repeat(builder, rest, [place, total], line)[1]
    store_vector(builder, total, floats(builder, target))


@kernel
def place_sums(examples: int, places: int, source: int, target: int) -> None:
    """Sum one panel (examples * places, 16) over the places of each example.

    Shapes: the result (examples, 16), also of columns that mean nothing.
    """
    for each in range(examples):
        sum_lines(source + 64 * places * each, places, target + 64 * each)


@kernel
def column_sums(rows: int, source: int, target: int) -> None:
    """Sum one panel (rows, 16) over its rows.

    Shapes: the result (16), also of columns that mean nothing.
    """
    sum_lines(source, rows, target)
