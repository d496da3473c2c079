"""Finds the place in a model where a number stopped being one, by the oracle."""

from collections.abc import Iterator, Mapping

import numpy as np

from netdsl.graph import Graph, Run
from netdsl.graph.evaluate import compute
from netdsl.semantics.experiment import Experiment
from netdsl.training.executable import Failure, Values

LARGEST = float(np.finfo(np.float32).max)


def inspect(experiment: Experiment, rows: Values, failure: Failure) -> tuple[str, ...]:
    """Make a failed step again, one operation after the other, and tell where it went wrong.

    `rows` are the fields of the train part in raw units.
    """
    broken = [name for name, value in failure.values.items() if not np.all(np.isfinite(value))]
    if broken:
        name = sorted(broken)[0]
        return (f"`{name}` is not finite before the step already: the step before it was too large",)
    return tuple(_bad_inputs(rows, failure)) or _first_bad(experiment, rows, failure)


def _bad_inputs(rows: Values, failure: Failure) -> Iterator[str]:
    for name, values in rows.items():
        if values.dtype.kind == "f" and not np.all(np.isfinite(values[failure.rows])):
            bad = ~np.isfinite(values[failure.rows]).reshape(len(failure.rows), -1).all(axis=1)
            yield f"`{name}` itself is not finite in row {int(failure.rows[np.flatnonzero(bad)[0]]) + 1}"


def _first_bad(experiment: Experiment, rows: Values, failure: Failure) -> tuple[str, ...]:
    graph = experiment.graph
    values = compute(graph, _run(experiment, rows, failure), graph.roots())
    for index in sorted(values):
        array = values[index]
        if array.dtype.kind == "f" and not np.all(np.abs(array) <= LARGEST):
            return (_sentence(graph, index, values),)
    return ("in float64 every value of this step is finite: it is the range of float32 that was left",)


def _run(experiment: Experiment, rows: Values, failure: Failure) -> Run:
    graph, seed = experiment.graph, experiment.training.seed
    inputs = {("input", name): rows[name][failure.rows] for name in graph.leaves("input")}
    kept = {(kind, name): failure.values[name] for kind in ("weight", "state") for name in graph.leaves(kind)}
    scalars = {"training": 1.0, **failure.scalars}
    return Run(len(failure.rows), seed, failure.step, scalars=scalars, leaves={**inputs, **kept})


def _sentence(graph: Graph, index: int, values: Mapping[int, np.ndarray]) -> str:
    node = graph[index]
    operands = [values[each] for each in graph.operands(index) if values[each].dtype.kind == "f"]
    ranges = " and ".join(f"{each.min():.4g} .. {each.max():.4g}" for each in operands if each.size)
    place = f" at {node.span}" if node.span else ""
    text = f": `{node.span.text}`" if node.span and "\n" not in node.span.text else ""
    of = f" of values in {ranges}" if ranges else ""
    where = f" (in `{node.path}`)" if node.path else ""
    return f"the first value that is not finite is a `{node.operation.name}`{of}{place}{text}{where}"
