"""Fields as a program reads them: checked before anything runs, since kernels check nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.graph import BATCH, Shape, is_batched, sized
from netdsl.program import Buffer, Input, Output

TYPES: Final[Mapping[str, type[np.generic]]] = {"float": np.float32, "int": np.int32, "bool": np.float32}
"""How the kinds of elements lie in memory."""


def checked(each: Input, array: NDArray[Any]) -> NDArray[Any]:
    """Return a field as the program reads it, of the right type and in one piece.

    Errors: E0721 for another shape or kind, E0722 for an index out of range.
    """
    rows = len(array) if is_batched(each.shape) and array.ndim else 0
    if array.shape != sized(each.shape, rows):
        raise wrong(
            "E0721", f"`{each.name}` has shape {array.shape}, and the program reads {_told(each.shape)}"
        )
    if each.dtype == "int" and array.dtype.kind not in "iu":
        raise wrong("E0721", f"`{each.name}` is to be whole numbers, and holds {array.dtype}")
    if array.dtype.kind not in "fiub":
        raise wrong("E0721", f"`{each.name}` is to be real numbers, and holds {array.dtype}")
    if each.below is not None and not in_range(array, each.below):
        raise wrong("E0722", f"`{each.name}` holds an index outside of 0 .. {each.below - 1}")
    return np.ascontiguousarray(array, TYPES[each.dtype])


def checked_fields(
    inputs: Iterable[Input], fields: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], int | None]:
    """Return the fields that a program reads, and how many rows they have: None where none has some.

    Errors: E0720 for a field that is missing, and those of `checked`; E0721 too for other numbers of rows.
    """
    bound: dict[str, NDArray[Any]] = {}
    lengths: dict[str, int] = {}
    for each in inputs:
        if each.name not in fields:
            raise wrong("E0720", f"the program reads `{each.name}`, and was given no such field")
        bound[each.name] = checked(each, np.asarray(fields[each.name]))
        if is_batched(each.shape):
            lengths[each.name] = len(bound[each.name])
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise wrong("E0721", f"the fields have different numbers of rows: {told}")
    return bound, next(iter(lengths.values()), None)


def checked_value(name: str, buffer: Buffer, value: NDArray[Any]) -> NDArray[np.float32]:
    """Return a weight or state as a program keeps it.

    Errors: ValueError for another shape.
    """
    if value.shape != buffer.shape:
        raise ValueError(f"{name} has shape {buffer.shape}, and is given {value.shape}")
    return np.asarray(value, np.float32)


def checked_order(order: NDArray[np.int64], batch: int, rows: int | None, *, bound: bool) -> None:
    """Check that rows are bound, and that those of an order are there.

    Errors: IndexError for a row that is not there; ValueError for a batch of no rows, or nothing bound.
    """
    if batch < 1:
        raise ValueError(f"a batch of {batch} rows")
    if not bound:
        raise ValueError("no rows are bound")
    # One pass finds negative rows too: as numbers without a sign they are the largest.
    if rows is not None and len(order) and order.view(np.uint64).max() >= rows:
        raise IndexError(f"the order names rows outside of 0 .. {rows - 1}")


def in_range(indices: NDArray[Any], below: int) -> bool:
    """Tell whether whole numbers are all at least 0 and below a bound."""
    return not indices.size or bool(indices.min() >= 0 and indices.max() < below)


def shape_of(result: Output, rows: int, steps: int) -> Shape:
    """Return the shape of a result of so many rows and steps."""
    return (rows, *result.shape[1:]) if is_batched(result.shape) else (steps, *result.shape)


def room(result: Output, rows: int, steps: int) -> NDArray[Any]:
    """Return the array that the results of a run are written to."""
    return np.zeros(shape_of(result, rows, steps), TYPES[result.dtype])


def _told(shape: Shape) -> str:
    return "(" + ", ".join("batch" if extent == BATCH else str(extent) for extent in shape) + ")"


def wrong(code: str, message: str) -> DiagnosticError:
    """Return the error for a field that does not fit."""
    return DiagnosticError([Diagnostic(code, message)], Exit.DATA)
