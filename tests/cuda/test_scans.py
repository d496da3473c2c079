"""Scans on a simulated device against the oracle: outputs and gradients, forward and in reverse."""

import numpy as np
import pytest

from netdsl.graph import BATCH
from tests.cuda.both_devices import compare_on_device
from tests.lowering.test_scan import network
from tests.operations.test_scan import CELLS, Cell


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
    compare_on_device(graph, fields, 5)
