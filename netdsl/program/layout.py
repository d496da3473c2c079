"""How large a buffer is, and where its elements lie."""

from math import prod

from netdsl.graph import Shape, is_batched, sized
from netdsl.program.program import LANES, Buffer

PAGE = 4096
LINE = 16
"""Elements in a cache line: every buffer is a whole number of lines, and ends with one that is never read."""

STEPS = 32
"""Steps of a sum in a block of parts."""

PARTS = 3 * LANES * LANES
"""Elements that a block of parts takes: 16 lines of 16 words for each of three parts."""


def columns(shape: Shape) -> int:
    """Return the columns of a value seen as a matrix: its last axis; a list of numbers has one."""
    return shape[-1] if len(shape) > 1 else 1


def places(shape: Shape) -> int:
    """Return the rows of a value seen as a matrix, all axes but the last: of a batch those of one example."""
    return prod((shape[:-1] if len(shape) > 1 else shape)[is_batched(shape) :])


def same_matrix(one: Shape, other: Shape) -> bool:
    """Tell whether two shapes are one matrix, so that a value can be reshaped without being moved."""
    return (
        (one[0] if is_batched(one) else 0) == (other[0] if is_batched(other) else 0)
        and columns(one) == columns(other)
        and places(one) == places(other)
    )


def matrix(shape: Shape, rows: int) -> tuple[int, int]:
    """Return the rows and columns of a value seen as a matrix, for so many examples."""
    known = sized(shape, rows)
    return prod(known[:-1] if len(known) > 1 else known), columns(shape)


def panel_stride(height: int) -> int:
    """Return the elements from one panel to the next: a line more than a panel where panels would all begin
    at the same place of a page, since their lines would then push each other out of the cache."""
    elements = height * LANES
    return elements + LINE if elements * 4 % PAGE == 0 else elements


def stride(buffer: Buffer, rows: int) -> int:
    """Return the elements from one panel to the next. Weights have no gaps between their panels."""
    height = matrix(buffer.shape, rows)[0]
    return panel_stride(height) if is_batched(buffer.shape) else height * LANES


def size(buffer: Buffer, rows: int) -> int:
    """Return the elements of a buffer, a whole number of cache lines."""
    height, width = matrix(buffer.shape, rows)
    panels = -(-width // LANES)
    match buffer.layout:
        case "rows":
            elements = height * width
        case "panels":
            elements = panels * stride(buffer, rows)
        case "blocks":
            elements = -(-height // LANES) * LANES * panels * LANES
        case "row parts":
            elements = -(-height // LANES) * -(-width // STEPS) * PARTS
        case "column parts":
            elements = -(-width // LANES) * -(-height // STEPS) * PARTS
        case "examples":
            examples = height // places(buffer.shape)
            elements = -(-examples // LANES) * LANES * places(buffer.shape) * width
    return -(-elements // LINE) * LINE + LINE
