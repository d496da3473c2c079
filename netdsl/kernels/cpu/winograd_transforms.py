"""The transforms of Winograd's convolutions: additions of lines of 16 channels.

F(2x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): a tile of 4 by 6
places gives 2 by 4 outputs of 3x3 windows by 24 multiplications for a pair of channels, not 72. With the
matrices there, which `winograd_axes.py` has, outputs are A^T [(G g G^T) * (B^T d B)] A, and the gradient of g
is G^T [(A dy A^T) * (B^T d B)] G; the matrices at the left and at the right are not the same here.

A transformed tile is SPREAD floats of a panel: a line for each of FREQUENCIES, and one more, so that neither
tiles nor what is read of them lie a power of two apart, in a few sets of the first cache.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    F32,
    I64,
    LANES,
    NOTHING,
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
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.tiles import emit_zeros
from netdsl.kernels.cpu.winograd_axes import (
    Lines,
    Transform,
    outputs_across,
    outputs_down,
    places_across,
    places_down,
    sums_across,
    sums_down,
    taps_across,
    taps_down,
    weights_across,
    weights_down,
)

DOWN: Final = 2
ACROSS: Final = 4
"""Outputs of a tile along each axis."""

FREQUENCIES: Final = (DOWN + 2) * (ACROSS + 2)

SPREAD: Final = (FREQUENCIES + 1) * LANES
"""Floats from one transformed tile to the next."""


def _vectors() -> list[tuple[int, Any]]:
    """Return the vectors that a line is made of, as long as registers are, so that a tile stays in them."""
    lanes = LANES if machine().rows[0] >= LANES else LANES // 2
    return [(start, ir.VectorType(F32, lanes)) for start in range(0, LANES, lanes)]


def _columns(builder: Any, transform: Transform, lines: Sequence[Lines]) -> list[list[Value]]:
    """Return the transform of each column of lines, given by columns."""
    return [transform(builder, each) for each in lines]


def _rows(builder: Any, transform: Transform, columns: Sequence[Lines]) -> list[list[Value]]:
    """Return the transform of each row of columns, by rows."""
    return [transform(builder, row) for row in zip(*columns, strict=True)]


def _load(builder: Any, place: Value, number: int, kind: Any) -> Value:
    return load_vector(builder, advance(builder, place, LANES * number), kind)


def _store(builder: Any, rows: Sequence[Lines], place: Value) -> None:
    for number, each in enumerate(line for row in rows for line in row):
        store_vector(builder, each, advance(builder, place, LANES * number))


def _seen(
    builder: Any,
    transform: Transform,
    rows: Lines,
    kind: Any,
    number: int,
    bounds: tuple[Value, Value] | None,
) -> list[Value]:
    """Return the transform of a column of rows. With `bounds`, where the rows are and how wide, it is that of
    zeros if it is beside them: unsigned, a negative number is a great one."""
    places = [advance(builder, each, LANES * number) for each in rows]
    if bounds is not None:
        is_there = builder.icmp_unsigned("<", builder.add(bounds[0], whole(number)), bounds[1])
        nothing = floats(builder, emit_zeros(builder))
        places = [builder.select(is_there, each, nothing) for each in places]
    return transform(builder, [load_vector(builder, each, kind) for each in places])


def _begun(builder: Any, rows: Sequence[Value], column: Value, lane: int) -> list[Value]:
    """Return pointers to a lane of a column of rows at some addresses."""
    start = builder.add(builder.mul(column, whole(LANES)), whole(lane))
    return [floats(builder, each, start) for each in rows]


def _inside(builder: Any, column: Value, width: Value, seen: int, count: Value) -> Value:
    """Return how many of so many tiles, of which the first begins at a column, end within rows of a width."""
    beyond = builder.sub(width, builder.add(column, whole(seen)))
    found = builder.add(builder.ashr(beyond, whole(2)), whole(1))
    found = builder.select(builder.icmp_signed("<", found, count), found, count)
    return builder.select(builder.icmp_signed("<", found, whole(0)), whole(0), found)


@emits(NOTHING, *[WORD] * 8)
def spread_places(builder: Any, *words: Value) -> None:
    """Transform so many tiles of 4 by 6 places of a panel, each four places behind the one before.

    The words are: the addresses of four rows, the column of the first tile, the rows' width, the number of
    tiles, and where they go. What the first tile sees before the rows, or the last ones behind them, is
    zeros. Two columns of six are those of the next tile too.
    """
    *rows, column, width, count, target = words
    for lane, kind in _vectors():

        def tile(is_inside: bool, _: Value, held: Carried, kind: Any = kind) -> Carried:
            pointers, place, at, near = held[:4], held[4], held[5], held[6:]
            bounds = None if is_inside else (at, width)
            far = [_seen(builder, places_down, pointers, kind, j, bounds) for j in range(2, 6)]
            _store(builder, _rows(builder, places_across, [near[:4], near[4:], *far]), place)
            pointers = [advance(builder, each, ACROSS * LANES) for each in pointers]
            following = advance(builder, place, SPREAD), builder.add(at, whole(ACROSS))
            return [*pointers, *following, *far[2], *far[3]]

        pointers = _begun(builder, rows, column, lane)
        near = [
            line for j in (0, 1) for line in _seen(builder, places_down, pointers, kind, j, (column, width))
        ]
        held: Carried = [*pointers, floats(builder, target, lane), column, *near]
        inside = _inside(builder, column, width, ACROSS + 2, count)
        held = repeat(builder, inside, held, partial(tile, True))
        repeat(builder, builder.sub(count, inside), held, partial(tile, False))


@emits(NOTHING, *[WORD] * 6)
def spread_outputs(
    builder: Any, row: Value, below: Value, column: Value, width: Value, count: Value, target: Value
) -> None:
    """Transform so many tiles of 2 by 4 outputs of a panel, from a column of two rows of some width on. What
    the last tile has behind the rows is zeros."""
    for lane, kind in _vectors():

        def tile(is_inside: bool, _: Value, held: Carried, kind: Any = kind) -> Carried:
            *pointers, place, at = held
            bounds = None if is_inside else (at, width)
            columns = [_seen(builder, outputs_down, pointers, kind, j, bounds) for j in range(ACROSS)]
            _store(builder, _rows(builder, outputs_across, columns), place)
            pointers = [advance(builder, each, ACROSS * LANES) for each in pointers]
            return [*pointers, advance(builder, place, SPREAD), builder.add(at, whole(ACROSS))]

        inside = _inside(builder, column, width, ACROSS, count)
        held: Carried = [*_begun(builder, (row, below), column, lane), floats(builder, target, lane), column]
        held = repeat(builder, inside, held, partial(tile, True))
        repeat(builder, builder.sub(count, inside), held, partial(tile, False))


@emits(NOTHING, *[WORD] * 5)
def gather_outputs(builder: Any, m: Value, count: Value, y: Value, below: Value, rest: Value) -> None:
    """Transform the sums of so many tiles of a panel to two rows of outputs, at `y` and `below`.

    Where there is no second row, `below` is `y`: it is written first. Of the last tile only the first
    columns are stored if there is a `rest` of them, and not 0.
    """
    for lane, kind in _vectors():

        def tile(is_whole: bool, _: Value, held: Carried, kind: Any = kind) -> Carried:
            place, *pointers = held
            lines = [[_load(builder, place, 6 * i + j, kind) for i in range(4)] for j in range(6)]
            rows = _rows(builder, sums_across, _columns(builder, sums_down, lines))
            for j in range(ACROSS):
                is_there = builder.icmp_signed(">", rest, whole(j))
                with nullcontext() if is_whole else builder.if_then(is_there):
                    for row, pointer in ((rows[1], pointers[1]), (rows[0], pointers[0])):
                        store_vector(builder, row[j], advance(builder, pointer, LANES * j))
            pointers = [advance(builder, each, ACROSS * LANES) for each in pointers]
            return [advance(builder, place, SPREAD), *pointers]

        held: Carried = [floats(builder, each, lane) for each in (m, y, below)]
        narrow = builder.zext(builder.icmp_signed("!=", rest, whole(0)), I64)
        held = repeat(builder, builder.sub(count, narrow), held, partial(tile, True))
        repeat(builder, narrow, held, partial(tile, False))


@emits(NOTHING, *[WORD] * 4)
def spread_weights(builder: Any, w: Value, step: Value, u: Value, apart: Value) -> None:
    """Transform a line of weights: nine taps `step` floats apart to frequencies so far `apart`."""
    for lane, kind in _vectors():
        taps = [
            [load_vector(builder, _line(builder, w, step, 3 * i + j, lane), kind) for i in range(3)]
            for j in range(3)
        ]
        rows = _rows(builder, weights_across, _columns(builder, weights_down, taps))
        for number, each in enumerate(line for row in rows for line in row):
            store_vector(builder, each, _line(builder, u, apart, number, lane))


@emits(NOTHING, *[WORD] * 4)
def gather_weights(builder: Any, sums: Value, apart: Value, dw: Value, step: Value) -> None:
    """Transform the sums of all frequencies, so far `apart`, to a line of the gradient for each of nine
    taps."""
    for lane, kind in _vectors():
        lines = [
            [load_vector(builder, _line(builder, sums, apart, 6 * i + j, lane), kind) for i in range(4)]
            for j in range(6)
        ]
        rows = _rows(builder, taps_across, _columns(builder, taps_down, lines))
        for number, each in enumerate(line for row in rows for line in row):
            store_vector(builder, each, _line(builder, dw, step, number, lane))


def _line(builder: Any, address: Value, apart: Value, number: int, lane: int) -> Value:
    return floats(builder, address, builder.add(builder.mul(apart, whole(number)), whole(lane)))
