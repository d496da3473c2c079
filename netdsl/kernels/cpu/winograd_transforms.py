"""The transforms of Winograd's convolutions: additions of lines of 16 channels.

F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): a tile of 4 by 4
places gives 2 by 2 outputs of 3x3 windows by 16 multiplications for a pair of channels, not 36. With the
matrices there, outputs are A^T [(G g G^T) * (B^T d B)] A, and the gradient of g is G^T [(A dy A^T) * (B^T d
B)] G.

A transformed tile is SPREAD floats of a panel: a line for each of 16 frequencies, and one more that keeps
tiles from lying 1024 bytes apart, where a quarter of the sets of the first cache would hold them all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    F32,
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

SPREAD: Final = 17 * LANES
"""Floats from one transformed tile to the next."""

Lines = Sequence[Value]
Transform = Callable[[Any, Lines], list[Value]]


def _vectors() -> list[tuple[int, Any]]:
    """Return the vectors that a line is made of, as long as registers are, so that a tile stays in them."""
    lanes = LANES if machine().rows[0] >= LANES else LANES // 2
    return [(start, ir.VectorType(F32, lanes)) for start in range(0, LANES, lanes)]


def _of_places(builder: Any, d: Lines) -> list[Value]:
    """Return B^T d."""
    pairs = ("fsub", 0, 2), ("fadd", 1, 2), ("fsub", 2, 1), ("fsub", 1, 3)
    return [getattr(builder, name)(d[i], d[j]) for name, i, j in pairs]


def _to_outputs(builder: Any, m: Lines) -> list[Value]:
    """Return A^T m."""
    both, other = builder.fadd(m[1], m[2]), builder.fsub(m[1], m[2])
    return [builder.fadd(m[0], both), builder.fsub(other, m[3])]


def _of_outputs(builder: Any, y: Lines) -> list[Value]:
    """Return A y, the last line with the opposite sign, which `_to_weights` takes back."""
    return [y[0], builder.fadd(y[0], y[1]), builder.fsub(y[0], y[1]), y[1]]


def _of_weights(builder: Any, g: Lines) -> list[Value]:
    """Return G g."""
    half, ends = _half_of(g[0]), builder.fadd(g[0], g[2])
    both = builder.fadd(ends, g[1]), builder.fsub(ends, g[1])
    return [g[0], *(builder.fmul(half, each) for each in both), g[2]]


def _to_weights(builder: Any, s: Lines) -> list[Value]:
    """Return G^T s, the last line of s having the opposite sign."""
    half = _half_of(s[0])
    both, other = (builder.fmul(half, each) for each in (builder.fadd(s[1], s[2]), builder.fsub(s[1], s[2])))
    return [builder.fadd(s[0], both), other, builder.fsub(both, s[3])]


def _half_of(line: Value) -> Value:
    return ir.Constant(line.type, [0.5] * line.type.count)


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


@emits(NOTHING, *[WORD] * 4)
def spread_places(builder: Any, x: Value, pitch: Value, count: Value, target: Value) -> None:
    """Transform so many tiles of 4 by 4 places of a panel, each two places behind the one before; rows are
    `pitch` floats apart. Two columns of four are those of the next tile too."""
    for lane, kind in _vectors():
        rows = [floats(builder, x, builder.add(builder.mul(pitch, whole(i)), whole(lane))) for i in range(4)]

        def column(pointers: Carried, number: int, kind: Any = kind) -> list[Value]:
            return _of_places(builder, [_load(builder, each, number, kind) for each in pointers])

        def turn(_: Value, held: Carried, column: Any = column) -> Carried:
            pointers, place, near = held[:4], held[4], held[5:]
            columns = [near[:4], near[4:], column(pointers, 2), column(pointers, 3)]
            _store(builder, _rows(builder, _of_places, columns), place)
            pointers = [advance(builder, each, 2 * LANES) for each in pointers]
            return [*pointers, advance(builder, place, SPREAD), *columns[2], *columns[3]]

        start = floats(builder, target, lane)
        repeat(builder, count, [*rows, start, *column(rows, 0), *column(rows, 1)], turn)


@emits(NOTHING, *[WORD] * 4)
def spread_outputs(builder: Any, dy: Value, pitch: Value, count: Value, target: Value) -> None:
    """Transform so many tiles of 2 by 2 outputs of a panel; rows are `pitch` floats apart."""
    for lane, kind in _vectors():
        rows = [floats(builder, dy, builder.add(builder.mul(pitch, whole(i)), whole(lane))) for i in (0, 1)]

        def turn(_: Value, held: Carried, kind: Any = kind) -> Carried:
            *pointers, place = held
            lines = [[_load(builder, each, j, kind) for each in pointers] for j in (0, 1)]
            _store(builder, _rows(builder, _of_outputs, _columns(builder, _of_outputs, lines)), place)
            pointers = [advance(builder, each, 2 * LANES) for each in pointers]
            return [*pointers, advance(builder, place, SPREAD)]

        repeat(builder, count, [*rows, floats(builder, target, lane)], turn)


@emits(NOTHING, *[WORD] * 5)
def gather_outputs(builder: Any, m: Value, count: Value, y: Value, below: Value, narrow: Value) -> None:
    """Transform the sums of so many tiles of a panel to two rows of outputs, at `y` and `below`.

    Where there is no second row, `below` is `y`: it is written first. If the last tile is `narrow`, 1 and not
    0, only one column of it is stored.
    """
    for lane, kind in _vectors():

        def tile(width: int, _: Value, held: Carried, kind: Any = kind) -> Carried:
            place, *pointers = held
            lines = [[_load(builder, place, 4 * i + j, kind) for i in range(4)] for j in range(4)]
            rows = _rows(builder, _to_outputs, _columns(builder, _to_outputs, lines))
            for row, pointer in ((rows[1], pointers[1]), (rows[0], pointers[0])):
                _store(builder, [row[:width]], pointer)
            return [
                advance(builder, place, SPREAD),
                *(advance(builder, each, 2 * LANES) for each in pointers),
            ]

        held = [floats(builder, each, lane) for each in (m, y, below)]
        held = repeat(builder, builder.sub(count, narrow), held, partial(tile, 2))
        repeat(builder, narrow, held, partial(tile, 1))


@emits(NOTHING, *[WORD] * 4)
def spread_weights(builder: Any, w: Value, step: Value, u: Value, apart: Value) -> None:
    """Transform a line of weights: nine taps `step` floats apart to 16 frequencies so far `apart`."""
    for lane, kind in _vectors():
        taps = [
            [load_vector(builder, _line(builder, w, step, 3 * i + j, lane), kind) for i in range(3)]
            for j in range(3)
        ]
        rows = _rows(builder, _of_weights, _columns(builder, _of_weights, taps))
        for number, each in enumerate(line for row in rows for line in row):
            store_vector(builder, each, _line(builder, u, apart, number, lane))


@emits(NOTHING, *[WORD] * 4)
def gather_weights(builder: Any, sums: Value, apart: Value, dw: Value, step: Value) -> None:
    """Transform the sums of 16 frequencies, so far `apart`, to a line of the gradient for each of nine
    taps."""
    for lane, kind in _vectors():
        lines = [
            [load_vector(builder, _line(builder, sums, apart, 4 * i + j, lane), kind) for i in range(4)]
            for j in range(4)
        ]
        rows = _rows(builder, _to_weights, _columns(builder, _to_weights, lines))
        for number, each in enumerate(line for row in rows for line in row):
            store_vector(builder, each, _line(builder, dw, step, number, lane))


def _line(builder: Any, address: Value, apart: Value, number: int, lane: int) -> Value:
    return floats(builder, address, builder.add(builder.mul(apart, whole(number)), whole(lane)))
