"""Transposing by shuffles: squares of 8 by 8 numbers, in registers."""

from typing import Any

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    F32,
    I32,
    LANES,
    NOTHING,
    PANEL,
    WORD,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.looping import Carried, repeat

SIDE = 8
_EIGHT = ir.VectorType(F32, SIDE)
_PAIRS = ([0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15])
_FOURS = ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
_HALVES = ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])


def emit_turned_square(
    builder: Any, source: Value, source_row: Value, target: Value, target_row: Value
) -> None:
    """Emit the loads, shuffles and stores of one square."""
    rows = [
        load_vector(builder, advance(builder, source, builder.mul(source_row, whole(i))), _EIGHT)
        for i in range(SIDE)
    ]
    pairs = [_mixed(builder, rows[i], rows[i + 1], mask) for i in range(0, SIDE, 2) for mask in _PAIRS]
    fours = [_mixed(builder, pairs[i], pairs[i + 2], mask) for i in (0, 1, 4, 5) for mask in _FOURS]
    turned = [_mixed(builder, fours[i], fours[i + 4], mask) for mask in _HALVES for i in range(4)]
    for i, each in enumerate(turned):
        store_vector(builder, each, advance(builder, target, builder.mul(target_row, whole(i))))


@emits(NOTHING, WORD, WORD, WORD, WORD)
def turn_16(builder: Any, source: Value, source_row: Value, target: Value, target_row: Value) -> None:
    """Store the transpose of a 16 by 16 square."""
    start, end = floats(builder, source), floats(builder, target)
    for i in (0, SIDE):
        for j in (0, SIDE):
            here = advance(builder, advance(builder, start, builder.mul(source_row, whole(i))), j)
            there = advance(builder, advance(builder, end, builder.mul(target_row, whole(j))), i)
            emit_turned_square(builder, here, source_row, there, target_row)


@emits(NOTHING, WORD)
def fill_zeros(builder: Any, target: Value) -> None:
    """Set 16 lines of 16 floats to 0."""
    nothing = ir.Constant(PANEL, [0.0] * LANES)
    for i in range(LANES):
        store_vector(builder, nothing, floats(builder, target, LANES * i))


@emits(NOTHING, WORD, WORD, WORD)
def copy_lines(builder: Any, source: Value, target: Value, lines: Value) -> None:
    """Copy lines of 16 floats."""

    def turn(index: Value, _: Carried) -> Carried:
        offset = builder.shl(index, whole(4))
        line = load_vector(builder, floats(builder, source, offset))
        store_vector(builder, line, floats(builder, target, offset))
        return []

    repeat(builder, lines, [], turn)


@emits(WORD, WORD)
def min16(builder: Any, value: Value) -> Value:
    """Return a number, or 16 when it is greater."""
    return emit_min16(builder, value)


def emit_min16(builder: Any, value: Value) -> Value:
    """Emit a number, or 16 when it is greater."""
    return builder.select(builder.icmp_signed("<", value, whole(LANES)), value, whole(LANES))


def _mixed(builder: Any, a: Value, b: Value, mask: list[int]) -> Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, SIDE), mask))
