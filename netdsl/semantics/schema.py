"""What is known of data before it is read: fields with their shapes, kinds and classes."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field

FieldKind: TypeAlias = Literal["number", "label", "category"]
PartName: TypeAlias = Literal["train", "valid", "test"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table's vector: where it stands, and the names of its categories if it has any.

    A number has width 1; or 2, where the second one tells whether the cell was missing (1) or not (0).
    """

    name: str
    start: int
    width: int
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """A field of every example.

    `shape` is that of one example; [] for a label or a single number, [n] for n labels in a row. `classes`
    are the names of the classes of a label (their order is the label's number). `target` tells what is to be
    predicted from what is given. `columns` names the parts of a table's vector. `range` is the smallest and
    largest value that can occur, where the source knows it (pixels: 0, 255).
    """

    name: str
    shape: tuple[int, ...]
    kind: FieldKind = "number"
    target: bool = False
    classes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    range: tuple[float, float] | None = None

    @property
    def is_text(self) -> bool:
        """Tell whether an example is a row of characters."""
        return len(self.shape) == 1 and bool(self.classes) and all(len(each) == 1 for each in self.classes)


@dataclass(frozen=True, slots=True)
class Schema:
    """A data set as a model sees it: its fields, and the rows of each part after the split."""

    name: str
    fields: tuple[FieldSchema, ...]
    rows: Mapping[PartName, int] = field(default_factory=dict)
    span: Span | None = None

    def field(self, name: str) -> FieldSchema | None:
        """Return a field by name."""
        return next((each for each in self.fields if each.name == name), None)
