"""Products of the turns of a loop by the tiles of AMX: few rows, and a matrix that all turns read.

The matrix is split into parts once, before the first turn; the rows of a turn are split by the product that
reads them, all panels of which are computed by one call.
"""

from typing import Final

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.matrix_tiles import (
    BLOCK,
    add_products,
    configure_tiles,
    release_tiles,
    start_sums,
    store_sums,
)
from netdsl.kernels.cpu.parts import split_rows_of
from netdsl.kernels.cpu.tiles import stack_floats, two_squares, zeros
from netdsl.kernels.cpu.turning import copy_lines, min16

DEPTH: Final = 512
"""Steps of a sum at a time: 32 rows of them in parts take 96 KB of a thread's stack."""

BLOCKS: Final = DEPTH // 32

rows_in_parts = stack_floats(2 * BLOCKS * BLOCK // 4)


@kernel
def product_of_turns(
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
    """Compute so many panels of C = bias + A W, W in parts.

    Shapes: A (rows, depth), row-major with `a_panel` 16 or in panels with `a_row` 16; W (depth, 16 * panels)
    in parts; C (rows, 16 * panels) in panels; bias (16 * panels), none at address 0.
    """
    parts, spare = rows_in_parts(), two_squares()
    w_panel = BLOCK * ((depth + 31) >> 5)
    configure_tiles()
    for m in range(0, rows, 32):
        there = rows - m if rows - m < 32 else 32
        rest = there & 15
        below = BLOCK * BLOCKS if there > 16 else 0
        for k in range(0, depth, DEPTH):
            steps = depth - k if depth - k < DEPTH else DEPTH
            first = a + 64 * a_row * (m >> 4) + 4 * a_panel * (k >> 4)
            split_rows_of(min16(there), steps, first, a_row, a_panel, parts)
            if there > 16:
                split_rows_of(there - 16, steps, first + 64 * a_row, a_row, a_panel, parts + BLOCK * BLOCKS)
            for p in range(0, panels, 2):
                both = 1 if p + 1 < panels else 0
                beside = both * 4 * c_panel
                result = c + 4 * c_panel * p + 64 * m
                above, lower = result, result + 1024 if there > 16 else result
                right, lower_right = above + beside, lower + beside
                if rest != 0:
                    for q in range(both + 1 if k > 0 else 0):
                        copy_lines(result + 4 * c_panel * q + 64 * (there & -16), spare + 1024 * q, rest)
                    lower, lower_right = spare, spare + 1024
                    if there < 16:
                        above, right = spare, spare + 1024
                if k > 0:
                    start_sums(above, right, lower, lower_right, 64)
                elif bias != 0:
                    start = bias + 64 * p
                    start_sums(start, start + 64 * both, start, start + 64 * both, 0)
                else:
                    start_sums(zeros(), zeros(), zeros(), zeros(), 0)
                add_products(
                    (steps + 31) >> 5, parts, below, w + w_panel * p + BLOCK * (k >> 5), both * w_panel
                )
                store_sums(above, right, lower, lower_right)
                for q in range(both + 1 if rest != 0 else 0):
                    copy_lines(spare + 1024 * q, result + 4 * c_panel * q + 64 * (there & -16), rest)
    release_tiles()
