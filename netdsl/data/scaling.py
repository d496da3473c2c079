"""What scalers measure on the training rows, and what is told of columns that cannot be scaled."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from netdsl.data.content import Arrays
from netdsl.data.dataset import Dataset
from netdsl.data.measure import measure
from netdsl.data.problems import fail, warn
from netdsl.diagnostics import Diagnostic, Span
from netdsl.semantics.experiment import Weight
from netdsl.semantics.schema import FieldSchema, PartName, Schema

_PIECE: Final = 4096


def fit(weights: Iterable[Weight], train: Arrays) -> dict[str, np.ndarray]:
    """Return what the scalers measure, by path: float32, worked out in float64 over all training rows.

    Weights of other kinds than "fitted" are passed over.
    """
    return {
        each.path: np.array(np.broadcast_to(measure(each.initial, train), each.shape), np.float32)
        for each in weights
        if each.kind == "fitted"
    }


def constant_columns(schema: Schema, weights: Sequence[Weight], train: Arrays) -> tuple[Diagnostic, ...]:
    """Warn of columns that never vary in the training rows, where each column is scaled by itself.

    Source: 67 of the 784 pixels of MNIST's 60,000 training images.
    """
    found = []
    for field in schema.fields:
        if _scaled_by_column(field, weights) and (names := _constant(field, train[field.name])):
            found.append(_told(field, names, schema.span))
    return tuple(found)


def check_prepared(prepared: Mapping[str, np.ndarray], dataset: Dataset, part: PartName) -> None:
    """Refuse scaled values that are not finite, such as the logarithm of a negative number.

    Errors: E0544 with the row, the column, and what stands there.
    """
    for name, array in prepared.items():
        for start in range(0, len(array), _PIECE):
            piece = array[start : start + _PIECE]
            if array.dtype.kind == "f" and not np.isfinite(piece).all():
                place = np.argwhere(~np.isfinite(piece.reshape(len(piece), -1)))[0]
                _refuse(name, start + int(place[0]), int(place[1]), dataset, part)


def _scaled_by_column(field: FieldSchema, weights: Iterable[Weight]) -> bool:
    return any(
        each.kind == "fitted"
        and field.name in each.initial.leaves("input")
        and (each.shape[-len(field.shape) :] == field.shape if field.shape else True)
        for each in weights
    )


def _constant(field: FieldSchema, train: np.ndarray) -> list[str]:
    flat = train.reshape(len(train), -1)
    still = np.flatnonzero(flat.min(0) == flat.max(0))
    if not field.columns:
        return [f"{field.name}{_index(field, int(each))}" for each in still]
    numbers = {column.start: column.name for column in field.columns if not column.categories}
    return [numbers[int(each)] for each in still if int(each) in numbers]


def _index(field: FieldSchema, flat: int) -> str:
    if not field.shape:
        return ""
    return str([int(each) for each in np.unravel_index(flat, field.shape)])


def _told(field: FieldSchema, names: Sequence[str], span: Span | None) -> Diagnostic:
    total = int(np.prod(field.shape, initial=1))
    count = "it never varies" if total == 1 else f"{len(names):,} of its {total:,} columns never vary"
    shown = ", ".join(f"`{each}`" for each in names[:5]) + (", …" if len(names) > 5 else "")
    message = f"`{field.name}`: {count} in the training rows"
    help = "scaled, they are 0; leave them out if they say nothing"
    return warn("W0520", message, span, notes=(shown,), help=help)


def _refuse(name: str, row: int, flat: int, dataset: Dataset, part: PartName) -> None:
    field = dataset.schema.field(name)
    assert field is not None
    value = dataset.part(part)[name][row].reshape(-1)[flat]
    column = next((each.name for each in field.columns if each.start <= flat < each.start + each.width), None)
    what = f"`{column}`" if column else f"`{name}{_index(field, flat)}`"
    fail(
        "E0544",
        f"{dataset.place(part, row)}: {what} is {float(value):g}, and has no finite value when it is scaled",
        dataset.schema.span,
        help="choose another scaler for it, or mend the row; the logarithm of a negative number has no value",
    )
