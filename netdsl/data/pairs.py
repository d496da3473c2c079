"""Pairs of examples, and whether they are of one class: what a siamese network learns from."""

import numpy as np

from netdsl.data.content import Arrays, Content
from netdsl.data.draws import uniform
from netdsl.data.problems import fail
from netdsl.diagnostics import Exit, Span
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.schema import FieldSchema

_ANSWERS = ("different", "same")


@dataclass(frozen=True, slots=True)
class Pairs:
    """The field that pairs are of, and the label that tells whether they are of one class."""

    field: FieldSchema
    label: FieldSchema
    count: int
    """How many pairs each example is the first of."""

    def fields(self) -> tuple[FieldSchema, ...]:
        """Return the fields of a pair: `first`, `second`, and the target `same`."""
        field = self.field
        both = (
            FieldSchema(name, field.shape, field.kind, False, field.classes, field.columns, field.range)
            for name in ("first", "second")
        )
        return (*both, FieldSchema("same", (), "label", True, _ANSWERS))

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the row of the first example of each pair."""
        return np.repeat(rows, self.count)

    def draw(self, values: np.ndarray, labels: np.ndarray, *key: int | str) -> Arrays:
        """Return the pairs of a part's rows: each with another of its class, then with one of another.

        Partners are drawn among the rows given, so that parts share no example. An example that is alone in
        its class has partners of other classes only.
        """
        first = np.repeat(np.arange(len(labels)), self.count)
        wanted = (np.arange(len(first)) % 2 == 0) & (np.bincount(labels)[labels[first]] > 1)
        second = partners(labels, first, wanted, uniform(len(first), *key))
        same = (labels[first] == labels[second]).astype(np.int32)
        return {"first": values[first], "second": values[second], "same": same}


def pairs_of(content: Content, count: int, span: Span) -> Pairs:
    """Return how the examples of a source are paired.

    Errors: E0549 where it has not one input and one label.
    """
    inputs = [each for each in content.fields if not each.target]
    if len(inputs) != 1 or len(content.labels) != 1 or len(content.fields) != 2:
        told = ", ".join(f"`{each.name}`" for each in content.fields)
        fail(
            "E0549",
            "pairs are made of data with one input and one label",
            span,
            notes=(f"its fields are {told}",),
            help="leave `pairs` out, or choose the fields with `inputs=` and `label=`",
            exit_code=Exit.USAGE,
        )
    return Pairs(inputs[0], content.labels[0], count)


def partners(labels: np.ndarray, first: np.ndarray, same: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return a partner for each of `first`: another of its class where `same`, else one of another class."""
    grouped = np.argsort(labels, kind="stable")
    place = np.empty(len(labels), np.int64)
    place[grouped] = np.arange(len(labels))
    counts = np.bincount(labels)
    size = counts[labels[first]]
    start = (np.cumsum(counts) - counts)[labels[first]]
    within = start + (place[first] - start + 1 + (draws * (size - 1)).astype(np.int64)) % size
    outside = (start + size + (draws * (len(labels) - size)).astype(np.int64)) % len(labels)
    return np.asarray(grouped[np.where(same, within, outside)])
