"""Pools and sums over places with an example in each lane: `[examples / 16][place][channel][16 examples]`.

Taps lie as values do. Lanes that have no example hold what follows from what they held before.
"""

from typing import Any

from numba import njit

from netdsl.kernels.cpu.emission import (
    LANES,
    NOTHING,
    WORD,
    ZEROS,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.memory import at, at_long
from netdsl.kernels.cpu.pooling import (
    ACROSS,
    CHANNELS,
    COLUMNS,
    DOWN,
    HEIGHT,
    LEFT,
    ROWS,
    STRIDE_ACROSS,
    STRIDE_DOWN,
    TOP,
    WIDTH,
    a_line,
    covers,
    seen,
)
from netdsl.kernels.cpu.prelude import f32
from netdsl.kernels.cpu.tiles import stack_floats
from netdsl.kernels.cpu.turning import copy_lines, min16, turn_16
from netdsl.kernels.cpu.window_lines import (
    best_line,
    best_of_four,
    give_line,
    give_to_four,
    spread_line,
    sum_line,
)

two_squares = stack_floats(2 * 16 * 16)
"""Room for twice 16 rows of 16 floats on the stack."""


@njit(inline="always")
def _clear(it: Any, dx: int) -> None:
    room = at(dx)
    for i in range(16 * it[HEIGHT] * it[WIDTH] * it[CHANNELS]):
        room[i] = f32(0.0)


GREATEST, GIVE, SUM, SPREAD = range(4)
"""What is done at a window: its greatest value is found or given back, its sum is made or spread."""


@njit(inline="always")
def _at_windows(work: int, x: int, y: int, taps: int, description: int, groups: int) -> None:
    """Do some work at all windows of so many groups of 16 examples; with a fixed `work`, nothing of the other
    works is left in a kernel."""
    it = at_long(description)
    place = 16 * it[CHANNELS]
    line = place * it[WIDTH]
    in_fours = covers(it)
    spare = a_line()
    for group in range(groups):
        images = x + 4 * group * it[HEIGHT] * line
        if work == SPREAD or (work == GIVE and not in_fours):
            _clear(it, images)
        for i in range(it[DOWN]):
            top, rows, row = seen(i, it[STRIDE_DOWN], it[TOP], it[ROWS], it[HEIGHT])
            for j in range(it[ACROSS]):
                left, columns, column = seen(j, it[STRIDE_ACROSS], it[LEFT], it[COLUMNS], it[WIDTH])
                begin = images + 4 * (row * line + column * place)
                window = 4 * place * ((group * it[DOWN] + i) * it[ACROSS] + j)
                first = top * it[COLUMNS] + left
                for c in range(it[CHANNELS]):
                    seen_from, own = begin + 64 * c, window + 64 * c
                    if work == GREATEST:
                        best = spare if y == 0 else y + own
                        told = spare if taps == 0 else taps + own
                        if in_fours:
                            best_of_four(seen_from, line, place, best, told)
                        else:
                            best_line(seen_from, line, place, rows, columns, first, it[COLUMNS], best, told)
                    elif work == GIVE and in_fours:
                        give_to_four(seen_from, line, place, y + own, taps + own)
                    elif work == GIVE:
                        give_line(
                            seen_from, line, place, rows, columns, first, it[COLUMNS], y + own, taps + own
                        )
                    elif work == SPREAD:
                        spread_line(seen_from, line, place, rows, columns, y + own)
                    else:
                        sum_line(seen_from, line, place, rows, columns, y + own)


@kernel
def example_max_pool(x: int, y: int, taps: int, description: int, groups: int) -> None:
    """Compute what `max_pool` does for so many groups of 16 examples; either result is left out at address 0.

    The description is that of pools.
    """
    _at_windows(GREATEST, x, y, taps, description, groups)


@kernel
def example_put_window(dy: int, taps: int, dx: int, description: int, groups: int) -> None:
    """Compute what `put_window` does for so many groups of 16 examples."""
    _at_windows(GIVE, dx, dy, taps, description, groups)


@kernel
def example_sum_pool(x: int, y: int, description: int, groups: int, back: int) -> None:
    """Compute what `sum_pool` does, or its way back, for so many groups of 16 examples."""
    if back != 0:
        _at_windows(SPREAD, x, y, 0, description, groups)
    else:
        _at_windows(SUM, x, y, 0, description, groups)


@emits(NOTHING, *[WORD] * 4)
def sum_apart(builder: Any, source: Value, apart: Value, places: Value, target: Value) -> None:
    """Store the sum of vectors that lie so many floats apart: four chains, then those."""

    def four(_: Value, held: Carried) -> Carried:
        place, *sums = held
        following = []
        for each in sums:
            following.append(builder.fadd(each, load_vector(builder, place)))
            place = advance(builder, place, apart)
        return [place, *following]

    def one(_: Value, held: Carried) -> Carried:
        place, total = held
        return [advance(builder, place, apart), builder.fadd(total, load_vector(builder, place))]

    fours = builder.lshr(places, whole(2))
    place, a, b, c, d = repeat(builder, fours, [floats(builder, source), *[ZEROS] * 4], four)
    total = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
    _, total = repeat(builder, builder.and_(places, whole(3)), [place, total], one)
    store_vector(builder, total, floats(builder, target))


@kernel
def example_place_sums(
    source: int, places: int, channels: int, target: int, target_panel: int, examples: int
) -> None:
    """Sum the values of some examples over their places.

    Shapes: the result (examples, channels) in panels, also of columns that mean nothing.
    """
    square = two_squares()
    turned = square + 1024
    for first in range(0, examples, LANES):
        group = source + 4 * first * places * channels
        for p in range((channels + 15) >> 4):
            for c in range(min16(channels - 16 * p)):
                sum_apart(group + 64 * (16 * p + c), 16 * channels, places, square + 64 * c)
            turn_16(square, 16, turned, 16)
            copy_lines(turned, target + 4 * target_panel * p + 64 * first, min16(examples - first))
