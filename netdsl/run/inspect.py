"""Finds the place in a model where a number stopped being one, by the oracle."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Graph, Run, is_batched
from netdsl.graph.evaluate import compute
from netdsl.semantics.experiment import Experiment
from netdsl.training.executable import Failure, Finding, Values

LARGEST: Final = float(np.finfo(np.float32).max)

CAUSES: Final = {
    "log": "the logarithm of 0 is infinite, that of less is no number: keep its argument above 0, as in "
    "`log(max(p, 1e-7))`",
    "divide": "a division by 0: keep the divisor away from it, or write `ratio(a, b)`, which is 0 there",
    "exp": "exp leaves the range of float32 beyond 88.7: take the greatest value off first, as softmax does",
    "sqrt": "a negative number has no root, and the slope of the root is infinite at 0",
    "power": "a negative number has no broken power, and 0 no negative one; a large one leaves the range",
}
"""What is wrong where an operation is the first to give what is not finite."""


def inspect(experiment: Experiment, rows: Values, failure: Failure) -> Finding:
    """Make a failed step again, one operation after the other, and tell where it went wrong.

    `rows` are the fields of the train part in raw units.
    """
    broken = [name for name, value in failure.values.items() if not np.all(np.isfinite(value))]
    if broken:
        return Finding(
            f"`{min(broken)}` is not finite before this step already: the one before it was too large"
        )
    for note in _bad_inputs(rows, failure):
        return Finding(note)
    return _first_bad(experiment, rows, failure)


def _bad_inputs(rows: Values, failure: Failure) -> Iterator[str]:
    for name, values in rows.items():
        if values.dtype.kind == "f" and not np.all(np.isfinite(values[failure.rows])):
            finite = np.isfinite(values[failure.rows]).reshape(len(failure.rows), -1).all(axis=1)
            bad = np.flatnonzero(~finite)
            yield f"`{name}` itself is not finite in row {_row(failure, bad)} of the train part"


def _first_bad(experiment: Experiment, rows: Values, failure: Failure) -> Finding:
    graph = experiment.graph
    values = compute(graph, _run(experiment, rows, failure), graph.roots())
    for index in sorted(values):
        array = values[index]
        if array.dtype.kind == "f" and not np.all(np.abs(array) <= LARGEST):
            return _finding(graph, index, values, failure)
    return Finding("in float64 every value of this step is finite: it is the range of float32 that was left")


def _run(experiment: Experiment, rows: Values, failure: Failure) -> Run:
    graph, seed = experiment.graph, experiment.training.seed
    inputs = {("input", name): rows[name][failure.rows] for name in graph.leaves("input")}
    kept = {(kind, name): failure.values[name] for kind in ("weight", "state") for name in graph.leaves(kind)}
    scalars = {"training": 1.0, **failure.scalars}
    return Run(len(failure.rows), seed, failure.step, scalars=scalars, leaves={**inputs, **kept})


def _finding(
    graph: Graph, index: int, values: Mapping[int, NDArray[np.generic]], failure: Failure
) -> Finding:
    node = graph[index]
    operands = [values[each] for each in graph.operands(index) if values[each].dtype.kind == "f"]
    ranges = " and ".join(f"{each.min():.4g} .. {each.max():.4g}" for each in operands if each.size)
    of = f" of values in {ranges}" if ranges else ""
    where = f" in `{node.path}`" if node.path else ""
    row = ""
    if is_batched(node.shape):
        finite = (np.abs(values[index]) <= LARGEST).reshape(len(failure.rows), -1).all(axis=1)
        bad = np.flatnonzero(~finite)
        row = f", first in row {_row(failure, bad)} of the train part"
    note = f"`{node.operation.name}`{of}{where} is the first that is not finite{row}"
    return Finding(note, node.span, CAUSES.get(node.operation.name, ""))


def _row(failure: Failure, bad: NDArray[np.intp]) -> int:
    """Return the number of the first bad row, from 1."""
    return int(failure.rows[bad[0]]) + 1
