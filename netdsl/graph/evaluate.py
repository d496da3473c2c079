"""The oracle: what a graph means, in NumPy, one node after the other, in float64."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from netdsl.graph.graph import Graph
from netdsl.graph.node import Run


def evaluate(
    graph: Graph, run: Run, wanted: Iterable[str] | None = None, dtype: type[Any] = np.float64
) -> dict[str, np.ndarray]:
    """Return outputs by name: all, or those that are wanted.

    With dtype float32 each value is rounded as the kernels round (in another order of additions).
    Errors: KeyError for a leaf or an output that is missing.
    """
    names = list(graph.outputs) if wanted is None else list(wanted)
    values = compute(graph, run, [graph.outputs[name] for name in names], dtype)
    return {name: values[graph.outputs[name]] for name in names}


def evaluate_updates(graph: Graph, run: Run, dtype: type[Any] = np.float64) -> dict[str, np.ndarray]:
    """Return the value that each weight and state takes at the end of the step, by name."""
    values = compute(graph, run, graph.updates.values(), dtype)
    return {name: values[index] for name, index in graph.updates.items()}


def compute(
    graph: Graph, run: Run, wanted: Iterable[int], dtype: type[Any] = np.float64
) -> dict[int, np.ndarray]:
    """Return the values of the wanted nodes and of all that they need."""
    needed = graph.ancestors(wanted)
    values: dict[int, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for index in graph:
            if index in needed:
                node = graph[index]
                arrays = [values[each] for each in graph.operands(index)]
                value = np.asarray(node.operation.evaluate(node, run, *arrays))
                values[index] = value.astype(dtype, copy=False) if node.dtype == "float" else value
    return values
