"""Convolutions to 8 channels or fewer, of which two neighboring places share a line of 16."""

from typing import Final

from netdsl.kernels.cpu.convolution import HEADER, PACKED, SIZE, X_IMAGE, Y_IMAGE, pack
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_long
from netdsl.kernels.cpu.prelude import f32
from netdsl.kernels.cpu.windowed import STRIPS, tallest
from netdsl.kernels.cpu.windowed_sums import most_rows_of_taps, sums_in_halves

HALVED_FIELDS: Final = ("start", "rows", "row", "lines", "place", "step", "entries", "table")
"""The words of the gradient's description after FIELDS: where the windows of X begin, their rows, the floats
from one to the next and those that two neighboring windows see in a row; the floats of a place, and those
from two windows to the next two; then the table."""


@kernel
def halve_kernel(w: int, halved: int, rows: int, columns: int, depth: int, back: int) -> None:
    """Put the weights of neighboring taps side by side, for tiles whose lines are two places of 8 channels.

    What the first of two places sees with a tap, the second sees with the tap before; so there is a tap more
    in each row. For the way `back` rows and taps are in opposite order.

    Shapes: w [rows, columns, depth, 16], of which 8 lanes are read; halved [rows, columns + 1, depth, 16].
    """
    source = at(w)
    target = at(halved)
    for row in range(rows):
        for tap in range(columns + 1):
            for half in range(2):
                column = tap - half
                is_there = (column >= 0) & (column < columns)
                number = row * columns + column
                start = 16 * depth * (number if back == 0 else rows * columns - 1 - number)
                end = 16 * depth * (row * (columns + 1) + tap) + 8 * half
                for k in range(depth):
                    for lane in range(8):
                        target[end + 16 * k + lane] = source[start + 16 * k + lane] if is_there else f32(0.0)


@kernel
def gradient_in_halves(x: int, dy: int, dw: int, description: int, scratch: int, images: int) -> None:
    """Compute the gradient of the weights of 8 outputs or fewer, summed over images that lie row by row.

    Two neighboring outputs share a line: what the first of two windows sees at a place, the second sees a
    place before. So there are sums for the numbers that both see together, and those of a weight lie in the
    first half of one and the second half of another.

    Shapes: X row-major, dY a panel, dW a panel without gaps. The description is FIELDS, HALVED_FIELDS, and a
    table with an entry for each row of outputs, whose steps are pairs of them. `scratch` has room for `size`
    floats and a line for each sum, and is the thread's own.
    """
    it = at_long(description)
    its = at_long(description + 8 * HEADER)
    sums = scratch + 4 * it[SIZE]
    lines = its[3]
    is_square = (lines == its[1] + 1) & (its[1] <= most_rows_of_taps()) & (its[1] > 1)
    at_once = its[1] if is_square else 1
    tall = lines if is_square else tallest()
    for image in range(images):
        source = x + 4 * image * it[X_IMAGE]
        if it[PACKED] != 0:
            pack(it, source, scratch)
            source = scratch
        right = dy + 4 * image * it[Y_IMAGE]
        row = 0
        while row < its[1]:
            done = 0
            while done < lines:
                height = lines - done if lines - done < tall else tall
                sums_in_halves(
                    STRIPS + height if is_square else height, description + 8 * its[7], its[6],
                    source + 4 * (its[0] + row * its[2] + done), its[2], its[5], right,
                    sums + 64 * (row * lines + done), image,
                )  # fmt: skip
                done += height
            row += at_once
    found = at(sums)
    target = at(dw)
    kept = lines - its[4]
    for row in range(its[1]):
        for line in range(kept):
            first = 16 * (row * lines + line)
            for lane in range(8):
                total = found[first + lane] + found[first + 16 * its[4] + 8 + lane]
                target[16 * (row * kept + line) + lane] = total
