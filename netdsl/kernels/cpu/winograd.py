"""Convolutions by 3x3 windows that move one place at a time, and their adjoints, by Winograd's F(2x4, 3x3).

A block of tiles is transformed, multiplied by the transformed weights, frequency by frequency, and
transformed to outputs: what is transformed stays in the second cache. The sums over channels, and those over
tiles of the gradient of the weights, are chains of fused multiply-adds in a fixed order: bits do not depend
on blocks.
"""

from typing import Any, Final

from numba import njit

from netdsl.kernels.cpu.convolution import clear
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at_long
from netdsl.kernels.cpu.windowed import PAIRED
from netdsl.kernels.cpu.winograd_sums import most_tiles, panels_at_once, sums_of_tiles, sums_over_tiles
from netdsl.kernels.cpu.winograd_transforms import (
    FREQUENCIES,
    SPREAD,
    gather_outputs,
    gather_weights,
    spread_outputs,
    spread_places,
    spread_weights,
)

WINOGRAD_FIELDS: Final = (
    *("x_panel", "x_image", "high", "wide", "top", "left"),
    *("y_panel", "y_image", "rows", "columns"),
    *("channels", "panels", "down", "across", "zeros", "room"),
)
"""The words of a description; strides and sizes are in floats.

X is panels `x_panel` apart, of images of `high` by `wide` places, `x_image` apart; it has so many `channels`.
The first window begins `top` rows and `left` columns before an image, two at most, and ends as far behind it
at most. Outputs are alike: so many `panels`, of `rows` by `columns`. A block is at most `down` rows of
`across` tiles, in a `room` for an even number of them. A row of zeros has `zeros` floats.
"""

X_PANEL, X_IMAGE, HIGH, WIDE, TOP, LEFT = 0, 1, 2, 3, 4, 5
Y_PANEL, Y_IMAGE, ROWS, COLUMNS = 6, 7, 8, 9
CHANNELS, PANELS, DOWN, ACROSS, ZEROS, ROOM = 10, 11, 12, 13, 14, 15


@kernel
def winograd_kernel(w: int, u: int, channels: int, back: int, first: int, last: int) -> None:
    """Transform the weights of 3x3 windows: panels `first` to before `last`. For the way `back` taps are in
    opposite order.

    Shapes: w [panels][9, channels, 16], u [panels][FREQUENCIES, channels, 16].
    """
    for p in range(first, last):
        for c in range(channels):
            source = w + 64 * (9 * channels * p + c)
            step = 16 * channels
            if back != 0:
                source += 32 * step
                step = -step
            spread_weights(source, step, u + 64 * (FREQUENCIES * channels * p + c), 16 * channels)


@njit(inline="always")
def _spread(it: Any, image: int, zeros: int, row: int, column: int, count: int, target: int) -> None:
    """Transform so many tiles of a panel whose windows begin at a row and a column."""
    first, high, step = row - it[TOP], it[HIGH], 64 * it[WIDE]
    place = image + step * first
    spread_places(
        place if (first >= 0) & (first < high) else zeros,
        place + step if (first + 1 >= 0) & (first + 1 < high) else zeros,
        place + 2 * step if (first + 2 >= 0) & (first + 2 < high) else zeros,
        place + 3 * step if (first + 3 >= 0) & (first + 3 < high) else zeros,
        column - it[LEFT], it[WIDE], count, target,
    )  # fmt: skip


@njit(inline="always")
def _multiplied(it: Any, u: int, v: int, m: int, spread: int, count: int) -> None:
    """Multiply all frequencies of a block by the weights.

    There are products of even numbers of tiles only: half as many to compile. What is computed of one tile
    too many is in no one's place.
    """
    channels, panels = it[CHANNELS], it[PANELS]
    groups = (channels + 15) >> 4
    highest, wide = most_tiles(), panels_at_once()
    for f in range(FREQUENCIES):
        p = 0
        while p < panels:
            at_once = wide if p + wide <= panels else 1
            done = 0
            while done < count:
                parts = (count - done + highest - 1) // highest
                height = ((count - done + parts - 1) // parts + 1) & -2
                sums_of_tiles(
                    height + PAIRED * (at_once - 1), v + 4 * (16 * f + SPREAD * done), spread,
                    groups, channels, u + 64 * channels * (FREQUENCIES * p + f), 16 * FREQUENCIES * channels,
                    m + 4 * (p * spread + 16 * f + SPREAD * done), spread,
                )  # fmt: skip
                done += height
            p += at_once


@kernel
def winograd(x: int, u: int, y: int, description: int, scratch: int, images: int) -> None:
    """Compute the outputs of so many images: sums over 3x3 windows.

    Shapes: X and Y as the description says (WINOGRAD_FIELDS), u as of `winograd_kernel`. `scratch` has room
    for the zeros, and for SPREAD for each tile of a block and panel of X and of Y; it is the thread's own.
    """
    it = at_long(description)
    rows, columns, panels = it[ROWS], it[COLUMNS], it[PANELS]
    groups = (it[CHANNELS] + 15) >> 4
    tiles_down, tiles_across = (rows + 1) >> 1, (columns + 3) >> 2
    spread = SPREAD * it[ROOM]
    v = scratch + 4 * it[ZEROS]
    m = v + 4 * groups * spread
    clear(scratch, v)
    for image in range(images):
        source = x + 4 * image * it[X_IMAGE]
        i = 0
        while i < tiles_down:
            high = tiles_down - i if tiles_down - i < it[DOWN] else it[DOWN]
            j = 0
            while j < tiles_across:
                long = tiles_across - j if tiles_across - j < it[ACROSS] else it[ACROSS]
                for g in range(groups):
                    for k in range(high):
                        place = v + 4 * (g * spread + k * long * SPREAD)
                        _spread(it, source + 4 * g * it[X_PANEL], scratch, 2 * (i + k), 4 * j, long, place)
                _multiplied(it, u, v, m, spread, high * long)
                rest = columns & 3 if 4 * (j + long) > columns else 0
                for p in range(panels):
                    for k in range(high):
                        row = 2 * (i + k)
                        first = image * it[Y_IMAGE] + 16 * (row * columns + 4 * j)
                        target = y + 4 * (p * it[Y_PANEL] + first)
                        below = target + 64 * columns if row + 1 < rows else target
                        gather_outputs(m + 4 * (p * spread + k * long * SPREAD), long, target, below, rest)
                j += long
            i += high


@njit(inline="always")
def _added(it: Any, v: int, m: int, sums: int, spread: int, count: int, adds: int) -> None:
    """Add what so many tiles give to the sums of each frequency."""
    panels, groups, wide = it[PANELS], (it[CHANNELS] + 15) >> 4, panels_at_once()
    for f in range(FREQUENCIES):
        p = 0
        while p < panels:
            at_once = wide if p + wide <= panels else 1
            for g in range(groups):
                sums_over_tiles(
                    at_once, count, v + 4 * (g * spread + 16 * f), m + 4 * (p * spread + 16 * f), spread,
                    sums + 1024 * ((f * panels + p) * groups + g), 256 * groups, adds,
                )  # fmt: skip
            p += at_once


@kernel
def winograd_gradient(
    x: int, dy: int, dw: int, parts: int, description: int, scratch: int, images: int, first: int
) -> None:
    """Compute the gradient of the weights of 3x3 windows, summed over so many images.

    It is stored at `dw` where they are the first of all, otherwise at `parts`. Tiles of several images make a
    block where they are small.

    Shapes: X and dY as for `winograd`, dW [panels][9, channels, 16]. `scratch` has room for the zeros, for
    SPREAD for each tile of a block and panel of X and of dY, and for FREQUENCIES sums for each line of whole
    panels of channels.
    """
    it = at_long(description)
    rows, columns, panels, channels = it[ROWS], it[COLUMNS], it[PANELS], it[CHANNELS]
    groups = (channels + 15) >> 4
    tiles_down, tiles_across = (rows + 1) >> 1, (columns + 3) >> 2
    most = it[DOWN] * it[ACROSS]
    spread = SPREAD * it[ROOM]
    v = scratch + 4 * it[ZEROS]
    m = v + 4 * groups * spread
    sums = m + 4 * panels * spread
    clear(scratch, v)
    full = 0
    adds = 0
    for image in range(images):
        source = x + 4 * image * it[X_IMAGE]
        for i in range(tiles_down):
            j = 0
            while j < tiles_across:
                long = tiles_across - j if tiles_across - j < it[ACROSS] else it[ACROSS]
                for g in range(groups):
                    place = v + 4 * (g * spread + full * SPREAD)
                    _spread(it, source + 4 * g * it[X_PANEL], scratch, 2 * i, 4 * j, long, place)
                for p in range(panels):
                    right = dy + 4 * (p * it[Y_PANEL] + image * it[Y_IMAGE] + 32 * i * columns)
                    below = right + 64 * columns if 2 * i + 1 < rows else scratch
                    spread_outputs(right, below, 4 * j, columns, long, m + 4 * (p * spread + full * SPREAD))
                full += long
                j += long
                is_last = (image == images - 1) & (i == tiles_down - 1) & (j == tiles_across)
                if is_last | (full + it[ACROSS] > most):
                    _added(it, v, m, sums, spread, full, adds)
                    full = 0
                    adds = 1
    result = dw if first == 0 else parts
    for p in range(panels):
        for c in range(channels):
            place = sums + 64 * (16 * groups * p + c)
            gather_weights(
                place, 256 * groups * panels, result + 64 * (9 * channels * p + c), 16 * channels
            )  # fmt: skip
