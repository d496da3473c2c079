"""Products of matrices in panels by the tiles of AMX, of factors split into parts.

Panels and blocks of numbers are those of `products.py`. A factor in parts lies in blocks of 16 rows (of the
left factor) or 16 columns (of the right one) by 32 steps, [rows / 16][steps / 32] of them without gaps.
"""

from typing import Final

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.matrix_tiles import (
    BLOCK,
    LINE,
    configure_tiles,
    release_tiles,
    start_sums,
    store_sums,
)
from netdsl.kernels.cpu.parts import add_products_and_split, split_rows_of, split_steps
from netdsl.kernels.cpu.tiles import stack_floats, zeros
from netdsl.kernels.cpu.turning import copy_lines, min16

DEPTH: Final = 64
"""Steps of a sum at a time, for all rows. So much of two panels of a right factor in parts, twice, stays in
the first cache: what is multiplied, and what is split meanwhile."""

PANEL: Final = DEPTH // 32 * BLOCK
"""Bytes of so many steps of a panel in parts."""

CHUNK: Final = 2 * PANEL

two_chunks = stack_floats(2 * CHUNK // 4)
two_squares = stack_floats(2 * 16 * 16)


@kernel
def split_rows(
    rows: int, depth: int, a: int, a_row: int, a_panel: int, target: int, first: int, last: int
) -> None:
    """Split the rows of a left factor into parts: those of the blocks `first` to before `last` of 16 rows.

    Shapes: A (rows, depth), row-major with `a_panel` 16 or in panels with `a_row` 16; the blocks of all rows
    from `target` on.
    """
    size = BLOCK * ((depth + 31) >> 5)
    for m in range(first, last):
        split_rows_of(min16(rows - 16 * m), depth, a + 64 * a_row * m, a_row, a_panel, target + size * m)


@kernel
def product_of_parts(
    rows: int, depth: int, a: int, w: int, c: int, c_panel: int, bias: int, panels: int
) -> None:
    """Compute so many panels of C = bias + A W. W is split into parts meanwhile: the next 64 steps of two
    panels while the ones before are multiplied.

    Shapes: A (rows, depth) in parts; W (depth, 16 * panels) in panels without gaps; C (rows, 16 * panels) in
    panels; bias (16 * panels), none at address 0.
    """
    chunks, spare = two_chunks(), two_squares()
    a_block = BLOCK * ((depth + 31) >> 5)
    both = 1 if panels > 1 else 0
    steps = depth if depth < DEPTH else DEPTH
    for q in range(2 if panels > 0 else 0):
        split_steps(steps, w + 64 * depth * both * q, chunks + PANEL * q)
    p, k, number = 0, 0, 0
    configure_tiles()
    while p < panels:
        result, beside = c + 4 * c_panel * p, both * 4 * c_panel
        here, there = chunks + CHUNK * (number & 1), chunks + CHUNK * (1 - (number & 1))
        following, following_k = (p, k + DEPTH) if k + DEPTH < depth else (p + 2, 0)
        following_both = 1 if following + 1 < panels else 0
        following_steps = depth - following_k if depth - following_k < DEPTH else DEPTH
        following_steps = following_steps if following < panels else 0
        source, apart = w + 64 * (depth * following + following_k), 64 * depth * following_both
        turns = (steps + 31) >> 5
        pairs = (following_steps & -32) >> 1
        slots = 6 * turns * ((rows + 31) >> 5)
        each = (pairs + slots - 1) // slots
        done = 0
        for m in range(0, rows, 32):
            above, right = result + 64 * m, result + 64 * m + beside
            lower, lower_right = (above + 1024, right + 1024) if m + 16 < rows else (above, right)
            if rows - m < 16:
                above = lower = spare
                right = lower_right = spare + 1024
            elif (rows - m > 16) & (rows - m < 32):
                lower, lower_right = spare, spare + 1024
            if k > 0:
                start_sums(above, right, lower, lower_right, 64)
            elif bias != 0:
                start = bias + 64 * p
                start_sums(start, start + 64 * both, start, start + 64 * both, 0)
            else:
                start_sums(zeros(), zeros(), zeros(), zeros(), 0)
            left = a + a_block * (m >> 4) + BLOCK * (k >> 5)
            now = pairs - done if pairs - done < 6 * turns * each else 6 * turns * each
            add_products_and_split(
                turns, left, a_block if m + 16 < rows else 0, here, PANEL,
                now, each, source + 128 * done, apart, there + LINE * done, PANEL,
            )  # fmt: skip
            done += now
            store_sums(above, right, lower, lower_right)
        for q in range(2 if following_steps & 31 else 0):
            at = source + apart * q + 128 * pairs
            split_steps(following_steps & 31, at, there + PANEL * q + LINE * pairs)
        if (following != p) & (rows & 15 != 0):
            for q in range(both + 1):
                copy_lines(spare + 1024 * q, result + 4 * c_panel * q + 64 * (rows & -16), rows & 15)
        p, k, both, steps, number = following, following_k, following_both, following_steps, number + 1
    release_tiles()
