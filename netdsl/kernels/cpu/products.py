"""Products of matrices in panels of 16 columns.

Panels: [columns / 16][rows][16], with a stride from panel to panel that may leave gaps; weights have none.
Blocks are the panels of the transpose: [rows / 16][columns][16]. Strides are in floats, addresses in bytes.
"""

from typing import Final

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at_long
from netdsl.kernels.cpu.tiles import (
    in_pairs,
    paired_tiles,
    paired_turned_tiles,
    prefetch_lines,
    stack_floats,
    tiles,
    turned_tiles,
    zeros,
)
from netdsl.kernels.cpu.turning import copy_lines, fill_zeros, min16, turn_16

square = stack_floats(16 * 16)
"""Room for 16 rows of 16 floats on the stack."""

two_squares = stack_floats(2 * 16 * 16)
"""Room for two of them."""


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
) -> None:
    """Compute so many panels of C = bias + A W.

    Shapes: A (rows, depth), row-major with `a_panel` 16 or in panels with `a_row` 16; W (depth, 16 * panels)
    in panels without gaps; C (rows, 16 * panels) in panels; bias (16 * panels), none at address 0.
    """
    paired = panels & -2 if in_pairs() else 0
    for p in range(0, paired, 2):
        start = zeros() if bias == 0 else bias + 64 * p
        right, result = w + 64 * depth * p, c + 4 * c_panel * p
        paired_tiles(rows, depth, a, a_row, a_panel, right, 16 * depth, result, c_panel, start)
    for p in range(paired, panels):
        start = zeros() if bias == 0 else bias + 64 * p
        tiles(rows, depth, a, a_row, a_panel, w + 64 * depth * p, c + 4 * c_panel * p, start)


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

    The weights are the left factor, 16 of their rows at a time, and 16 rows of Y the right one; the square
    that comes out is turned when it is stored.

    Shapes: Y (rows, depth) in blocks, `y_block` apart; W (w_rows, depth) in panels without gaps;
    X (rows, w_rows) in panels.
    """
    blocks = (rows + 15) >> 4
    paired = blocks & -2 if in_pairs() else 0
    pair = two_squares()
    spare = square()
    for p in range(first, last):
        height = min16(w_rows - 16 * p)
        if height < 16:
            fill_zeros(pair)
            fill_zeros(pair + 1024)
        left = w + 1024 * p
        for m in range(blocks):
            right = y + 4 * y_block * m
            block = pair + 1024 * (m & 1) if m < paired else pair
            if m >= paired:
                tiles(height, depth, left, 16, 16 * w_rows, right, pair, zeros())
            elif m & 1 == 0:
                paired_tiles(height, depth, left, 16, 16 * w_rows, right, y_block, pair, 256, zeros())
            target = x + 4 * x_panel * p + 1024 * m
            there = rows - 16 * m
            turned = target if there >= 16 else spare
            turn_16(block, 16, turned, 16)
            if there < 16:
                copy_lines(spare, target, there)


GRADIENT_WORDS: Final = 15
"""Words of a description of `weight_gradient`."""


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
    paired = panels & -2 if in_pairs() else 0
    for r in range(first, last, 16):
        done = 64 * (r - first)
        height = min16(last - r)
        left = x + 4 * x_panel * (r >> 4)
        for p in range(panels):
            next_lines = done + 4 * it[14] * p
            for soon in range(11, 14):
                if it[soon] != 0:
                    prefetch_lines(it[soon] + next_lines, height)
        if paired:
            paired_turned_tiles(height, rows, left, x_row, y, y_panel, w + done, w_panel)
        for p in range(paired, panels):
            turned_tiles(height, rows, left, x_row, y + 4 * y_panel * p, w + done + 4 * w_panel * p)


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
