"""Predictions for new rows, as the columns of a table."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.lazy_dataclass import dataclass
from netdsl.run.checkpoint import restore
from netdsl.run.engine import Engine
from netdsl.run.net import Net
from netdsl.run.options import Options
from netdsl.run.rows import read_new_rows
from netdsl.semantics.experiment import Output
from netdsl.semantics.schema import FieldSchema
from netdsl.training.executable import Values


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Columns by name, of texts (classes) or numbers, all of one length."""

    columns: Mapping[str, NDArray[np.generic]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield a record for each row."""
        for position in range(len(self)):
            yield {name: values[position].item() for name, values in self.columns.items()}


def predict_rows(
    weights: Path, rows: Path | None, options: Options, separator: str | None = None
) -> Predictions:
    """Apply the weights of a run, or of a file, to new rows.

    Errors: those of reading the weights and the rows; E0915 for a model without inputs.
    """
    restored = restore(weights, options, data=False)
    experiment = restored.opened.experiment
    schema = experiment.schema
    fields = [found for name in experiment.inputs if schema and (found := schema.field(name))]
    if not fields:
        message = f"`{experiment.model}` has no inputs, and so nothing to predict from"
        raise DiagnosticError([Diagnostic("E0915", message)], Exit.USAGE)
    assert restored.checkpoint.origin is not None
    fills = restored.checkpoint.origin.manifest["data"]["fills"]
    given = read_new_rows(rows, fields, fills, separator)
    with Engine(experiment, options.threads, options.device) as engine:
        outputs = Net(engine, restored.checkpoint.values).predict(given)
    columns: dict[str, NDArray[np.generic]] = texts_of(fields, given)
    for each in experiment.outputs:
        target = schema.field(each.field) if schema and each.field else None
        columns.update(columns_of(each, target, outputs[each.name]))
    return Predictions(columns)


def texts_of(fields: Sequence[FieldSchema], given: Values) -> dict[str, NDArray[np.generic]]:
    """Return the inputs that are texts, to be told beside what is predicted from them."""
    return {
        each.name: np.array(["".join(np.array(each.classes)[row]) for row in given[each.name]])
        for each in fields
        if each.is_text
    }


def columns_of(
    output: Output, target: FieldSchema | None, values: NDArray[np.generic]
) -> dict[str, NDArray[np.generic]]:
    """Return an output as columns.

    A score for each class becomes the name of the best class and a column `label=class` for each; a single
    number for two classes is the probability of the second. Scores for a row of characters become a text.
    Other outputs are a column for each number.
    """
    name = output.field or output.name
    flat = values.reshape(len(values), -1)
    if target is not None and target.shape and output.classes:
        return _sequences(name, target, values.argmax(axis=-1))
    if output.classes:
        return _classes(name, output.classes, flat)
    if flat.shape[1] == 1:
        return {name: flat[:, 0]}
    places = list(np.ndindex(values.shape[1:]))
    return {f"{name}[{','.join(map(str, place))}]": flat[:, index] for index, place in enumerate(places)}


def _sequences(name: str, target: FieldSchema, best: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    """Return the best class at each place: as one text where classes are characters."""
    names = np.array(target.classes)
    if target.is_text:
        return {name: np.array(["".join(names[row]) for row in best])}
    places = np.ndindex(best.shape[1:])
    return {f"{name}[{','.join(map(str, place))}]": names[best[:, *place]] for place in places}


def _classes(
    name: str, classes: tuple[str, ...], flat: NDArray[np.generic]
) -> dict[str, NDArray[np.generic]]:
    names = np.array(classes)
    if flat.shape[1] == 1 and len(classes) == 2:
        second = flat[:, 0].astype(np.float64)
        return {name: names[(second > 0.5).astype(int)], f"{name}={classes[1]}": second}
    chosen: NDArray[np.generic] = names[flat.argmax(axis=1)]
    return {name: chosen, **{f"{name}={each}": flat[:, index] for index, each in enumerate(classes)}}
