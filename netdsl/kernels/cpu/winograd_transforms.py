"""The transforms of Winograd's convolutions: additions of lines of 16 channels.

F(2x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): a tile of 4 by 6
places gives 2 by 4 outputs of 3x3 windows by 24 multiplications for a pair of channels, not 72. With the
matrices there, which `winograd_axes.py` has, outputs are A^T [(G g G^T) * (B^T d B)] A, and the gradient of g
is G^T [(A dy A^T) * (B^T d B)] G; the matrices at the left and at the right are not the same here.

A transformed tile is SPREAD floats of a panel: a line for each of FREQUENCIES, and one more, so that neither
tiles nor what is read of them lie a power of two apart, in a few sets of the first cache.
"""

from collections.abc import Sequence
from functools import partial, reduce
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


@emits(NOTHING, *[WORD] * 8)
def spread_places(
    builder: Any,
    row_1: Value,
    row_2: Value,
    row_3: Value,
    row_4: Value,
    column: Value,
    width: Value,
    count: Value,
    target: Value,
) -> None:
    """Transform so many tiles of 4 by 6 places of a panel, each four places behind the one before.

    The rows of `width` places begin at four addresses, the first tile at a `column`. What the first tile sees
    before the rows and the last one behind them is zeros. Two columns of six are those of the next tile too.
    """
    for lane, kind in _vectors():
        nothing = floats(builder, emit_zeros(builder))
        start = builder.mul(column, whole(LANES))
        rows = [
            floats(builder, each, builder.add(start, whole(lane))) for each in (row_1, row_2, row_3, row_4)
        ]

        def seen(pointers: Lines, number: int, kind: Any = kind) -> list[Value]:
            return places_down(builder, [_load(builder, each, number, kind) for each in pointers])

        def seen_inside(
            pointers: Lines, at: Value, number: int, seen: Any = seen, nothing: Any = nothing
        ) -> list[Value]:
            """Return a column, or zeros if it is beside the rows; unsigned, what is negative is great."""
            is_there = builder.icmp_unsigned("<", builder.add(at, whole(number)), width)
            places = [advance(builder, each, LANES * number) for each in pointers]
            found: list[Value] = seen([builder.select(is_there, each, nothing) for each in places], 0)
            return found

        def tile(
            is_last: bool, _: Value, held: Carried, seen: Any = seen, inside: Any = seen_inside
        ) -> Carried:
            pointers, place, at, near = held[:4], held[4], held[5], held[6:]
            far = [inside(pointers, at, j) if is_last else seen(pointers, j) for j in range(2, 6)]
            _store(builder, _rows(builder, places_across, [near[:4], near[4:], *far]), place)
            pointers = [advance(builder, each, ACROSS * LANES) for each in pointers]
            following = advance(builder, place, SPREAD), builder.add(at, whole(ACROSS))
            return [*pointers, *following, *far[2], *far[3]]

        near = [*seen_inside(rows, column, 0), *seen_inside(rows, column, 1)]
        held = [*rows, floats(builder, target, lane), column, *near]
        held = repeat(builder, builder.sub(count, whole(1)), held, partial(tile, False))
        tile(True, count, held)


@emits(NOTHING, *[WORD] * 4)
def spread_outputs(builder: Any, dy: Value, pitch: Value, count: Value, target: Value) -> None:
    """Transform so many tiles of 2 by 4 outputs of a panel; rows are `pitch` floats apart."""
    for lane, kind in _vectors():
        rows = [floats(builder, dy, builder.add(builder.mul(pitch, whole(i)), whole(lane))) for i in (0, 1)]

        def turn(_: Value, held: Carried, kind: Any = kind) -> Carried:
            *pointers, place = held
            lines = [[_load(builder, each, j, kind) for each in pointers] for j in range(ACROSS)]
            _store(builder, _rows(builder, outputs_across, _columns(builder, outputs_down, lines)), place)
            pointers = [advance(builder, each, ACROSS * LANES) for each in pointers]
            return [*pointers, advance(builder, place, SPREAD)]

        repeat(builder, count, [*rows, floats(builder, target, lane)], turn)


@emits(NOTHING, *[WORD] * 5)
def gather_outputs(builder: Any, m: Value, count: Value, y: Value, below: Value, rest: Value) -> None:
    """Transform the sums of so many tiles of a panel to two rows of outputs, at `y` and `below`.

    Where there is no second row, `below` is `y`: it is written first. Of the last tile only the first
    columns are stored if there is a `rest` of them, and not 0.
    """
    for lane, kind in _vectors():

        def tile(width: int, _: Value, held: Carried, kind: Any = kind) -> Carried:
            place, *pointers = held
            lines = [[_load(builder, place, 6 * i + j, kind) for i in range(4)] for j in range(6)]
            rows = _rows(builder, sums_across, _columns(builder, sums_down, lines))
            for row, pointer in ((rows[1], pointers[1]), (rows[0], pointers[0])):
                _store(builder, [row[:width]], pointer)
            pointers = [advance(builder, each, ACROSS * LANES) for each in pointers]
            return [advance(builder, place, SPREAD), *pointers]

        def is_left(width: int) -> Value:
            return builder.zext(builder.icmp_signed("==", rest, whole(width)), I64)

        held = [floats(builder, each, lane) for each in (m, y, below)]
        left = [is_left(width) for width in range(1, ACROSS)]
        for width, many in ((ACROSS, builder.sub(count, reduce(builder.add, left))), *enumerate(left, 1)):
            held = repeat(builder, many, held, partial(tile, width))


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
