"""A network as Python calls it: arrays by name in, an array or a record of arrays out."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.run.engine import BATCH, Engine
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import FieldSchema
from netdsl.training.executable import Values
from netdsl.training.measure import Figures
from netdsl.training.records import Record, Result

if TYPE_CHECKING:
    from netdsl.run.engine import Executable


class Outputs(Mapping[str, NDArray[Any]]):
    """The outputs of a network by name; `outputs.label` is the same as `outputs["label"]`."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, NDArray[Any]]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._values[name]

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"there is no output {name!r}, only {', '.join(self._values)}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {list(value.shape)}" for name, value in self._values.items())
        return f"Outputs({shapes})"


class Net:
    """A network with weights: `net(image=x)` computes its outputs for a batch of inputs in raw units."""

    def __init__(self, engine: Engine, values: Values) -> None:
        self._engine = engine
        self._values = {name: _unchangeable(each) for name, each in values.items()}
        self._executable: Executable | None = None
        schema = engine.experiment.schema
        self._schemas = {name: schema.field(name) if schema else None for name in self.inputs}

    @property
    def experiment(self) -> Experiment:
        """Return what the file says, worked out."""
        return self._engine.experiment

    @property
    def weights(self) -> Mapping[str, NDArray[Any]]:
        """Return weights, moving averages and fitted figures by name."""
        return MappingProxyType({name: each for name, each in self._values.items() if "@" not in name})

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of what it takes."""
        return self.experiment.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of what it gives."""
        return tuple(each.name for each in self.experiment.outputs)

    def __call__(self, *positional: ArrayLike, **named: ArrayLike) -> Any:
        """Compute the outputs for a batch: an array, or Outputs where there are several.

        Shapes: each input is (rows, …the shape of one example); the output, or each of them, (rows, …).
        Errors: E0910 for an input that is missing or unknown, E0911 for one of another shape or number of
        rows.
        """
        values = self.predict(self._fields(positional, named))
        return next(iter(values.values())) if len(values) == 1 else Outputs(values)

    def predict(self, fields: Values) -> dict[str, NDArray[Any]]:
        """Return the outputs by name for fields in raw units."""
        if self._executable is None:
            self._executable = self._engine.load("inference", self._values)
        rows = len(next(iter(fields.values()))) if fields else 1
        given = self._executable.apply(fields, rows, max(1, min(rows, BATCH)))
        return {
            name.removeprefix("output/"): each for name, each in given.items() if name.startswith("output/")
        }

    def close(self) -> None:
        """Give the memory back."""
        self._executable = None
        self._engine.close()

    def __repr__(self) -> str:
        return f"Net({self.experiment.model}: {', '.join(self.inputs)} -> {', '.join(self.outputs)})"

    def _fields(self, positional: tuple[ArrayLike, ...], named: Mapping[str, ArrayLike]) -> Values:
        given = dict(zip(self.inputs, positional, strict=False)) | dict(named)
        unknown = [name for name in named if name not in self._schemas]
        missing = [name for name in self._schemas if name not in given]
        if unknown or missing or len(positional) > len(self._schemas):
            takes = ", ".join(f"`{each}`" for each in self.inputs)
            what = f"no `{unknown[0]}`" if unknown else f"`{missing[0]}` too" if missing else "fewer arrays"
            raise _wrong("E0910", f"`{self.experiment.model}` takes {what}", f"its inputs are {takes}")
        fields = {name: shaped(name, np.asarray(each), self._schemas[name]) for name, each in given.items()}
        _check_rows(fields)
        return fields


class Trained(Net):
    """A network as a training left it, with the training's figures."""

    def __init__(self, engine: Engine, result: Result) -> None:
        super().__init__(engine, result.values)
        self.result = result

    @property
    def history(self) -> tuple[Record, ...]:
        """Return a record for each epoch."""
        return self.result.history

    @property
    def figures(self) -> Mapping[str, Figures]:
        """Return the figures of the weights by part: `run.figures["test"]["accuracy"]`."""
        return self.result.parts

    @property
    def folder(self) -> Path | None:
        """Return the folder of the run."""
        return self.result.folder

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all weights."""
        return self.result.digest


def shaped(name: str, values: NDArray[Any], field: FieldSchema | None) -> NDArray[Any]:
    """Return values in the shape of a field, rows first; each example may be given flat.

    Errors: E0911.
    """
    if field is None:
        return values
    shape = field.shape
    if values.ndim and prod(values.shape[1:]) == prod(shape) and len(values) and values.dtype.kind in "fiub":
        return values.reshape(len(values), *shape)
    if values.ndim and not len(values):
        return np.zeros((0, *shape), np.float32)
    wanted = ", ".join(["rows", *map(str, shape)])
    cure = f"give an array of shape ({wanted}), in the units of the data"
    raise _wrong("E0911", f"`{name}` has shape {values.shape} of {values.dtype}", cure)


def _check_rows(fields: Values) -> None:
    """Check that all fields have the same rows, those too that no output depends on.

    Errors: E0911.
    """
    rows = {name: len(each) for name, each in fields.items() if each.ndim}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"`{name}` has {count}" for name, count in rows.items())
        cure = "give each input the same rows, in the same order"
        raise _wrong("E0911", f"the inputs have different numbers of rows: {told}", cure)


def _unchangeable(value: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written to: what computes has a copy, in the order of its kernels."""
    view = value.view()
    view.flags.writeable = False
    return view


def _wrong(code: str, message: str, cure: str) -> DiagnosticError:
    return DiagnosticError([Diagnostic(code, message, help=cure)], Exit.DATA)
