"""Convolutions of few channels, with an example in each lane: `[examples / 16][place][channel][16 examples]`.

A kernel is given groups of 16 examples. Lanes of a last group that have no example may hold anything: they
stay to themselves, and sums over examples leave them out.
"""

from typing import Final

from numba import njit

from netdsl.kernels.cpu.example_tiles import add_lanes, gradient_tile, longest, widest, window_tile
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_long
from netdsl.kernels.cpu.prelude import f32
from netdsl.kernels.cpu.turning import min16, turn_16

FIELDS: Final = ("x_group", "y_group", "w_panel", "outputs", "parts")
"""The words of a description: floats of 16 examples of X and of Y, and of a panel of weights; then how many
outputs and parts there are."""

PART_FIELDS: Final = ("count", "places", "entries", "table")
"""The words of a part, places that see the image by the same taps: how many, and the word at which their
table begins, `[floats from X, floats from Y]` each; entries of the table that they are summed over, and the
word at which it begins: `[floats from a place, floats of the weights, neighboring vectors]` each."""

X_GROUP, Y_GROUP, W_PANEL, OUTPUTS, PARTS, HEADER = 0, 1, 2, 3, 4, 5
PART: Final = len(PART_FIELDS)

SUMS_FIELDS: Final = (
    *("x_group", "dy_group", "outputs", "lines", "parts", "height", "band"),
    *("x_row", "dy_row", "x_column", "dy_column"),
)
"""The words of a gradient's description: floats of 16 examples, outputs, lines of the weights, parts, rows of
windows, and how many of them stay in the first cache; floats from row to row and from column to column."""

SUMS_PART_FIELDS: Final = ("x", "dy", "line", "lines", "first", "last", "columns")
"""The words of a part, neighboring numbers of windows that lie in the image in the same columns: where X and
dY begin, the first line of the weights and how many, the rows of windows, and the columns."""

SUMS_HEADER: Final = len(SUMS_FIELDS)
SUMS_PART: Final = len(SUMS_PART_FIELDS)

NARROW: Final = 2
"""Columns of windows up to which a part is gone through once, not band by band: what begins and ends its sums
takes longer than they do (LeNet's first gradient takes an eighth less time)."""

LONG: Final = 16
"""Places of which tiles are as long as they can be."""


@njit(inline="always")
def _parts_of(total: int, most: int) -> int:
    """Return the length of equal parts of at most so many."""
    parts = (total + most - 1) // most
    return (total + parts - 1) // parts


@kernel
def example_convolution(x: int, w: int, y: int, description: int, groups: int) -> None:
    """Compute the sums over windows for so many groups of 16 examples.

    Shapes: X and Y as in `FIELDS`; weights in panels without gaps, `[outputs / 16][lines][16]`.
    """
    it = at_long(description)
    for group in range(groups):
        source = x + 4 * group * it[X_GROUP]
        target = y + 4 * group * it[Y_GROUP]
        for part in range(it[PARTS]):
            its = at_long(description + 8 * (HEADER + PART * part))
            wide = _parts_of(it[OUTPUTS], widest(its[0]))
            long = _parts_of(its[0], longest(wide))
            done = 0
            while done < its[0]:
                height = its[0] - done if its[0] - done < long else long
                first = 0
                while first < it[OUTPUTS]:
                    left = it[OUTPUTS] - first if it[OUTPUTS] - first < wide else wide
                    room = 16 - (first & 15)
                    width = left if left < room else room
                    window_tile(
                        height, width, description + 8 * (its[1] + 2 * done), source,
                        w + 4 * ((first >> 4) * it[W_PANEL] + (first & 15)), target + 64 * first,
                        description + 8 * its[3], its[2],
                    )  # fmt: skip
                    first += width
                done += height


@kernel
def example_gradient(
    x: int, dy: int, parts: int, description: int, sums: int, examples: int, part_floats: int
) -> None:
    """Compute the gradient of the weights for each group of 16 examples by itself.

    Shapes: X and dY as in `SUMS_FIELDS`; `sums`, the thread's own, has `lines * outputs * 16` floats; the
    results lie `part_floats` apart, each `[outputs / 16][lines][16]`.
    """
    it = at_long(description)
    outputs = it[2]
    room = at(sums)
    for group in range((examples + 15) >> 4):
        for i in range(16 * outputs * it[3]):
            room[i] = f32(0.0)
        wide = _parts_of(outputs, widest(LONG))
        band = 0
        while band < it[5]:
            for part in range(it[4]):
                its = at_long(description + 8 * (SUMS_HEADER + SUMS_PART * part))
                begin = its[4] if its[4] > band else band
                end = its[5] if its[5] < band + it[6] else band + it[6]
                if its[6] <= NARROW:  # so little is read that all bands are one
                    begin, end = its[4], its[5] if band == 0 else its[4]
                if begin >= end:
                    continue
                left = x + 4 * (group * it[0] + its[0] + begin * it[7])
                right = dy + 4 * (group * it[1] + its[1] + begin * it[8])
                long = _parts_of(its[3], longest(wide))
                first = 0
                while first < outputs:
                    width = outputs - first if outputs - first < wide else wide
                    done = 0
                    while done < its[3]:
                        height = its[3] - done if its[3] - done < long else long
                        gradient_tile(
                            height, width, left + 64 * done, right + 64 * first,
                            sums + 64 * ((its[2] + done) * outputs + first), 16 * outputs,
                            end - begin, it[7], it[8], its[6], it[9], it[10],
                        )  # fmt: skip
                        done += height
                    first += width
            band += it[6]
        target = parts + 4 * group * part_floats
        for p in range((outputs + 15) >> 4):
            for line in range(it[3]):
                add_lanes(
                    sums + 64 * (line * outputs + 16 * p), min16(outputs - 16 * p),
                    min16(examples - 16 * group), target + 64 * (p * it[3] + line),
                )  # fmt: skip


@kernel
def to_examples(source: int, row: int, panel: int, target: int, width: int, examples: int) -> None:
    """Turn values of some examples, row-major (`panel` 16) or in panels (`row` 16), so that each has a lane.

    Shapes: source (examples, width); target [examples / 16][width][16]. Lanes that have no example are kept.
    """
    for first in range(0, examples, 16):
        result = target + 4 * first * width
        there = min16(examples - first)
        whole = width & -16 if there == 16 else 0
        for i in range(0, whole, 16):
            turn_16(source + 4 * (first * row + (i >> 4) * panel), row, result + 64 * i, 16)
        room = at(result)
        for example in range(there):
            for i in range(whole, width):
                value = at(source + 4 * ((first + example) * row + (i >> 4) * panel + (i & 15)))
                room[16 * i + example] = value[0]


@kernel
def from_examples(source: int, target: int, row: int, panel: int, width: int, examples: int) -> None:
    """Turn values back that have a lane for each example: what `to_examples` does, the other way round."""
    for first in range(0, examples, 16):
        start = source + 4 * first * width
        there = min16(examples - first)
        whole = width & -16 if there == 16 else 0
        for i in range(0, whole, 16):
            turn_16(start + 64 * i, 16, target + 4 * (first * row + (i >> 4) * panel), row)
        numbers = at(start)
        for example in range(there):
            for i in range(whole, width):
                place = at(target + 4 * ((first + example) * row + (i >> 4) * panel + (i & 15)))
                place[0] = numbers[16 * i + example]
