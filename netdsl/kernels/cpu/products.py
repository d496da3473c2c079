"""Products of matrices in panels of 16 columns.

Panels: [columns / 16][rows][16], with a stride from panel to panel that may leave gaps; weights have none.
Blocks are the panels of the transpose: [rows / 16][columns][16]. Strides are in floats, addresses in bytes.
"""

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.tiles import prefetch_lines, stack_floats, tiles, turned_tiles, zeros
from netdsl.kernels.cpu.turning import copy_lines, fill_zeros, min16, turn_16

square = stack_floats(16 * 16)
"""Room for 16 rows of 16 floats on the stack."""


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
    for p in range(panels):
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
    block = square()
    spare = square()
    for p in range(first, last):
        height = min16(w_rows - 16 * p)
        if height < 16:
            fill_zeros(block)
        for m in range((rows + 15) >> 4):
            tiles(height, depth, w + 1024 * p, 16, 16 * w_rows, y + 4 * y_block * m, block, zeros())
            target = x + 4 * x_panel * p + 1024 * m
            there = rows - 16 * m
            turned = target if there >= 16 else spare
            turn_16(block, 16, turned, 16)
            if there < 16:
                copy_lines(spare, target, there)


@kernel
def weight_gradient(
    rows: int,
    x: int,
    x_row: int,
    x_panel: int,
    y: int,
    w: int,
    first: int,
    last: int,
    soon_1: int,
    soon_2: int,
    soon_3: int,
) -> None:
    """Compute the rows `first` to before `last` of one panel of X^T Y; `first` is a multiple of 16.

    What the optimizer reads next (64 bytes a row from each `soon`, 0 for none) is asked for meanwhile.

    Shapes: X (rows, depth), row-major with `x_panel` 16 or in panels with `x_row` 16; Y one panel (rows, 16);
    W (last - first, 16), the row `first` at `w`.
    """
    for r in range(first, last, 16):
        done = 64 * (r - first)
        height = min16(last - r)
        if soon_1 != 0:
            prefetch_lines(soon_1 + done, height)
        if soon_2 != 0:
            prefetch_lines(soon_2 + done, height)
        if soon_3 != 0:
            prefetch_lines(soon_3 + done, height)
        turned_tiles(height, rows, x + 4 * x_panel * (r >> 4), x_row, y, w + done)


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
