"""Products of small matrices anywhere in memory, one for each example: those of a head of attention.

An axis of a matrix is cut in groups of 16: the places of a group are one stride apart, the groups another.
So an axis may lie across panels, or be one of a row-major value, whose groups are 16 strides apart.
"""

from typing import Final

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_long
from netdsl.kernels.cpu.prelude import f32
from netdsl.kernels.cpu.tiles import placed_tiles
from netdsl.kernels.cpu.turning import min16, turn_16

FIELDS: Final = (
    *("rows", "depth", "columns", "pieces", "tall", "filled"),
    *("a_item", "a_row", "a_rows", "a_step", "a_steps"),
    *("b_item", "b_step", "b_steps", "b_column", "b_columns"),
    *("c_item", "c_row", "c_rows", "c_column", "c_columns"),
)
"""The words of a description: extents, then strides in floats, those from group to group in the plural.

Rows are computed in `pieces` of `tall` each, as many as are one stride apart in A and C: all of them, or 16.
`filled` tells whether the lines of C may be written whole, beyond its columns.
"""

ROWS, DEPTH, COLUMNS, PIECES, TALL, FILLED = 0, 1, 2, 3, 4, 5
A_ITEM, A_ROW, A_ROWS, A_STEP, A_STEPS = 6, 7, 8, 9, 10
B_ITEM, B_STEP, B_STEPS, B_COLUMN, B_COLUMNS = 11, 12, 13, 14, 15
C_ITEM, C_ROW, C_ROWS, C_COLUMN, C_COLUMNS = 16, 17, 18, 19, 20


@kernel
def contraction(a: int, b: int, c: int, description: int, scratch: int, first: int, last: int) -> None:
    """Compute C = A B for the items `first` to before `last`.

    Lines of B are read whole, up to 15 floats beyond its columns, and so are its steps where they are
    neighbors. `scratch` has room for 16 * (depth + tall + 15) floats and is the thread's own.
    """
    it = at_long(description)
    depth, tall = it[DEPTH], it[TALL]
    in_lines = (it[B_COLUMN] == 1) & (it[B_STEPS] == 16 * it[B_STEP])
    result = scratch + 1024 * ((depth + 15) >> 4)
    for item in range(first, last):
        for j in range(0, it[COLUMNS], 16):
            width = min16(it[COLUMNS] - j)
            strip = b + 4 * (item * it[B_ITEM] + (j >> 4) * it[B_COLUMNS])
            step = it[B_STEP]
            if not in_lines:
                if (step == 1) & (width == 16):
                    for k in range((depth + 15) >> 4):
                        turn_16(strip + 4 * k * it[B_STEPS], it[B_COLUMN], scratch + 1024 * k, 16)
                else:
                    lines = at(scratch)
                    source = at(strip)
                    for k in range(depth):
                        place = (k >> 4) * it[B_STEPS] + (k & 15) * step
                        for lane in range(width):
                            lines[16 * k + lane] = source[place + lane * it[B_COLUMN]]
                        for lane in range(width, 16):
                            lines[16 * k + lane] = f32(0.0)
                strip = scratch
                step = 16
            direct = (it[C_COLUMN] == 1) & ((width == 16) | (it[FILLED] != 0))
            for piece in range(it[PIECES]):
                i = tall * piece
                left = a + 4 * (item * it[A_ITEM] + (i >> 4) * it[A_ROWS])
                target = c + 4 * (item * it[C_ITEM] + (i >> 4) * it[C_ROWS] + (j >> 4) * it[C_COLUMNS])
                height = it[ROWS] - i
                if height > tall:
                    height = tall
                place = target if direct else result
                row = it[C_ROW] if direct else 16
                placed_tiles(height, depth, left, it[A_ROW], it[A_STEP], it[A_STEPS], strip, step, place, row)
                if not direct:
                    done = at(result)
                    end = at(target)
                    for r in range(height):
                        for lane in range(width):
                            end[r * it[C_ROW] + lane * it[C_COLUMN]] = done[16 * r + lane]
