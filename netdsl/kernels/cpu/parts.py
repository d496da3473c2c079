"""Numbers in three parts: x = high + middle + low, each a bfloat16, for products of tiles.

A bfloat16 is the upper half of a float32. High is x rounded to it, middle the rest rounded, low the rest
then: with 8 bits each they are exact (as long as low is no denormal number). Two lines of 16 numbers become
three lines of 16 words, each of which has two numbers of neighboring steps of a sum. What is infinite leaves
a rest that is not a number.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    I32,
    I64,
    LANES,
    NOTHING,
    PANEL,
    WORD,
    ZEROS,
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
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.matrix_tiles import BLOCK, LINE, PARTS, STEPS, Aside, emit_sums
from netdsl.kernels.cpu.memory import ask_for_line
from netdsl.kernels.cpu.tiles import emit_zeros

WORDS: Final = ir.VectorType(I32, LANES)
_HALVES: Final = ir.VectorType(ir.IntType(16), 2 * LANES)
_ODD: Final = ir.Constant(ir.VectorType(I32, 2 * LANES), list(range(1, 4 * LANES, 2)))
_HALF: Final = ir.Constant(WORDS, [0x8000] * LANES)
_UPPER: Final = ir.Constant(WORDS, [0xFFFF0000] * LANES)
_SIXTEEN: Final = ir.Constant(WORDS, [16] * LANES)


def emit_parts(builder: Any, lines: Sequence[Value], target: Value, *, joined: bool) -> None:
    """Emit what stores two lines of numbers as three lines of words, one for each part, at a float pointer.

    A word has two numbers, the first in its lower half. They are of both lines, in the same lane, or, if
    lines are `joined`, neighbors of one line: the second line follows on the first.
    """
    rest = [*lines]
    for part in range(PARTS):
        bits = [builder.bitcast(each, WORDS) for each in rest]
        if part < PARTS - 1:
            bits = [builder.and_(builder.add(each, _HALF), _UPPER) for each in bits]
            near = [builder.bitcast(each, PANEL) for each in bits]
            rest = [builder.fsub(each, other) for each, other in zip(rest, near, strict=True)]
        if joined:
            halves = [builder.bitcast(each, _HALVES) for each in bits]
            pair = builder.shuffle_vector(*halves, _ODD)
        else:
            upper = builder.and_(bits[1], _UPPER) if part == PARTS - 1 else bits[1]
            pair = builder.or_(builder.lshr(bits[0], _SIXTEEN), upper)
        store_vector(builder, builder.bitcast(pair, PANEL), advance(builder, target, part * LANES))


def emit_step_pairs(builder: Any, turns: Value, source: Value, target: Value) -> list[Value]:
    """Emit what splits lines of 16 columns, a line for each step, two at a time; return the next places."""

    def turn(_: Value, held: Carried) -> Carried:
        return step_pair(builder, *held)

    return repeat(builder, turns, [source, target], turn)


def step_pair(builder: Any, source: Value, target: Value) -> list[Value]:
    """Emit what splits the lines of two steps; return the next places."""
    lines = [load_vector(builder, floats(builder, source, i * LANES)) for i in range(2)]
    emit_parts(builder, lines, floats(builder, target), joined=False)
    return [builder.add(source, whole(128)), builder.add(target, whole(LINE))]


@emits(NOTHING, *[WORD] * 3)
def split_steps(builder: Any, steps: Value, source: Value, target: Value) -> None:
    """Split lines of 16 columns, a line for each step of a sum, into blocks of a right factor. Lines that a
    last block has not are zeros."""
    full = builder.and_(steps, whole(-STEPS))
    source, target = emit_step_pairs(builder, builder.lshr(full, whole(1)), source, target)
    left = builder.sub(steps, full)
    some = builder.icmp_signed(">", left, whole(0))

    def turn(index: Value, held: Carried) -> Carried:
        lines = []
        for i in range(2):
            number = builder.add(builder.shl(index, whole(1)), whole(i))
            place = builder.add(source, builder.shl(number, whole(6)))
            there = builder.icmp_signed("<", number, left)
            lines.append(
                load_vector(builder, floats(builder, builder.select(there, place, emit_zeros(builder))))
            )
        emit_parts(builder, lines, floats(builder, held[0]), joined=False)
        return [builder.add(held[0], whole(LINE))]

    repeat(builder, builder.select(some, whole(LANES), whole(0)), [target], turn)


@emits(NOTHING, *[WORD] * 6)
def split_rows_of(
    builder: Any, rows: Value, depth: Value, source: Value, row: Value, panel: Value, target: Value
) -> None:
    """Split up to 16 rows into the blocks of a left factor: `row` floats from one to the next, `panel` from
    16 columns to the next. Columns that a last block has not are zeros; rows that are not there are left."""
    rest = builder.and_(depth, whole(STEPS - 1))
    step, apart = (builder.mul(each, whole(4)) for each in (row, panel))

    def block(source: Value, target: Value, masks: Sequence[Value]) -> None:
        def turn(_: Value, held: Carried) -> Carried:
            places = [floats(builder, each) for each in (held[0], builder.add(held[0], apart))]
            if masks:
                lines = [masked_load(builder, at, m, ZEROS) for at, m in zip(places, masks, strict=True)]
            else:
                lines = [load_vector(builder, each) for each in places]
            emit_parts(builder, lines, floats(builder, held[1]), joined=True)
            return [builder.add(held[0], step), builder.add(held[1], whole(LINE))]

        repeat(builder, rows, [source, target], turn)

    def whole_block(_: Value, held: Carried) -> Carried:
        block(held[0], held[1], ())
        return [builder.add(held[0], builder.shl(apart, whole(1))), builder.add(held[1], whole(BLOCK))]

    def last_block(_: Value, held: Carried) -> Carried:
        block(held[0], held[1], [_mask(builder, rest, first) for first in (0, LANES)])
        return held

    held = repeat(builder, builder.lshr(depth, whole(5)), [source, target], whole_block)
    repeat(builder, builder.zext(builder.icmp_signed(">", rest, whole(0)), I64), held, last_block)


def _mask(builder: Any, count: Value, first: int) -> Value:
    """Emit which of 16 lanes, numbered from `first` on, are before a number."""
    lanes = ir.Constant(WORDS, list(range(first, first + LANES)))
    return builder.icmp_signed("<", lanes, splat(builder, builder.trunc(count, I32)))


@emits(NOTHING, *[WORD] * 4)
def copy_square(builder: Any, lines: Value, source: Value, line: Value, target: Value) -> None:
    """Copy so many lines of 16 floats, `line` floats from each other, and zeros up to 16 lines."""

    def turn(index: Value, held: Carried) -> Carried:
        place = builder.add(source, builder.mul(builder.shl(line, whole(2)), index))
        there = builder.select(builder.icmp_signed("<", index, lines), place, emit_zeros(builder))
        store_vector(builder, load_vector(builder, floats(builder, there)), floats(builder, held[0]))
        return [builder.add(held[0], whole(64))]

    repeat(builder, whole(LANES), [target], turn)


# ---- while tiles are multiplied ---------------------------------------------------------------


def _bit_by_bit(builder: Any, each: Value, turn: Callable[[Value, Carried], Carried]) -> Aside:
    """Return what does some of the turns that are left, as the first of the values that are carried along
    tells."""

    def aside(held: Sequence[Value]) -> Sequence[Value]:
        left, *places = held
        count = builder.select(builder.icmp_signed("<", left, each), left, each)
        return [builder.sub(left, count), *repeat(builder, count, places, turn)]

    return aside


@emits(NOTHING, *[WORD] * 11)
def add_products_and_split(
    builder: Any,
    turns: Value,
    left: Value,
    below: Value,
    right: Value,
    beside: Value,
    pairs: Value,
    each: Value,
    source: Value,
    apart: Value,
    target: Value,
    target_apart: Value,
) -> None:
    """Add products to the tiles of sums, and split meanwhile so many `pairs` of steps of two panels, `each`
    of them after every four products.

    A panel lies `apart` bytes from the other, its blocks `target_apart` bytes from those of the other.
    """

    def pair(_: Value, held: Carried) -> Carried:
        source, target = held
        step_pair(builder, builder.add(source, apart), builder.add(target, target_apart))
        return step_pair(builder, source, target)

    aside = _bit_by_bit(builder, each, pair)
    emit_sums(builder, turns, (left, below), (right, beside), [pairs, source, target], aside)


@emits(NOTHING, *[WORD] * 9)
def add_a_block_and_split_rows(
    builder: Any,
    left: Value,
    below: Value,
    right: Value,
    beside: Value,
    rows: Value,
    each: Value,
    source: Value,
    apart: Value,
    target: Value,
) -> None:
    """Add the products of 32 steps, and split meanwhile 32 steps of so many rows, and of those 16 rows below,
    `each` of them after every four products. Rows are lines of panels that lie `apart` bytes from each other;
    the blocks of the second 16 rows follow on those of the first."""

    def both(_: Value, held: Carried) -> Carried:
        for down, block in ((0, 0), (64 * LANES, BLOCK)):
            first = builder.add(held[0], whole(down))
            for ahead in (2, 3):  # What the next 32 steps read: W3 takes 4 % less time.
                ask_for_line(builder, builder.add(first, builder.mul(apart, whole(ahead))))
            lines = [load_vector(builder, floats(builder, at)) for at in (first, builder.add(first, apart))]
            to = floats(builder, builder.add(held[1], whole(block)))
            emit_parts(builder, lines, to, joined=True)
        return [builder.add(held[0], whole(64)), builder.add(held[1], whole(LINE))]

    aside = _bit_by_bit(builder, each, both)
    emit_sums(builder, whole(1), (left, below), (right, beside), [rows, source, target], aside)


@emits(NOTHING, *[WORD] * 7)
def add_products_and_ask(
    builder: Any,
    turns: Value,
    left: Value,
    below: Value,
    right: Value,
    beside: Value,
    each: Value,
    soon: Value,
) -> None:
    """Add products, and ask meanwhile for lines from an address on: `each` after every four products."""

    def line(_: Value, held: Carried) -> Carried:
        ask_for_line(builder, held[0])
        return [builder.add(held[0], whole(64))]

    aside = _bit_by_bit(builder, each, line)
    count = builder.mul(builder.mul(turns, whole(6)), each)
    emit_sums(builder, turns, (left, below), (right, beside), [count, soon], aside)
