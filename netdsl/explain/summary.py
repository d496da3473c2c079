"""A model as a table: its layers with shapes and numbers of parameters, and the totals."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from netdsl.explain.layers import Layer, layers_of
from netdsl.explain.tables import Column, table
from netdsl.graph import count, shape_text
from netdsl.semantics.experiment import Experiment, Weight

_BYTES = 4
_COLUMNS = (
    Column("layer", yields=True),
    Column("output", yields=True),
    Column("parameters", align="right"),
)
_WEIGHT_COLUMNS = (
    Column("weight", yields=True),
    Column("shape"),
    Column("numbers", align="right"),
    Column("least", align="right"),
    Column("mean", align="right"),
    Column("most", align="right"),
)


def summary(experiment: Experiment, *, width: int = 80, depth: int = 1, fold: bool = False) -> str:
    """Return a table of a model's layers that fits `width` characters, and its totals below."""
    layers = layers_of(experiment, depth=depth, fold=fold).layers
    rows: list[Sequence[str]] = [_row(layer) for layer in layers]
    rows += [(), ("total", "", f"{parameter_count(experiment.weights):,}")]
    lines = [f"model {experiment.model}", "", table(_COLUMNS, rows, width), *_totals(experiment)]
    return "\n".join(lines) + "\n"


def _row(layer: Layer) -> Sequence[str]:
    title = layer.title if layer.times == 1 else f"{layer.title} × {layer.times}"
    shown = f"{layer.kind}: {title}" if layer.kind in ("input", "scaling", "output") else title
    parameters = layer.parameters * layer.times
    return shown, shape_text(layer.shape), f"{parameters:,}" if parameters else ""


def _totals(experiment: Experiment) -> Iterable[str]:
    trained, frozen = parameter_count(experiment.weights), _frozen(experiment.weights)
    yield f"{trained:,} parameters, {_size(trained * _BYTES)} in float32" + (
        f", {frozen:,} of them frozen" if frozen else ""
    )
    kept = sum(count(each.shape) for each in experiment.weights if each.kind in ("running", "fitted"))
    if kept:
        yield f"{kept:,} numbers more that are measured, not trained (moving averages, scalers)"
    states = sum(
        count(each.shape) * len(experiment.rules[each.path].states)
        for each in experiment.weights
        if each.path in experiment.rules
    )
    if states:
        yield f"{states:,} numbers that the optimizer keeps while it trains, {_size(states * _BYTES)}"


def parameter_count(weights: Iterable[Weight]) -> int:
    """Return how many numbers are learned."""
    return sum(count(each.shape) for each in weights if each.is_parameter)


def _frozen(weights: Iterable[Weight]) -> int:
    return sum(count(each.shape) for each in weights if each.frozen and each.is_parameter)


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def weights_table(weights: Mapping[str, NDArray[np.generic]], *, width: int = 80) -> str:
    """Return a table of named weights: their shapes, and what their values are like."""
    rows: list[Sequence[str]] = [_weight_row(name, weights[name]) for name in sorted(weights)]
    total = sum(each.size for each in weights.values())
    rows += [(), ("total", "", f"{total:,}", "", "", "")]
    return table(_WEIGHT_COLUMNS, rows, width)


def _weight_row(name: str, values: NDArray[np.generic]) -> Sequence[str]:
    shape = shape_text(values.shape)
    if not values.size or not np.issubdtype(values.dtype, np.number):
        return name, shape, f"{values.size:,}", "", "", ""
    numbers = values.astype(np.float64)
    figures = (numbers.min(), numbers.mean(), numbers.max())
    return name, shape, f"{values.size:,}", *(f"{each:.4g}" for each in figures)
