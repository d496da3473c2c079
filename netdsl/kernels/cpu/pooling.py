"""Pools over images in panels, and their adjoints: 16 channels at a time, a window after the other.

What of a window lies beyond the border of an image has no part in it.
"""

from typing import Any, Final

from numba import njit

from netdsl.kernels.cpu.emission import LANES
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_long, move_words
from netdsl.kernels.cpu.prelude import f32
from netdsl.kernels.cpu.tiles import stack_floats
from netdsl.kernels.cpu.turning import min16
from netdsl.kernels.cpu.window_lines import (
    best_line,
    best_of_four,
    give_line,
    give_to_four,
    spread_line,
    sum_line,
)

FIELDS: Final = (
    *("height", "width", "down", "across", "rows", "columns", "stride_down", "stride_across"),
    *("top", "left", "x_panel", "y_panel", "channels"),
)
"""The words of a description: images of `height` by `width` places, `down` by `across` windows of `rows` by
`columns` places, their strides, and the places before an image; then the floats from panel to panel of images
and of windows, and the channels."""

HEIGHT, WIDTH, DOWN, ACROSS, ROWS, COLUMNS, STRIDE_DOWN, STRIDE_ACROSS = 0, 1, 2, 3, 4, 5, 6, 7
TOP, LEFT, X_PANEL, Y_PANEL, CHANNELS = 8, 9, 10, 11, 12

a_line = stack_floats(LANES)
"""Room for a line on the stack."""


@njit(inline="always")
def seen(window: int, stride: int, before: int, size: int, extent: int) -> tuple[int, int, int]:
    """Return what a window sees of an image along an axis: its first tap there, how many, and their first
    place."""
    start = before - window * stride
    first = start if start > 0 else 0
    end = extent + start
    return first, (end if end < size else size) - first, first - start


@njit(inline="always")
def _clear(it: Any, dx: int) -> None:
    room = at(dx)
    for i in range(16 * it[HEIGHT] * it[WIDTH]):
        room[i] = f32(0.0)


@njit(inline="always")
def covers(it: Any) -> bool:
    """Tell whether windows are two by two places, and each place is seen by one."""
    is_square = (it[ROWS] == 2) & (it[COLUMNS] == 2) & (it[STRIDE_DOWN] == 2) & (it[STRIDE_ACROSS] == 2)
    is_even = (it[HEIGHT] == 2 * it[DOWN]) & (it[WIDTH] == 2 * it[ACROSS])
    return bool(is_square & is_even & (it[TOP] == 0) & (it[LEFT] == 0))


@njit(inline="always")
def _give_to_line(dx: int, line: int, dy: int, taps: int, across: int, channels: int) -> None:
    """Set the places of a line of such windows."""
    for j in range(across):
        give_to_four(dx + 128 * j, line, 16, dy + 64 * j, taps + 4 * channels * j)


@njit(inline="always")
def _best_of_line(
    x: int, line: int, y: int, y_step: int, taps: int, numbers: int, windows: tuple[int, int, int], width: int
) -> None:
    """Find the greatest numbers of a line of such windows, and their taps, if they are asked for.

    `windows` are how many, the channels, and the taps that are left in the image: what is written beyond a
    window's own belongs to those that follow.
    """
    across, channels, left_over = windows
    for j in range(across):
        told = taps + 4 * channels * j
        fits = (taps != 0) & ((width == 16) | ((channels < 16) & (left_over - j * channels >= 16)))
        best_of_four(x + 128 * j, line, 16, y + y_step * j, told if fits else numbers)
        if (taps != 0) & (not fits):
            move_words(numbers, told, width)


@kernel
def max_pool(x: int, y: int, taps: int, description: int, images: int) -> None:
    """Compute the greatest number of each window, and which tap it is; either is left out at address 0.

    Shapes: X (images * places, channels) in panels, Y (images * windows, channels) in panels; taps int32, the
    same row-major. The description is FIELDS.
    """
    it = at_long(description)
    line = 16 * it[WIDTH]
    in_fours = covers(it)
    spare = a_line()
    numbers = a_line()
    for image in range(images):
        for p in range((it[CHANNELS] + 15) >> 4):
            source = x + 4 * (p * it[X_PANEL] + image * it[HEIGHT] * line)
            width = min16(it[CHANNELS] - 16 * p)
            for i in range(it[DOWN]):
                first = (image * it[DOWN] + i) * it[ACROSS]
                best = spare if y == 0 else y + 4 * (p * it[Y_PANEL] + 16 * first)
                step = 0 if y == 0 else 64
                told = taps + 4 * (first * it[CHANNELS] + 16 * p)
                if in_fours:
                    left_over = (it[DOWN] - i) * it[ACROSS] * it[CHANNELS]
                    _best_of_line(
                        source + 8 * i * line, line, best, step, 0 if taps == 0 else told, numbers,
                        (it[ACROSS], it[CHANNELS], left_over), width,
                    )  # fmt: skip
                    continue
                top, rows, row = seen(i, it[STRIDE_DOWN], it[TOP], it[ROWS], it[HEIGHT])
                for j in range(it[ACROSS]):
                    left, columns, column = seen(j, it[STRIDE_ACROSS], it[LEFT], it[COLUMNS], it[WIDTH])
                    best_line(
                        source + 4 * (row * line + 16 * column), line, 16, rows, columns,
                        top * it[COLUMNS] + left, it[COLUMNS], best + step * j, numbers,
                    )  # fmt: skip
                    if taps != 0:
                        move_words(numbers, told + 4 * it[CHANNELS] * j, width)


@kernel
def put_window(dy: int, taps: int, dx: int, description: int, images: int) -> None:
    """Give each number of dY to the place of its window that a tap tells; dX is their sum.

    Shapes: dY (images * windows, channels) in panels, taps int32, the same row-major; dX (images * places,
    channels) in panels. The description is FIELDS. Up to 15 numbers after the last tap are read.
    """
    it = at_long(description)
    line = 16 * it[WIDTH]
    in_fours = covers(it)
    for image in range(images):
        for p in range((it[CHANNELS] + 15) >> 4):
            target = dx + 4 * (p * it[X_PANEL] + image * it[HEIGHT] * line)
            if not in_fours:
                _clear(it, target)
            for i in range(it[DOWN]):
                if in_fours:
                    _give_to_line(
                        target + 8 * i * line, line,
                        dy + 4 * (p * it[Y_PANEL] + 16 * (image * it[DOWN] + i) * it[ACROSS]),
                        taps + 4 * ((image * it[DOWN] + i) * it[ACROSS] * it[CHANNELS] + 16 * p),
                        it[ACROSS], it[CHANNELS],
                    )  # fmt: skip
                    continue
                top, rows, row = seen(i, it[STRIDE_DOWN], it[TOP], it[ROWS], it[HEIGHT])
                for j in range(it[ACROSS]):
                    left, columns, column = seen(j, it[STRIDE_ACROSS], it[LEFT], it[COLUMNS], it[WIDTH])
                    output = (image * it[DOWN] + i) * it[ACROSS] + j
                    place = target + 4 * (row * line + 16 * column)
                    given = dy + 4 * (p * it[Y_PANEL] + 16 * output)
                    number = taps + 4 * (output * it[CHANNELS] + 16 * p)
                    give_line(
                        place,
                        line,
                        16,
                        rows,
                        columns,
                        top * it[COLUMNS] + left,
                        it[COLUMNS],
                        given,
                        number,
                    )


@kernel
def sum_pool(x: int, y: int, description: int, images: int, back: int) -> None:
    """Compute the sum of each window; or, the way back, the sum over the windows that see a place.

    Shapes: X (images * places, channels), Y (images * windows, channels), both in panels; X is read, or, if
    `back` is not 0, written. The description is FIELDS.
    """
    it = at_long(description)
    line = 16 * it[WIDTH]
    for image in range(images):
        for p in range((it[CHANNELS] + 15) >> 4):
            source = x + 4 * (p * it[X_PANEL] + image * it[HEIGHT] * line)
            if back != 0:
                _clear(it, source)
            for i in range(it[DOWN]):
                _, rows, row = seen(i, it[STRIDE_DOWN], it[TOP], it[ROWS], it[HEIGHT])
                for j in range(it[ACROSS]):
                    _, columns, column = seen(j, it[STRIDE_ACROSS], it[LEFT], it[COLUMNS], it[WIDTH])
                    place = source + 4 * (row * line + 16 * column)
                    output = y + 4 * (p * it[Y_PANEL] + 16 * ((image * it[DOWN] + i) * it[ACROSS] + j))
                    if back != 0:
                        spread_line(place, line, 16, rows, columns, output)
                    else:
                        sum_line(place, line, 16, rows, columns, output)
