"""Convolutions of images in panels, and their adjoints, an image at a time.

An image is a range of rows of a matrix: its places (pixels) times its channels, in panels of 16 channels or
row-major. Where windows reach over its border it is first copied between zeros, into the thread's own memory.
A kernel of weights [height, width, channels, outputs] is the matrix of `height * width * channels` rows in
panels of 16 outputs, as the weights of a dense layer are.
"""

from collections.abc import Callable
from typing import Any, Final

from numba import njit

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_long, move_words
from netdsl.kernels.cpu.prelude import f32
from netdsl.kernels.cpu.tiles import stack_floats, zeros
from netdsl.kernels.cpu.turning import copy_lines, fill_zeros, min16, turn_16
from netdsl.kernels.cpu.windowed import (
    APART,
    LANEWISE,
    PAIRED,
    STRIPS,
    halved_tile,
    tallest,
    tallest_apart,
    tallest_lanewise,
    tallest_pair,
    windowed_tile,
)
from netdsl.kernels.cpu.windowed_sums import windowed_sums

room_of_a_square = stack_floats(16 * 16)
"""Room for 16 rows of 16 floats on the stack."""

FIELDS: Final = (
    *("packed", "groups", "height", "line", "x_group", "x_image"),
    *("first", "pitch", "group", "size", "own"),
    *("w_panel", "y_panel", "y_image", "kind", "parts"),
)
"""The words of a description, then its parts; strides and sizes are in floats.

X is `groups` panels (or one group, row-major) `x_group` apart, of `height` lines of `line` floats; images
are `x_image` apart. If it is `packed`, lines are copied `pitch` apart, from the float `first` of each group
on, and groups are `group` apart; all of them have `size` floats. `own` is 1 where a panel of outputs comes
from the group of X with its number, and 0 where it comes from all of them. Weights are `w_panel` floats a
panel, outputs `y_panel`, and `y_image` an image. `kind` is 0, LANEWISE or HALVED.
"""

PACKED, GROUPS, HEIGHT, LINE, X_GROUP, X_IMAGE = 0, 1, 2, 3, 4, 5
FIRST, PITCH, GROUP, SIZE, OWN = 6, 7, 8, 9, 10
W_PANEL, Y_PANEL, Y_IMAGE, KIND, PARTS = 11, 12, 13, 14, 15
HEADER = 16

PART_FIELDS: Final = (
    "rows",
    "columns",
    "a_row",
    "a_column",
    "y_start",
    "y_row",
    "y_column",
    "entries",
    "table",
)
"""The words of a part of the outputs of an image: `rows` by `columns` of them.

Each is the sum over the entries of a table, which begins at the word `table` of the description:
`[start in X, group of X, start in a panel of weights, channels]`.
"""

PART = 9

BLOCK_FIELDS: Final = ("start", "group", "height", "line", "entries", "table")
"""The words of a block of lines of the weights: where it begins in X, how many lines they are, which is the
first of them, and the table that it is summed over."""

BLOCK = 6


@njit(inline="always")
def pack(it: Any, source: int, scratch: int) -> None:
    """Copy an image between zeros."""
    place = scratch
    for g in range(it[GROUPS]):
        for row in range(it[HEIGHT]):
            target = scratch + 4 * (g * it[GROUP] + it[FIRST] + row * it[PITCH])
            clear(place, target)
            move_words(source + 4 * (g * it[X_GROUP] + row * it[LINE]), target, it[LINE])
            place = target + 4 * it[LINE]
    clear(place, scratch + 4 * it[SIZE])


@njit(inline="always")
def clear(place: int, end: int) -> None:
    """Set what lies from one address to another to 0."""
    room = at(place)
    for i in range((end - place) >> 2):
        room[i] = f32(0.0)


def kernel_of_images(tile_of: Callable[..., None]) -> Callable[..., Any]:
    """Make a kernel of convolutions. Those with tiles of their own are compiled where they are needed."""

    @kernel
    def convolution(
        x: int,
        w: int,
        y: int,
        bias: int,
        description: int,
        scratch: int,
        first: int,
        last: int,
        first_panel: int,
        last_panel: int,
    ) -> None:
        """Compute panels of the outputs of the images `first` to before `last`: bias + sums over windows.

        Shapes: as the description says (FIELDS, then PART_FIELDS for each part, then tables); bias a line for
        each panel, none at address 0. `scratch` has room for `size` floats an image and is
        the thread's own.
        """
        it = at_long(description)
        group = it[X_GROUP]
        step = 4 * it[X_IMAGE]
        source = x + first * step
        if it[PACKED] != 0:
            for image in range(first, last):
                pack(it, x + image * step, scratch + 4 * (image - first) * it[SIZE])
            group = it[GROUP]
            step = 4 * it[SIZE]
            source = scratch
        near = at_long(description + 8 * HEADER)[3] == (16 if it[KIND] == 0 else 32)
        p = first_panel
        while p < last_panel:
            start = zeros() if bias == 0 else bias + 64 * p
            kind = it[KIND] if (it[KIND] == LANEWISE) | near else it[KIND] + APART
            tall = tallest_lanewise() if kind == LANEWISE else tallest_apart() if kind == APART else tallest()
            if (tallest_pair() != 0) & (kind == 0) & (p + 1 < last_panel):
                kind = PAIRED
                tall = tallest_pair()
            for image in range(first, last):
                left = source + (image - first) * step + 4 * p * it[OWN] * group
                for part in range(it[PARTS]):
                    its = at_long(description + 8 * (HEADER + PART * part))
                    columns = its[1]
                    target = y + 4 * (p * it[Y_PANEL] + image * it[Y_IMAGE] + its[4])
                    tiles = (columns + tall - 1) // tall
                    short = columns // tiles
                    longer = columns - tiles * short
                    is_short = (2 * columns <= tall) & (5 * columns > tall) & near
                    strips = tall // columns if is_short & (kind != LANEWISE) else 1
                    row = 0
                    while row < its[0]:
                        at_once = strips if its[0] - row >= strips else 1
                        several = 0 if at_once == 1 else STRIPS
                        column = 0
                        for number in range(tiles):
                            width = short + 1 if number < longer else short
                            tile_of(
                                kind + several + width, description + 8 * its[8], its[7],
                                left + 4 * (row * its[2] + column * its[3]), its[2], its[3], 1, group,
                                w + 4 * p * it[W_PANEL], it[W_PANEL],
                                target + 4 * (row * its[5] + column * its[6]), its[5], its[6], it[Y_PANEL],
                                start, 0 if bias == 0 else 16,
                            )  # fmt: skip
                            column += width
                        row += at_once
            p += 2 if kind == PAIRED else 1

    return convolution


convolution = kernel_of_images(windowed_tile)
convolution_in_halves = kernel_of_images(halved_tile)


@kernel
def turn_kernel(w: int, turned: int, taps: int, channels: int, outputs: int, first: int, last: int) -> None:
    """Turn the weights of each tap, for the way back: panels `first` to before `last` of the channels.

    Shapes: w [taps, channels, outputs] in panels of outputs, turned [taps, outputs, channels] in panels of
    channels, both without gaps.
    """
    square = room_of_a_square()
    result = room_of_a_square()
    for p in range(first, last):
        height = min16(channels - 16 * p)
        for q in range((outputs + 15) >> 4):
            width = min16(outputs - 16 * q)
            for tap in range(taps):
                source = w + 64 * ((q * taps + tap) * channels + 16 * p)
                target = turned + 64 * ((p * taps + tap) * outputs + 16 * q)
                if height < 16:
                    fill_zeros(square)
                    copy_lines(source, square, height)
                    source = square
                turn_16(source, 16, target if width == 16 else result, 16)
                if width < 16:
                    copy_lines(result, target, width)


@kernel
def convolution_gradient(
    x: int, dy: int, dw: int, description: int, scratch: int, images: int, first: int, last: int
) -> None:
    """Compute the lines `first` to before `last` of a panel of the weights' gradient, summed over images.

    Blocks that begin there are computed. Lane by lane, X and dY are the panel with the number of dW's.

    Shapes: X and `scratch` as for a convolution, dY a panel of its outputs, dW the line `first` of a panel of
    the weights; the description is FIELDS, BLOCK_FIELDS for each part, and tables, of which an entry is a row
    of outputs: `[start in a block of X, 0, start in dY, outputs]`. The words after the blocks are the floats
    of X from output to output, those from line to line of a block, how many rows of outputs make a band, and
    how many there are. All blocks are gone through for each band: it stays in the first cache.
    """
    it = at_long(description)
    tall = tallest() if it[KIND] == 0 else tallest_lanewise()
    group = it[GROUP] if it[PACKED] != 0 else it[X_GROUP]
    strides = at_long(description + 8 * (HEADER + BLOCK * it[PARTS]))
    for image in range(images):
        source = x + 4 * image * it[X_IMAGE]
        if it[PACKED] != 0:
            pack(it, source, scratch)
            source = scratch
        right = dy + 4 * image * it[Y_IMAGE]
        band = 0
        while (band == 0) | (band < strides[3]):
            for part in range(it[PARTS]):
                its = at_long(description + 8 * (HEADER + BLOCK * part))
                rows = its[4] - band if its[4] - band < strides[2] else strides[2]
                if (its[3] < first) | (its[3] >= last) | ((band > 0) & (rows <= 0)):
                    continue
                left = source + 4 * (its[0] + its[1] * group)
                target = dw + 64 * (its[3] - first)
                height = its[2]
                tiles = (height + tall - 1) // tall
                short = height // tiles
                longer = height - tiles * short
                done = 0
                for tile in range(tiles):
                    lines = short + 1 if tile < longer else short
                    windowed_sums(
                        it[KIND] + lines, description + 8 * (its[5] + 4 * band), rows,
                        left + 4 * done * strides[1], strides[1], strides[0], right, target + 64 * done,
                        image + band,
                    )  # fmt: skip
                    done += lines
            band += strides[2]
