"""Gradients of weights over many rows by the tiles of AMX: all steps of a sequence, or places of an example.

Factors of thousands of rows, in parts, are beyond the second cache, and were read from there once for each 32
columns. Here sums of up to 128 rows by 256 columns of the result go on over 64 rows of the factors at a time,
which are split when they are read.
"""

from typing import Final

from numba import njit

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.matrix_tiles import (
    BLOCK,
    add_products,
    configure_tiles,
    release_tiles,
    start_sums,
    store_sums,
)
from netdsl.kernels.cpu.parts import copy_square, split_rows_of, split_steps
from netdsl.kernels.cpu.tiles import square, stack_floats, two_squares, zeros
from netdsl.kernels.cpu.turning import copy_lines, turn_16

LINES: Final = 128
"""Rows of the result that a call makes, at most."""

PANELS: Final = 16
"""Panels of the result that a call makes, at most."""

STEPS: Final = 64
"""Rows of the factors at a time."""

PANEL: Final = STEPS // 32 * BLOCK
"""Bytes of so many steps of 16 columns in parts."""

left_parts = stack_floats(LINES // 16 * PANEL // 4)
right_parts = stack_floats(PANELS * PANEL // 4)


@njit(inline="always")
def _turn_and_split(steps: int, a: int, a_row: int, lying: int, turned: int, target: int) -> None:
    """Split 16 columns of so many rows into the blocks of a left factor's rows."""
    for k in range((steps + 31) >> 5):
        for half in range(2):
            row = 32 * k + 16 * half
            if steps - row >= 16:
                turn_16(a + 4 * a_row * row, a_row, turned + 1024 * half, 16)
            else:
                copy_square(steps - row, a + 4 * a_row * row, a_row, lying)
                turn_16(lying, 16, turned + 1024 * half, 16)
        split_rows_of(16, 32, turned, 16, 256, target + BLOCK * k)


@kernel
def tall_gradient(
    rows: int,
    x: int,
    x_row: int,
    x_panel: int,
    y: int,
    y_panel: int,
    w: int,
    w_panel: int,
    panels: int,
    first: int,
    last: int,
) -> None:
    """Compute the rows `first` to before `last`, at most 128, of up to 16 panels of X^T Y; `first` is a
    multiple of 16.

    Shapes: X (rows, depth), row-major with `x_panel` 16 or in panels with `x_row` 16; Y panels of (rows, 16);
    W panels of (last - first, 16), the row `first` at `w`.
    """
    left, right, turned, lying, spare = left_parts(), right_parts(), two_squares(), square(), two_squares()
    lines = last - first
    rest = lines & 15
    configure_tiles()
    for k in range(0, rows if panels > 0 else 0, STEPS):
        steps = rows - k if rows - k < STEPS else STEPS
        for r in range((lines + 15) >> 4):
            place = x + 4 * (x_panel * ((first >> 4) + r) + x_row * k)
            _turn_and_split(steps, place, x_row, lying, turned, left + PANEL * r)
        for p in range(panels):
            split_steps(steps, y + 4 * y_panel * p + 64 * k, right + PANEL * p)
        for p in range(0, panels, 2):
            both = 1 if p + 1 < panels else 0
            beside = both * 4 * w_panel
            for r in range(0, lines, 32):
                above = w + 4 * w_panel * p + 64 * r
                end = above + 64 * (lines - r & -16)
                lower = above + 1024 if r + 16 < lines else above
                above_right, lower_right = above + beside, lower + beside
                partial = (lines - r < 32) & (rest != 0)
                if partial:
                    for q in range(both + 1 if k > 0 else 0):
                        copy_lines(end + q * beside, spare + 1024 * q, rest)
                    lower, lower_right = spare, spare + 1024
                    if lines - r < 16:
                        above, above_right = spare, spare + 1024
                if k > 0:
                    start_sums(above, above_right, lower, lower_right, 64)
                else:
                    start_sums(zeros(), zeros(), zeros(), zeros(), 0)
                add_products(
                    (steps + 31) >> 5, left + PANEL * (r >> 4), PANEL if r + 16 < lines else 0,
                    right + PANEL * p, both * PANEL,
                )  # fmt: skip
                store_sums(above, above_right, lower, lower_right)
                for q in range(both + 1 if partial else 0):
                    copy_lines(spare + 1024 * q, end + q * beside, rest)
    release_tiles()
