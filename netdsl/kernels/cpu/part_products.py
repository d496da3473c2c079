"""Products of matrices in panels by the tiles of AMX, of factors split into parts.

Panels and blocks of numbers are those of `products.py`. A factor in parts lies in blocks of 16 rows (of the
left factor) or 16 columns (of the right one) by 32 steps, [rows / 16][steps / 32] of them without gaps.
"""

from typing import Final

from numba import njit

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.matrix_tiles import (
    BLOCK,
    LINE,
    configure_tiles,
    release_tiles,
    start_sums,
    store_sums,
)
from netdsl.kernels.cpu.parts import (
    add_a_block_and_split_rows,
    add_products_and_ask,
    add_products_and_split,
    copy_square,
    split_rows_of,
    split_steps,
)
from netdsl.kernels.cpu.tiles import square, stack_floats, two_squares, zeros
from netdsl.kernels.cpu.turning import copy_lines, min16, turn_16

DEPTH: Final = 64
"""Steps of a sum at a time, for all rows. So much of two panels of a right factor in parts, twice, stays in
the first cache: what is multiplied, and what is split meanwhile."""

PANEL: Final = DEPTH // 32 * BLOCK
"""Bytes of so many steps of a panel in parts."""

CHUNK: Final = 2 * PANEL

NEAR: Final = 1 << 16
"""Numbers of the left factor that are multiplied by all panels before the next steps are: in parts they stay
in the second cache. A product of 1024 rows takes two thirds of the time."""

two_chunks = stack_floats(2 * CHUNK // 4)


@kernel
def split_rows(
    rows: int, depth: int, a: int, a_row: int, a_panel: int, target: int, first: int, last: int
) -> None:
    """Split the rows `first` to before `last` of a left factor into parts; `first` is a multiple of 16.

    Shapes: A (rows, depth), row-major with `a_panel` 16 or in panels with `a_row` 16; the blocks of all rows
    from `target` on.
    """
    size = BLOCK * ((depth + 31) >> 5)
    for m in range(first >> 4, (last + 15) >> 4):
        split_rows_of(min16(rows - 16 * m), depth, a + 64 * a_row * m, a_row, a_panel, target + size * m)


@kernel
def split_panels(steps: int, b: int, b_panel: int, target: int, first: int, last: int) -> None:
    """Split the columns `first` to before `last` of a right factor into parts; `first` is a multiple of 16.

    Shapes: panels of (steps, 16), `b_panel` floats apart; the blocks of all panels from `target` on.
    """
    size = BLOCK * ((steps + 31) >> 5)
    for p in range(first >> 4, (last + 15) >> 4):
        split_steps(steps, b + 4 * b_panel * p, target + size * p)


@kernel
def split_turned(rows: int, a: int, a_row: int, a_panel: int, target: int, first: int, last: int) -> None:
    """Split the columns `first` to before `last` of A into parts, where they are the rows of a left factor,
    and the rows of A the steps; `first` is a multiple of 16.

    Shapes: A (rows, ...), row-major with `a_panel` 16 or in panels with `a_row` 16; the blocks of all panels
    from `target` on.
    """
    lying, turned = square(), two_squares()
    blocks = (rows + 31) >> 5
    for p in range(first >> 4, (last + 15) >> 4):
        for k in range(blocks):
            for half in range(2):
                row = 32 * k + 16 * half
                copy_square(rows - row, a + 4 * (a_panel * p + a_row * row), a_row, lying)
                turn_16(lying, 16, turned + 1024 * half, 16)
            split_rows_of(16, 32, turned, 16, 256, target + BLOCK * (blocks * p + k))


@kernel
def split_back(rows: int, depth: int, w: int, target: int, first: int, last: int) -> None:
    """Split the rows `first` to before `last` of weights into parts, where they are the columns of a right
    factor, and the columns of the weights the steps; `first` is a multiple of 16.

    Shapes: W (rows, depth) in panels without gaps; the blocks of all rows from `target` on.
    """
    lying, turned = square(), two_squares()
    blocks = (depth + 31) >> 5
    for p in range(first >> 4, (last + 15) >> 4):
        for k in range(blocks):
            steps = depth - 32 * k if depth - 32 * k < 32 else 32
            for half in range(2 if steps > 16 else 1):
                copy_square(rows - 16 * p, w + 64 * (rows * (2 * k + half) + 16 * p), 16, lying)
                turn_16(lying, 16, turned + 1024 * half, 16)
            split_steps(steps, turned, target + BLOCK * (blocks * p + k))


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
    together = DEPTH if rows > NEAR // DEPTH else (NEAR // rows) & -DEPTH
    p, k, first_k, number = 0, 0, 0, 0
    more = panels > 0
    configure_tiles()
    while more:
        result, beside = c + 4 * c_panel * p, both * 4 * c_panel
        here, there = chunks + CHUNK * (number & 1), chunks + CHUNK * (1 - (number & 1))
        last_k = first_k + together if first_k + together < depth else depth
        following, following_k, following_first = p, k + DEPTH, first_k
        if following_k >= last_k:
            following, following_k = p + 2, first_k
        if following >= panels:
            following, following_k, following_first = 0, last_k, last_k
        more = following_k < depth
        following_both = 1 if following + 1 < panels else 0
        following_steps = depth - following_k if depth - following_k < DEPTH else DEPTH
        following_steps = following_steps if more else 0
        source, apart = w + 64 * (depth * following + following_k), 64 * depth * following_both
        turns = (steps + 31) >> 5
        pairs = (following_steps & -32) >> 1
        slots = 6 * turns * ((rows + 31) >> 5)
        each = (pairs + slots - 1) // slots
        done = 0
        if (k == first_k) & (k > 0) & (rows & 15 != 0):
            for q in range(both + 1):
                copy_lines(result + 4 * c_panel * q + 64 * (rows & -16), spare + 1024 * q, rows & 15)
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
        if ((following != p) | (following_first != first_k)) & (rows & 15 != 0):
            for q in range(both + 1):
                copy_lines(spare + 1024 * q, result + 4 * c_panel * q + 64 * (rows & -16), rows & 15)
        p, k, first_k, number = following, following_k, following_first, number + 1
        both, steps = following_both, following_steps
    release_tiles()


@kernel
def gradient_of_parts(
    rows: int, x: int, y: int, panel: int, w: int, w_panel: int, panels: int, first: int, last: int
) -> None:
    """Compute the rows `first` to before `last` of one or two panels of X^T Y; `first` is a multiple of 16.
    The first panel is that of this number. Meanwhile the next panels of Y are asked for.

    Shapes: X (rows, depth) turned and split; Y all panels of (rows, 16), split; W panels of
    (last - first, 16), the row `first` at `w`.
    """
    turns = (rows + 31) >> 5
    size, spare = BLOCK * turns, two_squares()
    right, both = y + size * panel, panels >> 1
    blocks = (last - first + 31) >> 5
    each = (16 + blocks - 1) // blocks if (turns <= SOON) & (blocks > 0) else 0
    asked = right + 2 * size
    configure_tiles()
    for r in range(first, last if panels > 0 else first, 32):
        above, beside = w + 64 * (r - first), both * 4 * w_panel
        lower = above + 1024 if r + 16 < last else above
        above_right, lower_right = above + beside, lower + beside
        if last - r < 16:
            above = lower = spare
            above_right = lower_right = spare + 1024
        elif (last - r > 16) & (last - r < 32):
            lower, lower_right = spare, spare + 1024
        start_sums(zeros(), zeros(), zeros(), zeros(), 0)
        left = x + size * (r >> 4)
        add_products_and_ask(turns, left, size if r + 16 < last else 0, right, both * size, each, asked)
        asked += 64 * 6 * turns * each
        store_sums(above, above_right, lower, lower_right)
        if (last - r < 32) & ((last - r) & 15 != 0):
            for q in range(both + 1):
                copy_lines(spare + 1024 * q, w + 4 * q * w_panel + 64 * ((last & -16) - first), last & 15)
    release_tiles()


SOON: Final = 4
"""Times 32 rows of Y up to which the first cache has room for two panels more."""

MOST: Final = 256
"""Rows whose sums `back_of_parts` keeps at a time."""

strips = stack_floats(2 * 16 * MOST)
two_blocks_twice = stack_floats(4 * BLOCK // 4)


@njit(inline="always")
def _split_weights(rows: int, steps: int, w: int, w_rows: int, target: int) -> None:
    """Split up to 32 rows and steps of weights in panels."""
    for q in range((rows + 15) >> 4):
        split_rows_of(min16(rows - 16 * q), steps, w + 1024 * q, 16, 16 * w_rows, target + BLOCK * q)


@kernel
def back_of_parts(
    rows: int, depth: int, w: int, w_rows: int, y: int, x: int, x_panel: int, first: int, last: int
) -> None:
    """Compute the panels `first` to before `last` of X = Y W^T, without a transposed copy of the weights.

    The weights are the left factor, 32 of their rows at a time, and split meanwhile: the next 32 steps while
    the ones before are multiplied. The squares that come out are turned when they are stored.

    Shapes: Y^T (depth, rows) in blocks as `turn_panel` makes them, split as panels; W (w_rows, depth) in
    panels without gaps; X (rows, w_rows) in panels, the first of them at `x`.
    """
    blocks, sums, spare = two_blocks_twice(), strips(), square()
    y_block = BLOCK * ((depth + 31) >> 5)
    configure_tiles()
    for begin in range(0, rows, MOST):
        there = rows - begin if rows - begin < MOST else MOST
        slots = 6 * ((there + 31) >> 5)
        p, k, number = first, 0, 0
        height = w_rows - 16 * p if w_rows - 16 * p < 32 else 32
        if first < last:
            _split_weights(height, depth if depth < 32 else 32, w + 1024 * p, w_rows, blocks)
        while p < last:
            here, next_blocks = blocks + 2 * BLOCK * (number & 1), blocks + 2 * BLOCK * (1 - (number & 1))
            following, following_k = (p, k + 32) if k + 32 < depth else (p + 2, 0)
            following_height = w_rows - 16 * following if w_rows - 16 * following < 32 else 32
            following_steps = depth - following_k if depth - following_k < 32 else 32
            source = w + 1024 * following + 4 * w_rows * following_k
            hidden = 16 if (following_height == 32) & (following_steps == 32) & (following < last) else 0
            each, done = (hidden + slots - 1) // slots, 0
            down = 16 * MOST * 4 if height > 16 else 0
            for m in range(0, there, 32):
                strip = sums + 64 * m
                beside = 1024 if m + 16 < there else 0
                if k > 0:
                    start_sums(strip, strip + beside, strip + down, strip + down + beside, 64)
                else:
                    start_sums(zeros(), zeros(), zeros(), zeros(), 0)
                now = hidden - done if hidden - done < 6 * each else 6 * each
                add_a_block_and_split_rows(
                    here, BLOCK if height > 16 else 0, y + y_block * ((begin + m) >> 4) + BLOCK * (k >> 5),
                    y_block if m + 16 < there else 0,
                    now, each, source + 64 * done, 64 * w_rows, next_blocks + LINE * done,
                )  # fmt: skip
                done += now
                store_sums(strip, strip + beside, strip + down, strip + down + beside)
            if (hidden == 0) & (following < last):
                _split_weights(following_height, following_steps, source, w_rows, next_blocks)
            if following != p:
                for q in range(2 if (height > 16) & (p + 1 < last) else 1):
                    for m in range(0, there, 16):
                        target = x + 4 * x_panel * (p - first + q) + 64 * (begin + m)
                        turned = target if there - m >= 16 else spare
                        turn_16(sums + 16 * MOST * 4 * q + 64 * m, 16, turned, 16)
                        if there - m < 16:
                            copy_lines(spare, target, there - m)
            p, k, height, number = following, following_k, following_height, number + 1
    release_tiles()
