"""What a source gives: fields that are known at once, and arrays that are read when they are asked for."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from netdsl.diagnostics import Diagnostic
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.schema import FieldSchema

Arrays: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Content:
    """A source opened.

    `rows` are those to split, `own_test` those of a test part that the source itself has (None if it has
    none). `load(field, test)` reads all rows of a field: labels and categories as int32 (-1 where a category
    is missing), images as uint8 where they are stored so, other numbers as float32 (NaN where a cell is
    missing). `place(test, row)` says where a row stands. `between` is for rows that follow one another, as
    the windows of a text do: parts are stretches of them, with so many rows left out between two.
    """

    fields: tuple[FieldSchema, ...]
    rows: int
    own_test: int | None
    load: Callable[[str, bool], np.ndarray]
    place: Callable[[bool, int], str]
    warnings: tuple[Diagnostic, ...] = ()
    between: int | None = None

    @property
    def labels(self) -> tuple[FieldSchema, ...]:
        """Return the targets that are classes, one an example."""
        return tuple(each for each in self.fields if each.target and each.kind == "label" and not each.shape)


def of_arrays(
    fields: tuple[FieldSchema, ...], train: Arrays, test: Arrays | None = None, *, source: str = "row"
) -> Content:
    """Return the content of arrays that are at hand."""

    def load(field: str, of_test: bool) -> np.ndarray:
        part = test if of_test else train
        assert part is not None
        return part[field]

    def place(of_test: bool, row: int) -> str:
        return f"{source} {row + 1}" + (" of the test part" if of_test else "")

    own_test = None if test is None else len(next(iter(test.values())))
    return Content(fields, len(next(iter(train.values()))), own_test, load, place)
