"""From the cells of a table to the arrays of its fields."""

import math
from typing import Final

import numpy as np

from netdsl.data.cells import Cells, sorted_texts
from netdsl.data.columns import Group, Roles
from netdsl.data.content import Content
from netdsl.data.filling import MISSING
from netdsl.data.problems import fail, warn
from netdsl.data.table import Missing, Table
from netdsl.diagnostics import Diagnostic, Span
from netdsl.files import shown, size_text
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.schema import Column, FieldKind, FieldSchema

_MOST_CATEGORIES: Final = 1000
_MOST_CLASSES: Final = 1_000_000
_MOST_BYTES: Final = 4 << 30


@dataclass(frozen=True, slots=True)
class Values:
    """A column worked out: numbers with NaN, or codes of categories with -1, where a cell is missing.

    `flagged` tells that beside a number stands whether it was missing.
    """

    name: str
    array: np.ndarray
    categories: tuple[str, ...]
    flagged: bool = False

    @property
    def width(self) -> int:
        """Return how many places the column takes in a vector."""
        return len(self.categories) or 1 + self.flagged


def encode(table: Table, roles: Roles, missing: Missing, span: Span | None) -> Content:
    """Return the fields of a table that was read and checked.

    A column of texts in a vector becomes a one-hot block, by its categories in order; a label or a category
    on its own its numbers. `missing` as `category` gives a missing text a category of its own, and a number
    in a vector a second place that tells so; NaN is left where the data set fills in later.

    Errors: E0540 for too many categories, E0543 when no row is left.
    """
    values = {name: _values(cells, missing) for name, cells in table.cells.items()}
    kept = _kept(table, missing, span)
    taken = {name: _taken(each, kept) for name, each in values.items()}
    parts = np.split(kept, [len(table.lines[0])])
    rows = [int(part.sum()) for part in parts]
    fields: list[FieldSchema] = []
    arrays: dict[str, np.ndarray] = {}
    for group in roles.groups:
        field, array = _field(group, [taken[name] for name in group.columns], span)
        fields.append(field)
        arrays[group.field] = array

    def load(field: str, test: bool) -> np.ndarray:
        return arrays[field][rows[0] :] if test else arrays[field][: rows[0]]

    lines = [each[part] for each, part in zip(table.lines, parts, strict=False)]

    def place(test: bool, row: int) -> str:
        return f"{shown(table.files[test])}:{lines[test][row]}"

    own_test = rows[1] if len(table.files) > 1 else None
    return Content(tuple(fields), rows[0], own_test, load, place, _warnings(table, roles, values, span))


def _values(cells: Cells, missing: Missing) -> Values:
    if not cells.is_text:
        flagged = missing == "category" and cells.missing_count > 0
        return Values(cells.name, np.frombuffer(cells.numbers), (), flagged)
    categories, codes = sorted_texts(cells)
    if missing == "category" and cells.missing_count:
        codes = np.where(codes < 0, np.int32(len(categories)), codes)
        categories = (*categories, MISSING)
    return Values(cells.name, codes, categories)


def _kept(table: Table, missing: Missing, span: Span | None) -> np.ndarray:
    """Tell which rows stay: with `missing = drop` those that lack nothing."""
    kept = np.ones(sum(map(len, table.lines)), bool)
    if missing == "drop":
        for cells in table.cells.values():
            if cells.missing_count:
                kept &= (
                    np.frombuffer(cells.codes, np.intc) >= 0 if cells.is_text else ~np.isnan(cells.numbers)
                )
    first = len(table.lines[0])
    if not kept[:first].any() or (len(kept) > first and not kept[first:].any()):
        path = table.files[1 if kept[:first].any() else 0]
        fail("E0543", f"each row of `{shown(path)}` lacks something, so `missing = drop` leaves none", span)
    return kept


def _taken(values: Values, kept: np.ndarray) -> Values:
    array = values.array if kept.all() else values.array[kept]
    return Values(values.name, array, values.categories, values.flagged)


def _field(group: Group, values: list[Values], span: Span | None) -> tuple[FieldSchema, np.ndarray]:
    if not group.single:
        return _vector(group, values, span)
    (alone,) = values
    if alone.categories:
        if len(alone.categories) > _MOST_CLASSES:
            _refuse_categories(alone, _MOST_CLASSES, span)
        kind: FieldKind = "label" if group.target else "category"
        codes = alone.array.astype(np.int32)
        return FieldSchema(group.field, (), kind, group.target, alone.categories), codes
    columns = () if group.target else (Column(alone.name, 0, 1),)
    return FieldSchema(group.field, (), "number", group.target, (), columns), alone.array.astype(np.float32)


def _vector(group: Group, values: list[Values], span: Span | None) -> tuple[FieldSchema, np.ndarray]:
    for each in values:
        if len(each.categories) > _MOST_CATEGORIES:
            _refuse_categories(each, _MOST_CATEGORIES, span)
    starts = np.cumsum([0, *(each.width for each in values)]).tolist()
    rows = len(values[0].array)
    if 4 * rows * starts[-1] > _MOST_BYTES:
        size = f"{rows:,} rows of {starts[-1]:,} numbers take {size_text(4 * rows * starts[-1])}"
        fail("E0540", f"`{group.field}` is too large: {size}", span, help="leave columns out: `skip=[…]`")
    vector = np.zeros((rows, starts[-1]), np.float32)
    for start, each in zip(starts, values, strict=False):
        _place(vector[:, start : start + each.width], each)
    columns = tuple(
        Column(each.name, start, each.width, each.categories)
        for start, each in zip(starts, values, strict=False)
    )
    return FieldSchema(group.field, (starts[-1],), columns=columns), vector


def _place(block: np.ndarray, values: Values) -> None:
    """Write a column into its block of a vector: a number, or a one-hot row; NaN where it is missing."""
    if not values.categories:
        block[:, 0] = values.array
        return
    known = np.flatnonzero(values.array >= 0)
    block[known, values.array[known]] = 1
    block[values.array < 0] = math.nan


def _warnings(
    table: Table, roles: Roles, values: dict[str, Values], span: Span | None
) -> tuple[Diagnostic, ...]:
    """Warn of inputs that look like names: nearly every row has a text of its own."""
    inputs = {name for group in roles.groups if not group.target for name in group.columns}
    rows = sum(map(len, table.lines))
    found = []
    for name in sorted(inputs):
        count = len(values[name].categories)
        if count > 20 and 2 * count > rows:
            message = f"the column `{name}` has {count:,} different texts in {rows:,} rows"
            help = f"if it names the rows, leave it out: `skip=[{name}]`"
            found.append(warn("W0521", message, span, help=help))
    return tuple(found)


def _refuse_categories(values: Values, most: int, span: Span | None) -> None:
    message = f"the column `{values.name}` has {len(values.categories):,} different texts, more than {most:,}"
    fail("E0540", message, span, help=f"if it names the rows, leave it out: `skip=[{values.name}]`")
