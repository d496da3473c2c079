"""Scans on the CPU against the oracle: outputs, gradients and updates, for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.scan import merge_scans
from netdsl.passes.scan_stage import stage_scans
from netdsl.passes.simplify import simplify
from tests.lowering.running import compare
from tests.operations.test_scan import CELLS, Cell, scanned


def network(cell: Cell, steps: int, reverse: bool) -> Graph:
    """What is fixed are weights; each moves against the gradient of the sum of the squares of the result."""
    builder = Builder(REGISTRY)
    values = scanned(cell, builder, steps, reverse)
    losses = [
        (value * value).sum(range(len(value.shape))).reshape(())
        for name, value in values.items()
        if name.startswith("out")
    ]
    builder.outputs = {name: value for name, value in values.items() if name.startswith("out")}
    total = losses[0]
    for each in losses[1:]:
        total = total + each
    builder.outputs["objective"] = total
    for name in values:
        if name.startswith(("fixed", "state", "item")) and values[name].dtype == "float":
            builder.outputs[f"d {name}"] = builder.apply("gradient_of", total, values[name])
    graph = simplify(merge_scans(simplify(differentiate(builder.finish()))), differentiated=True)
    return stage_scans(graph)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", [each for each in CELLS if each.name != "shared"], ids=str)
def test_scans_are_what_the_oracle_says(cell: Cell, reverse: bool) -> None:
    graph = network(cell, 3, reverse)
    random = np.random.default_rng(7)
    fields = {}
    for name, index in graph.leaves("input").items():
        shape = tuple(5 if extent == BATCH else extent for extent in graph[index].shape)
        whole = graph[index].dtype == "int"
        array = random.integers(0, 4, shape) if whole else random.normal(size=shape) * 0.5
        fields[name] = array.astype(np.int32 if whole else np.float32)
    for threads in (1, 2):
        compare(graph, fields, 5, threads=threads).close()
