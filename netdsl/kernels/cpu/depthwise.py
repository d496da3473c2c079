"""Convolutions of each channel by itself, with windows that move one place at a time, and their adjoints.

Such a window is a few multiplications for each number read, so loads decide. A tile of neighboring outputs
holds the numbers of a line that its windows share in registers, and each is loaded once for all taps of that
line. Images are read where they lie, without zeros around them: what a tile would read beside a line is a
line of zeros elsewhere. Each sum is one chain of fused multiply-adds in the order of the taps, of images,
lines and columns: its bits depend neither on the tiles nor on the width of the registers.

Measured with 3x3 windows of 64 channels at 16x16: 75 GFLOP/s there and 74 back, where tiles that went over a
table of taps had 35 and 33.
"""

from typing import Any, Final

from netdsl.kernels.cpu.emission import (
    LANES,
    NOTHING,
    WORD,
    ZEROS,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    multiply_add,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.memory import at_long
from netdsl.kernels.cpu.tiles import zeros

FIELDS: Final = (
    *("height", "width", "down", "across", "rows", "columns", "top", "left"),
    *("x_panel", "y_panel", "w_panel", "panels", "w_first", "w_step"),
)
"""The words of a description: images of `height` by `width` places, `down` by `across` windows of `rows` by
`columns` places, and the places before an image; the floats from panel to panel of images, of windows and of
weights; the panels; and, in floats, the weight of the first tap and the step to the next one's."""

HEIGHT, WIDTH, DOWN, ACROSS, ROWS, COLUMNS, TOP, LEFT = 0, 1, 2, 3, 4, 5, 6, 7
X_PANEL, Y_PANEL, W_PANEL, PANELS, W_FIRST, W_STEP = 8, 9, 10, 11, 12, 13

WIDTHS: Final = (3, 5)
"""The columns of windows that there are tiles for."""

GRADIENT: Final = 3
"""The rows and columns of windows whose gradient is summed here: as many sums as registers hold."""


def _most() -> int:
    return min(8, machine().rows[0])


@emits(WORD)
def longest(builder: Any) -> Value:
    """Return how many outputs the longest tile has."""
    return whole(_most())


@emits(NOTHING, *[WORD] * 10)
def line_tile(
    builder: Any,
    kind: Value,
    x: Value,
    line: Value,
    rows: Value,
    column: Value,
    width: Value,
    w: Value,
    step: Value,
    y: Value,
    nothing: Value,
) -> None:
    """Compute a tile of neighboring outputs.

    `kind` is `16 * columns of a window + outputs`; X the first line that the windows see, `line` floats from
    line to line, `rows` of them; `column` the first place of them that the tile sees, which may lie beside a
    line of `width` places; w the weight of the first tap, `step` floats from tap to tap; `nothing` 16 zeros.
    """
    after = builder.append_basic_block("after")
    choice = builder.switch(kind, after)
    for columns in WIDTHS:
        for outputs in range(1, _most() + 1):
            case = builder.append_basic_block(f"tile{columns}_{outputs}")
            choice.add_case(whole(16 * columns + outputs), case)
            builder.position_at_end(case)
            _tile(builder, (columns, outputs), (x, line, rows), (column, width), (w, step), y, nothing)
            builder.branch(after)
    builder.position_at_end(after)


def _tile(
    builder: Any,
    shape: tuple[int, int],
    lines: tuple[Value, Value, Value],
    place: tuple[Value, Value],
    weights: tuple[Value, Value],
    y: Value,
    nothing: Value,
) -> None:
    columns, outputs = shape
    x, line, rows = lines
    column, width = place
    seen = outputs + columns - 1
    is_border = [at < columns - 1 or at >= outputs for at in range(seen)]
    inside = [_is_inside(builder, column, width, at) if is_border[at] else None for at in range(seen)]
    none = floats(builder, nothing)

    def row(_: Value, held: Carried) -> Carried:
        start, weight, *sums = held
        numbers = []
        for at in range(seen):
            pointer = advance(builder, start, LANES * at)
            if inside[at] is not None:
                pointer = builder.select(inside[at], pointer, none)
            numbers.append(load_vector(builder, pointer))
        for tap in range(columns):
            factor = load_vector(builder, weight)
            weight = advance(builder, weight, weights[1])
            sums = [
                multiply_add(builder, numbers[at + tap], factor, each, fused=machine().fma)
                for at, each in enumerate(sums)
            ]
        return [advance(builder, start, line), weight, *sums]

    first = advance(builder, floats(builder, x), builder.mul(column, whole(LANES)))
    begin = [first, floats(builder, weights[0]), *[ZEROS] * outputs]
    _, _, *sums = repeat(builder, rows, begin, row)
    target = floats(builder, y)
    for at, each in enumerate(sums):
        store_vector(builder, each, advance(builder, target, LANES * at))


def _is_inside(builder: Any, column: Value, width: Value, at: int) -> Value:
    """Tell whether a place lies on a line: compared without sign, what is before it lies far behind."""
    return builder.icmp_unsigned("<", builder.add(column, whole(at)), width)


@kernel
def depthwise(x: int, w: int, y: int, description: int, images: int) -> None:
    """Compute the windows of some images.

    Shapes: X (images * places, channels), Y (images * windows, channels), both in panels; w (taps, channels)
    in panels. The description is FIELDS.
    """
    it = at_long(description)
    longest_tile = longest()
    line = 16 * it[WIDTH]
    columns = it[COLUMNS]
    tiles = (it[ACROSS] + longest_tile - 1) // longest_tile
    short = it[ACROSS] // tiles
    longer = it[ACROSS] - tiles * short
    nothing = zeros()
    for p in range(it[PANELS]):
        weights = w + 4 * (p * it[W_PANEL] + it[W_FIRST])
        for image in range(images):
            source = x + 4 * (p * it[X_PANEL] + image * it[HEIGHT] * line)
            target = y + 4 * (p * it[Y_PANEL] + image * it[DOWN] * it[ACROSS] * 16)
            for i in range(it[DOWN]):
                top = it[TOP] - i if it[TOP] > i else 0
                end = it[HEIGHT] + it[TOP] - i
                rows = (end if end < it[ROWS] else it[ROWS]) - top
                start = source + 4 * (i - it[TOP] + top) * line
                column = 0
                for tile in range(tiles):
                    outputs = short + 1 if tile < longer else short
                    line_tile(
                        16 * columns + outputs, start, line, rows, column - it[LEFT], it[WIDTH],
                        weights + 4 * top * columns * it[W_STEP], it[W_STEP],
                        target + 64 * (i * it[ACROSS] + column), nothing,
                    )  # fmt: skip
                    column += outputs


@emits(NOTHING, *[WORD] * 10)
def gradient_of_line(
    builder: Any,
    x: Value,
    line: Value,
    first: Value,
    end: Value,
    left: Value,
    width: Value,
    dy: Value,
    across: Value,
    dw: Value,
    nothing: Value,
) -> None:
    """Add to the sums of each tap what a line of outputs gives.

    X is the line that the first row of taps sees, of `width` places; the rows `first` to before `end` see
    lines of the image; `nothing` are 16 zeros. The registers of AVX-512 hold all sums at once; others go over
    the rows of taps.
    """
    together = GRADIENT if machine().wide else 1
    none = floats(builder, nothing)
    for row in range(0, GRADIENT, together):
        rows = range(row, row + together)
        there = [
            builder.and_(
                builder.icmp_signed(">=", whole(each), first), builder.icmp_signed("<", whole(each), end)
            )
            for each in rows
        ]
        places = [advance(builder, floats(builder, x), builder.mul(line, whole(each))) for each in rows]
        taps = [
            advance(builder, floats(builder, dw), LANES * (GRADIENT * each + tap))
            for each in rows
            for tap in range(GRADIENT)
        ]
        _sums_of_line(builder, (places, there), (left, width), (dy, across), taps, none)


def _sums_of_line(
    builder: Any,
    lines: tuple[list[Value], list[Value]],
    place: tuple[Value, Value],
    outputs: tuple[Value, Value],
    taps: list[Value],
    none: Value,
) -> None:
    left, width = place
    dy, across = outputs

    def number(row: int, column: Value) -> Value:
        """Load a number of X, or zero beside the image."""
        start, there = lines[0][row], lines[1][row]
        inside = builder.and_(there, builder.icmp_unsigned("<", column, width))
        pointer = advance(builder, start, builder.mul(column, whole(LANES)))
        return load_vector(builder, builder.select(inside, pointer, none))

    def one(index: Value, held: Carried) -> Carried:
        given = load_vector(builder, advance(builder, floats(builder, dy), builder.mul(index, whole(LANES))))
        new = builder.add(builder.sub(index, left), whole(GRADIENT - 1))
        kept, sums = list(held[: -len(taps)]), list(held[-len(taps) :])
        following: list[Value] = []
        for row in range(len(lines[0])):
            ahead = GRADIENT - 1
            seen = [*kept[ahead * row : ahead * (row + 1)], number(row, new)]
            following += seen[1:]
            for tap, each in enumerate(seen):
                at = GRADIENT * row + tap
                sums[at] = multiply_add(builder, each, given, sums[at], fused=machine().fma)
        return [*following, *sums]

    begin = [
        number(row, builder.sub(whole(column), left))
        for row in range(len(lines[0]))
        for column in range(GRADIENT - 1)
    ]
    held = repeat(builder, across, [*begin, *(load_vector(builder, each) for each in taps)], one)
    for each, pointer in zip(held[-len(taps) :], taps, strict=True):
        store_vector(builder, each, pointer)


@kernel
def depthwise_gradient(x: int, dy: int, dw: int, description: int, images: int) -> None:
    """Compute the gradient of a panel of weights, summed over some images.

    Shapes: X and dY a panel of images and of what lies behind windows, dW (9, 16). The description is FIELDS.
    """
    it = at_long(description)
    line = 16 * it[WIDTH]
    nothing = zeros()
    clear_lines(dw)
    for image in range(images):
        source = x + 4 * image * it[HEIGHT] * line
        given = dy + 64 * image * it[DOWN] * it[ACROSS]
        for i in range(it[DOWN]):
            first = it[TOP] - i
            end = it[HEIGHT] + it[TOP] - i
            gradient_of_line(
                source + 4 * (i - it[TOP]) * line, line, first, end, it[LEFT], it[WIDTH],
                given + 64 * i * it[ACROSS], it[ACROSS], dw, nothing,
            )  # fmt: skip


@emits(NOTHING, WORD)
def clear_lines(builder: Any, dw: Value) -> None:
    """Set the sums of all taps to 0."""
    for tap in range(GRADIENT * GRADIENT):
        store_vector(builder, ZEROS, floats(builder, dw, LANES * tap))
