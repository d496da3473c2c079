"""Shapes: tuples of extents, with one symbolic extent for the number of examples in a batch."""

from functools import cache
from typing import Final, Literal, TypeAlias

Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = Literal["float", "int", "bool"]

Precision: TypeAlias = Literal["float32", "tf32", "bf16"]
"""What factors of products are rounded to, to the nearest; their sums are float32 always."""

BATCH: Final = -1
"""The extent of the batch axis. It stands first or nowhere; its size is known when a program runs.

Lowering has -2, -3, … too: so many batches, one behind the other, such as the steps of a scan.
"""


def is_batched(shape: Shape) -> bool:
    """Tell whether a value of this shape has one entry for each example."""
    return bool(shape) and shape[0] < 0


def batches(shape: Shape) -> int:
    """Return how many batches lie one behind the other in a batched value."""
    return -shape[0]


def example(shape: Shape) -> Shape:
    """Return the shape of one example: without the batch axis, if there is one."""
    return shape[1:] if is_batched(shape) else shape


@cache
def count(shape: Shape) -> int:
    """Return the number of elements of one example."""
    product = 1
    for extent in example(shape):
        product *= extent
    return product


def sized(shape: Shape, rows: int) -> Shape:
    """Return the shape with the batch axis filled in."""
    return (rows * batches(shape), *shape[1:]) if is_batched(shape) else shape


def shape_text(shape: Shape) -> str:
    """Write a shape as messages and dumps do: `[batch, 28, 28, 1]`."""
    return "[" + ", ".join(map(_extent_text, shape)) + "]"


def _extent_text(extent: int) -> str:
    if extent >= 0:
        return str(extent)
    return "batch" if extent == BATCH else f"{-extent} batches"
