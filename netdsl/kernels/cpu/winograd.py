"""Convolutions by 3x3 windows that move one place at a time, and their adjoints, by Winograd's F(2x4, 3x3).

A block of tiles is transformed, multiplied by the transformed weights, frequency by frequency, and
transformed to outputs: what is transformed stays in the second cache. The sums over channels, and those over
tiles of the gradient of the weights, are chains of fused multiply-adds in a fixed order: bits do not depend
on blocks.
"""

from typing import Any, Final

from numba import njit

from netdsl.kernels.cpu.convolution import GROUP, LINE, PACKED, PITCH, SIZE, X_GROUP, X_IMAGE, clear, pack
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
    *("top", "left", "high", "wide"),
    *("rows", "columns", "y_panel", "y_image", "channels", "panels", "down", "across"),
)
"""The words of a description behind those about X (the first of FIELDS, up to `size`).

The first window begins `top` rows and `left` columns before the `high` by `wide` places of X that are read,
or of its copy between zeros. If it is read where it lies, `size` is the floats of a row, of zeros. Outputs of
an image are `rows` by `columns`, in `panels` that are `y_panel` floats apart; images are `y_image` apart. X
has so many `channels`. A block is at most `down` rows of `across` tiles.
"""

TOP, LEFT, HIGH, WIDE = 10, 11, 12, 13
ROWS, COLUMNS, Y_PANEL, Y_IMAGE, CHANNELS, PANELS, DOWN, ACROSS = 14, 15, 16, 17, 18, 19, 20, 21
OUTPUTS: Final = 22
"""Where the words about dY begin that those of a gradient end with, in the form of those about X."""


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
def _spread(it: Any, source: int, zeros: int, row: int, column: int, count: int, target: int) -> None:
    """Transform so many tiles of a panel whose windows begin at a row and a column."""
    pitch = it[PITCH] if it[PACKED] != 0 else it[LINE]
    first = row - it[TOP]
    high, step = it[HIGH], 4 * pitch
    place = source + step * first
    spread_places(
        place if (first >= 0) & (first < high) else zeros,
        place + step if (first + 1 >= 0) & (first + 1 < high) else zeros,
        place + 2 * step if (first + 2 >= 0) & (first + 2 < high) else zeros,
        place + 3 * step if (first + 3 >= 0) & (first + 3 < high) else zeros,
        column - it[LEFT], it[WIDE], count, target,
    )  # fmt: skip


@njit(inline="always")
def _multiplied(it: Any, u: int, v: int, m: int, spread: int, count: int) -> None:
    """Multiply all frequencies of a block by the weights."""
    channels, panels = it[CHANNELS], it[PANELS]
    groups = (channels + 15) >> 4
    highest, wide = most_tiles(), panels_at_once()
    parts = (count + highest - 1) // highest
    short = count // parts
    longer = count - parts * short
    for f in range(FREQUENCIES):
        p = 0
        while p < panels:
            at_once = wide if p + wide <= panels else 1
            done = 0
            for part in range(parts):
                height = short + 1 if part < longer else short
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

    Shapes: X and Y as the description says (the first of FIELDS, WINOGRAD_FIELDS), u as of `winograd_kernel`.
    `scratch` has room for `size` floats, and for SPREAD for each tile of a block and panel of X and of Y; it
    is the thread's own.
    """
    it = at_long(description)
    group = it[GROUP] if it[PACKED] != 0 else it[X_GROUP]
    rows, columns, panels = it[ROWS], it[COLUMNS], it[PANELS]
    groups = (it[CHANNELS] + 15) >> 4
    tiles_down, tiles_across = (rows + 1) >> 1, (columns + 3) >> 2
    spread = SPREAD * it[DOWN] * it[ACROSS]
    v = scratch + 4 * it[SIZE]
    m = v + 4 * groups * spread
    clear(scratch, v)
    for image in range(images):
        source = x + 4 * image * it[X_IMAGE]
        if it[PACKED] != 0:
            pack(it, source, scratch)
            source = scratch
        i = 0
        while i < tiles_down:
            high = tiles_down - i if tiles_down - i < it[DOWN] else it[DOWN]
            j = 0
            while j < tiles_across:
                long = tiles_across - j if tiles_across - j < it[ACROSS] else it[ACROSS]
                for g in range(groups):
                    for k in range(high):
                        target = v + 4 * (g * spread + k * long * SPREAD)
                        _spread(it, source + 4 * g * group, scratch, 2 * (i + k), 4 * j, long, target)
                _multiplied(it, u, v, m, spread, high * long)
                rest = columns & 3 if 4 * (j + long) > columns else 0
                for p in range(panels):
                    for k in range(high):
                        row = 2 * (i + k)
                        target = y + 4 * (
                            p * it[Y_PANEL] + image * it[Y_IMAGE] + 16 * (row * columns + 4 * j)
                        )
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

    Shapes: X as for `winograd`, dY alike by the words from OUTPUTS on, dW [panels][9, channels, 16].
    `scratch` has room for `size` floats of X and those of dY, for SPREAD for each tile of a block and panel
    of X and of dY, and for FREQUENCIES sums for each line of whole panels of channels.
    """
    it = at_long(description)
    its = at_long(description + 8 * OUTPUTS)
    group = it[GROUP] if it[PACKED] != 0 else it[X_GROUP]
    y_group = its[GROUP] if its[PACKED] != 0 else its[X_GROUP]
    y_pitch = its[PITCH] if its[PACKED] != 0 else its[LINE]
    panels, channels = it[PANELS], it[CHANNELS]
    groups = (channels + 15) >> 4
    tiles_down, tiles_across = (it[ROWS] + 1) >> 1, (it[COLUMNS] + 3) >> 2
    most = it[DOWN] * it[ACROSS]
    spread = SPREAD * most
    packed_dy = scratch + 4 * it[SIZE]
    v = packed_dy + 4 * its[SIZE]
    m = v + 4 * groups * spread
    sums = m + 4 * panels * spread
    clear(scratch, packed_dy)
    full = 0
    adds = 0
    for image in range(images):
        source = x + 4 * image * it[X_IMAGE]
        right = dy + 4 * image * its[X_IMAGE]
        if it[PACKED] != 0:
            pack(it, source, scratch)
            source = scratch
        if its[PACKED] != 0:
            pack(its, right, packed_dy)
            right = packed_dy
        for i in range(tiles_down):
            j = 0
            while j < tiles_across:
                long = tiles_across - j if tiles_across - j < it[ACROSS] else it[ACROSS]
                for g in range(groups):
                    target = v + 4 * (g * spread + full * SPREAD)
                    _spread(it, source + 4 * g * group, scratch, 2 * i, 4 * j, long, target)
                for p in range(panels):
                    place = right + 4 * (p * y_group + 2 * i * y_pitch + 64 * j)
                    spread_outputs(place, y_pitch, long, m + 4 * (p * spread + full * SPREAD))
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
            gather_weights(place, 256 * groups * panels, result + 64 * (9 * channels * p + c), 16 * channels)
