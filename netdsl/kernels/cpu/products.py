"""Products of matrices in panels of 16 columns.

Panels: [columns / 16][rows][16], with a stride from panel to panel that may leave gaps; weights have none.
Blocks are the panels of the transpose: [rows / 16][columns][16]. Strides are in floats, addresses in bytes.

Where two panels are computed at once, one that is alone is computed twice, both times in the same place:
tiles of one panel beside those of two would take a sixth longer to compile.
"""

from typing import Any, Final

from numba import njit

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at_long
from netdsl.kernels.cpu.tiles import (
    in_pairs,
    paired_tiles,
    paired_turned_tiles,
    square,
    stack_floats,
    tiles,
    turned_tiles,
    zeros,
)
from netdsl.kernels.cpu.turning import copy_lines, fill_zeros, min16, turn_16

two_strips = stack_floats(2 * 64 * 16)
"""Room for twice 64 rows of 16 floats."""

DEPTH: Final = 256
"""Steps of a sum at a time, for all rows: so much of two panels of a right factor stays in the first cache.
Sums go on where they were, in the same order. A product of 128 rows, 2500 deep, takes a sixth less time.
"""


@kernel
def product(
    rows: int,
    depth: int,
    a: int,
    a_row: int,
    a_panel: int,
    w: int,
    c: int,
    c_panel: int,
    bias: int,
    panels: int,
    soon: int,
) -> None:
    """Compute so many panels of C = bias + A W.

    Shapes: A (rows, depth), row-major with `a_panel` 16 or in panels with `a_row` 16; W (depth, 16 * panels)
    in panels without gaps; C (rows, 16 * panels) in panels; bias (16 * panels), none at address 0. `soon`,
    0 for none, has the addresses of two values in panels of as many rows that are read after this, each with
    its stride in bytes: they are asked for meanwhile.
    """
    it = at_long(soon)
    paired = panels if in_pairs() else 0
    for p in range(0, paired, 2):
        result = c + 4 * c_panel * p
        both = 1 if p + 1 < panels else 0
        for k in range(0, depth, DEPTH):
            steps = depth - k if depth - k < DEPTH else DEPTH
            start, start_row, start_panel = zeros() if bias == 0 else bias + 64 * p, 0, 16 if bias != 0 else 0
            if k > 0:
                start, start_row, start_panel = result, 16, c_panel
            left, right = a + 4 * a_panel * (k >> 4), w + 64 * (depth * p + k)
            soon_1, soon_2, apart, line = right + 64 * DEPTH, right + 64 * (depth + DEPTH), 32 * steps, 64
            if soon != 0:
                soon_1 = it[0] + it[1] * p
                soon_2, apart, line = soon_1 + it[1], it[2] + it[3] * p - soon_1, 32
            paired_tiles(
                rows, steps, left, a_row, a_panel, right, both * 16 * depth, result, both * c_panel,
                start, start_row, both * start_panel, soon_1, soon_2, DEPTH, apart, line,
            )  # fmt: skip
    for p in range(paired, panels):
        result = c + 4 * c_panel * p
        for k in range(0, depth, DEPTH):
            steps = depth - k if depth - k < DEPTH else DEPTH
            start, start_row = zeros() if bias == 0 else bias + 64 * p, 0
            if k > 0:
                start, start_row = result, 16
            left, right = a + 4 * a_panel * (k >> 4), w + 64 * (depth * p + k)
            tiles(rows, steps, left, a_row, a_panel, right, result, start, start_row)


@kernel
def product_back(
    rows: int,
    depth: int,
    w: int,
    w_rows: int,
    y: int,
    y_block: int,
    x: int,
    x_panel: int,
    first: int,
    last: int,
) -> None:
    """Compute the panels `first` to before `last` of X = Y W^T, without a transposed copy of the weights.

    The weights are the left factor, 64 of their rows at a time, and 16 or 32 rows of Y the right one; the
    squares that come out are turned when they are stored. Meanwhile the weights of the next steps are asked
    for: 12 groups of 16 columns with each of the first two pairs of blocks.

    Shapes: Y (rows, depth) in blocks, `y_block` apart; W (w_rows, depth) in panels without gaps;
    X (rows, w_rows) in panels, the first of them at `x`.
    """
    blocks = (rows + 15) >> 4
    paired = blocks if in_pairs() else 0
    strips = two_strips()
    spare = square()
    for p in range(first, last, 4):
        panels = last - p if last - p < 4 else 4
        height = w_rows - 16 * p if w_rows - 16 * p < 16 * panels else 16 * panels
        for m in range(blocks):
            strip = strips + 4096 * (m & 1) if paired else strips
            both = 1 if m + 1 < blocks else 0
            if (paired == 0) | (m & 1 == 0):
                if height & 15:
                    fill_zeros(strips + 1024 * (height >> 4))
                    fill_zeros(strips + 4096 + 1024 * (height >> 4))
                for k in range(0, depth, DEPTH):
                    steps = depth - k if depth - k < DEPTH else DEPTH
                    left = w + 1024 * p + 4 * w_rows * k
                    right = y + 4 * y_block * m + 64 * k
                    soon = left + 4 * w_rows * DEPTH if k + DEPTH < depth else w + 1024 * (p + 4)
                    start, start_row, start_panel = zeros(), 0, 0
                    if k > 0:
                        start, start_row, start_panel = strips, 16, 1024
                    if paired:
                        paired_tiles(
                            height, steps, left, 16, 16 * w_rows, right, both * y_block, strips, 1024,
                            start, start_row, start_panel,
                            soon + 768 * w_rows * (m >> 1), soon + 768 * w_rows * (m >> 1) + 64 * w_rows,
                            DEPTH * 4 if m < 4 else 0, 128 * w_rows, 32,
                        )  # fmt: skip
                    else:
                        tiles(height, steps, left, 16, 16 * w_rows, right, strips, start, start_row)
            there = rows - 16 * m
            for i in range(panels):
                target = x + 4 * x_panel * (p - first + i) + 1024 * m
                turned = target if there >= 16 else spare
                turn_16(strip + 1024 * i, 16, turned, 16)
                if there < 16:
                    copy_lines(spare, target, there)


GRADIENT_WORDS: Final = 15
"""Words of a description of `weight_gradient`."""


@njit(inline="always")
def _asked(it: Any, stream: int, panels: int, other: int) -> int:
    """Return where one of the six places begins that are read soon, three for each panel, or another place
    where there is none."""
    place = it[11 + (stream >> 1)] if stream < 6 else 0
    there = (place != 0) & ((stream & 1) < panels)
    return place + 4 * it[14] * (stream & 1) if there else other


@kernel
def weight_gradient(description: int) -> None:
    """Compute the rows `first` to before `last` of one or two panels of X^T Y; `first` is a multiple of 16.

    What the optimizer reads next (64 bytes a row and panel from each `soon`, 0 for none) is asked for
    meanwhile.

    Description: rows; X and its strides from row to row and from panel to panel; Y and W, each with its
    stride from panel to panel; how many panels (0 to 2); `first`, `last`; three times `soon`, and their
    stride from panel to panel.
    Shapes: X (rows, depth), row-major with 16 from panel to panel, or in panels with 16 from row to row;
    Y panels of (rows, 16); W panels of (last - first, 16), the row `first` at `w`.
    """
    it = at_long(description)
    rows, x, x_row, x_panel = it[0], it[1], it[2], it[3]
    y, y_panel, w, w_panel, panels = it[4], it[5], it[6], it[7], it[8]
    first, last = it[9], it[10]
    paired = panels if in_pairs() else 0
    both = panels >> 1
    lines = last - first
    for r in range(first, last, 16):
        done = 64 * (r - first)
        height = min16(last - r)
        left = x + 4 * x_panel * (r >> 4)
        block = (r - first) >> 4
        soon_1, soon_2 = _asked(it, block, panels, y), _asked(it, block + 4, panels, y)
        if paired:
            paired_turned_tiles(
                height, rows, left, x_row, y, both * y_panel, w + done, both * w_panel, soon_1, soon_2, lines
            )
        for p in range(paired, panels):
            right, result = y + 4 * y_panel * p, w + done + 4 * w_panel * p
            turned_tiles(height, rows, left, x_row, right, result, soon_1, soon_2, lines)


@kernel
def turn_panel(rows: int, source: int, target: int, target_block: int) -> None:
    """Turn one panel (rows, 16) into its place among blocks: 16 rows of each block.

    Lanes of rows that are not there become 0. `target` is the place in the first block, `target_block` the
    floats from one block to the next.
    """
    spare = square()
    for m in range((rows + 15) >> 4):
        there = rows - 16 * m
        block = source + 1024 * m
        if there < 16:
            fill_zeros(spare)
            copy_lines(block, spare, there)
            block = spare
        turn_16(block, 16, target + 4 * target_block * m, 16)
