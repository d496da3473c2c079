"""Shapes: tuples of extents, with one symbolic extent for the number of examples in a batch."""

from typing import Final, Literal, TypeAlias

Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = Literal["float", "int", "bool"]

BATCH: Final = -1
"""The extent of the batch axis. It stands first or nowhere; its size is known when a program runs."""


def is_batched(shape: Shape) -> bool:
    """Tell whether a value of this shape has one entry for each example."""
    return bool(shape) and shape[0] == BATCH


def example(shape: Shape) -> Shape:
    """Return the shape of one example: without the batch axis, if there is one."""
    return shape[1:] if is_batched(shape) else shape


def count(shape: Shape) -> int:
    """Return the number of elements of one example."""
    product = 1
    for extent in example(shape):
        product *= extent
    return product


def sized(shape: Shape, rows: int) -> Shape:
    """Return the shape with the batch axis filled in."""
    return (rows, *shape[1:]) if is_batched(shape) else shape


def shape_text(shape: Shape) -> str:
    """Write a shape as messages and dumps do: `[batch, 28, 28, 1]`."""
    return "[" + ", ".join("batch" if extent == BATCH else str(extent) for extent in shape) + "]"
