"""Missing cells filled with what the training rows tell: the mean of a number, the most frequent category."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np

from netdsl.data.problems import fail
from netdsl.diagnostics import Span
from netdsl.semantics.schema import Column, FieldSchema

MISSING: Final = "(missing)"
"""The category that stands for a missing text, with `missing = category`."""

Fills: TypeAlias = Mapping[str, float | str]
"""What stands for a missing cell, by column: a number, or the name of a category."""


def measure_fills(field: FieldSchema, train: np.ndarray, span: Span | None = None) -> dict[str, float | str]:
    """Return the fill of each column of a field: of those too that lack nothing in these rows.

    Errors: E0532 for a column without a single value in the training rows.
    """
    if field.kind == "category":
        if MISSING in field.classes:
            return {field.name: MISSING}
        counts = np.bincount(train[train >= 0], minlength=len(field.classes))
        return {field.name: field.classes[_most_frequent(counts, field.name, span)]}
    if not field.columns:
        return {}
    return {column.name: _fill_of(column, _cells(train, field, column), span) for column in field.columns}


def fill(field: FieldSchema, rows: np.ndarray, fills: Fills) -> np.ndarray:
    """Return the rows with the fill in each missing cell."""
    if field.kind == "category":
        if not (rows < 0).any():
            return rows
        code = field.classes.index(str(fills[field.name]))
        return np.where(rows < 0, np.int32(code), rows)
    if not np.isnan(rows).any():
        return rows
    filled = rows.copy()
    for column in field.columns:
        cells = _cells(filled, field, column)
        cells[np.isnan(cells[:, 0])] = _encoded(column, fills[column.name])
    return filled


def _cells(rows: np.ndarray, field: FieldSchema, column: Column) -> np.ndarray:
    """Return the columns of a block, as a view of shape [rows, width]."""
    if not field.shape:
        return rows.reshape(-1, 1)
    return rows[:, column.start : column.start + column.width]


def _fill_of(column: Column, cells: np.ndarray, span: Span | None) -> float | str:
    if MISSING in column.categories:
        return MISSING
    known = cells[~np.isnan(cells[:, 0])]
    if column.categories:
        return column.categories[_most_frequent(known.sum(0), column.name, span)]
    if not len(known):
        _refuse(column.name, span)
    return float(known[:, 0].mean(dtype=np.float64))


def _most_frequent(counts: np.ndarray, name: str, span: Span | None) -> int:
    if not counts.sum():
        _refuse(name, span)
    return int(counts.argmax())


def _encoded(column: Column, value: float | str) -> np.ndarray:
    """Return what stands in a missing cell. A number of width 2 has beside it whether it is missing."""
    if not column.categories:
        return np.array([value, 1], np.float32)[: column.width]
    block = np.zeros(column.width, np.float32)
    block[column.categories.index(str(value))] = 1
    return block


def _refuse(name: str, span: Span | None) -> None:
    fail(
        "E0532",
        f"the column `{name}` has not one value in the training rows",
        span,
        help="leave the column out",
    )
