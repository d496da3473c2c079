"""Tiles of sums for 16 examples at once, one in each lane of a vector.

A value lies as `[examples / 16][place][channel][16 examples]`. A tile has some places by some outputs: each
step of a sum takes a vector of X for each place and a number of the weights, in all lanes, for each output.
No lane is wasted, however few channels there are. Each sum is one chain of fused multiply-adds in its own
lane, so its bits depend neither on the shape of a tile nor on the width of the registers.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    F32,
    I32,
    I64,
    LANES,
    NOTHING,
    WORD,
    ZEROS,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    multiply_add,
    splat,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.windowed import choose

WIDEST: Final = 4
"""Outputs of a tile, at most."""

WIDER: Final = 6
"""Outputs of a tile of one or two places, at most: with fewer sums they wait for each other."""

ENTRY: Final = 3
"""Words of an entry of the table that windows are summed over."""

LONGEST: Final = 8
"""Places of a tile, or numbers of a window, at most."""


def _lanes() -> int:
    """Return the lanes of a register: tiles go through 16 examples in as many passes as that takes."""
    return 16 if machine().wide else 8 if machine().level == "avx2" else 4


def _most_sums() -> int:
    """Return how many registers of sums leave enough for what is multiplied."""
    return 24 if machine().wide else 12 if machine().fma else 8


def _shapes() -> list[tuple[int, int]]:
    """Return the tiles there are: places (or numbers of a window), and outputs."""
    widths = range(1, WIDER + 1)
    return [
        (long, wide)
        for wide in widths
        for long in range(1, min(LONGEST if wide <= WIDEST else 2, _most_sums() // wide) + 1)
    ]


@emits(WORD, WORD)
def widest(builder: Any, places: Value) -> Value:
    """Return how many outputs a tile has at most, of so many places that are to be computed."""
    few = builder.icmp_signed("<=", places, whole(2))
    return builder.select(few, whole(WIDER), whole(WIDEST))


@emits(WORD, WORD)
def longest(builder: Any, wide: Value) -> Value:
    """Return how many places a tile of so many outputs has at most."""
    fits = builder.sdiv(whole(_most_sums()), wide)
    return builder.select(builder.icmp_signed("<", fits, whole(LONGEST)), fits, whole(LONGEST))


def _kind(builder: Any, long: Value, wide: Value) -> Value:
    """Return the number of a tile's shape."""
    return builder.add(builder.mul(wide, whole(LONGEST + 1)), long)


def _kinds() -> dict[int, tuple[int, int]]:
    return {wide * (LONGEST + 1) + long: (long, wide) for long, wide in _shapes()}


def _in_passes(builder: Any, tile: Callable[[Value], None]) -> None:
    """Emit a tile for all lanes: as often as a register goes into 16, from its first lane on."""
    lanes = _lanes()

    def turn(number: Value, _: Carried) -> Carried:
        tile(builder.mul(number, whole(lanes)))
        return []

    repeat(builder, whole(LANES // lanes), [], turn)


@emits(NOTHING, *[WORD] * 8)
def window_tile(builder: Any, long: Value, wide: Value, *words: Value) -> None:
    """Compute some places by some outputs of what windows see.

    The other words are: the table of places, each `[floats from x, floats from y]`; x, w, y; the table that
    is summed over and how many entries it has, `[floats from a place, floats from w, steps]` each: so many
    neighboring vectors of X and lines of 16 weights.
    """
    choose(builder, "window", _kind(builder, long, wide), words, _kinds(), _window_tile)


def _window_tile(builder: Any, shape: tuple[int, int], words: Sequence[Value]) -> None:
    _in_passes(builder, lambda lane: _window_sums(builder, shape, lane, words))


def _window_sums(builder: Any, shape: tuple[int, int], lane: Value, words: Sequence[Value]) -> None:
    (long, wide), (table, x, w, y, entries, count) = shape, words
    kind = ir.VectorType(F32, _lanes())
    table = builder.inttoptr(table, I64.as_pointer())
    at = [builder.load(advance(builder, table, i)) for i in range(2 * long)]
    places = [advance(builder, floats(builder, x, each), lane) for each in at[::2]]
    weights = floats(builder, w)

    def step(_: Value, held: Carried) -> Carried:
        along, right, *sums = held
        numbers = [load_vector(builder, advance(builder, each, along), kind) for each in places]
        for j in range(wide):
            weight = splat(builder, builder.load(advance(builder, right, j), align=4), kind.count)
            for i in range(long):
                n = j * long + i
                sums[n] = multiply_add(builder, weight, numbers[i], sums[n], fused=machine().fma)
        return [builder.add(along, whole(LANES)), advance(builder, right, LANES), *sums]

    def entry(_: Value, held: Carried) -> Carried:
        place, *sums = held
        along, line, steps = (builder.load(advance(builder, place, i)) for i in range(ENTRY))
        begin = [along, advance(builder, weights, line)]
        _, _, *sums = repeat(builder, steps, [*begin, *sums], step)
        return [advance(builder, place, ENTRY), *sums]

    zeros = [ir.Constant(kind, [0.0] * kind.count)] * (long * wide)
    _, *sums = repeat(builder, count, [builder.inttoptr(entries, I64.as_pointer()), *zeros], entry)
    for i in range(long):
        target = advance(builder, floats(builder, y, at[2 * i + 1]), lane)
        for j in range(wide):
            store_vector(builder, sums[j * long + i], advance(builder, target, LANES * j))


@emits(NOTHING, *[WORD] * 12)
def gradient_tile(builder: Any, long: Value, wide: Value, *words: Value) -> None:
    """Add to the sums of some neighboring numbers of windows by some outputs.

    The other words are: x, dy, sums, the floats from one number's sums to the next; how many rows of windows
    there are and the floats of X and of dY from one to the next; the same for columns.
    """
    choose(builder, "gradient", _kind(builder, long, wide), words, _kinds(), _gradient_tile)


def _gradient_tile(builder: Any, shape: tuple[int, int], words: Sequence[Value]) -> None:
    _in_passes(builder, lambda lane: _gradient_sums(builder, shape, lane, words))


def _gradient_sums(builder: Any, shape: tuple[int, int], lane: Value, words: Sequence[Value]) -> None:
    x, dy, sums, line, rows, x_row, dy_row, columns, x_column, dy_column = words
    long, wide = shape
    kind = ir.VectorType(F32, _lanes())
    start = advance(builder, floats(builder, sums), lane)
    places = [
        advance(builder, advance(builder, start, builder.mul(line, whole(i))), LANES * j)
        for i in range(long)
        for j in range(wide)
    ]

    def vectors(start: Value, count: int) -> list[Callable[[], Value]]:
        places = [advance(builder, start, LANES * i) for i in range(count)]
        return [partial(load_vector, builder, each, kind) for each in places]

    def column(_: Value, held: Carried) -> Carried:
        left, right, *totals = held
        factors = vectors(left, long), vectors(right, wide)
        # The fewer are held, the others read one after the other: what is multiplied has few registers.
        held_axis = int(wide <= long)
        few, many = factors[held_axis], factors[1 - held_axis]
        kept = [load() for load in few]
        for i, load in enumerate(many):
            number = load()
            for j, other in enumerate(kept):
                n = i * wide + j if held_axis else j * wide + i
                totals[n] = multiply_add(builder, number, other, totals[n], fused=machine().fma)
        return [advance(builder, left, x_column), advance(builder, right, dy_column), *totals]

    def row(_: Value, held: Carried) -> Carried:
        left, right, *totals = held
        _, _, *totals = repeat(builder, columns, [left, right, *totals], column)
        return [advance(builder, left, x_row), advance(builder, right, dy_row), *totals]

    first = advance(builder, floats(builder, x), lane), advance(builder, floats(builder, dy), lane)
    totals = [load_vector(builder, each, kind) for each in places]
    _, _, *totals = repeat(builder, rows, [*first, *totals], row)
    for each, place in zip(totals, places, strict=True):
        store_vector(builder, each, place)


@emits(NOTHING, *[WORD] * 4)
def add_lanes(builder: Any, source: Value, lines: Value, examples: Value, target: Value) -> None:
    """Store the sum over the lanes of each of at most 16 vectors, in the order of a tree; 0 for vectors that
    are not there. Lanes without an example are left out, whatever they hold."""
    kind = ir.VectorType(I32, LANES)
    numbers = ir.Constant(kind, [*range(LANES)])
    is_there = builder.icmp_signed("<", numbers, splat(builder, builder.trunc(examples, I32)))
    held = []
    for i in range(LANES):
        fits = builder.icmp_signed("<", whole(i), lines)
        place = builder.select(fits, whole(LANES * i), whole(0))
        vector = load_vector(builder, floats(builder, source, place))
        held.append(builder.select(is_there, vector, ZEROS))
    even = ir.Constant(kind, [*range(0, 2 * LANES, 2)])
    odd = ir.Constant(kind, [*range(1, 2 * LANES, 2)])
    while len(held) > 1:
        held = [
            builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
            for a, b in zip(held[::2], held[1::2], strict=True)
        ]
    there = builder.icmp_signed("<", numbers, splat(builder, builder.trunc(lines, I32)))
    store_vector(builder, builder.select(there, held[0], ZEROS), floats(builder, target))
