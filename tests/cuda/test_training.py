"""A whole training on a simulated device is that of the CPU."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import Graph
from netdsl.lowering.cuda.points import MOST
from tests.compiling import adam, classifier, experiment_of
from tests.cuda.both_devices import on_both

ROWS = 11


def training_graph() -> Graph:
    graph = classifier(8, (6,), 3)
    rules = {name: adam(graph[index].shape) for name, index in graph.leaves("weight").items()}
    compiled = compile_experiment(experiment_of(graph, rules))
    return compiled.graphs["training"]


@pytest.mark.parametrize(("batch", "most"), [(4, MOST), (11, MOST), (4, 2)])
def test_steps_of_a_network_with_dropout_and_adam(
    batch: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netdsl.lowering.cuda.points.MOST", most)
    graph, rng = training_graph(), np.random.default_rng(0)
    fields: dict[str, NDArray[Any]] = {
        "prepared/x": rng.normal(size=(ROWS, 8)).astype(np.float32),
        "label": rng.integers(0, 3, ROWS),
    }
    values = {name: np.abs(rng.normal(size=graph[index].shape) * 0.3) for name, index in graph.kept().items()}
    cpu, device = on_both(graph, fields, values, rng.permutation(ROWS), batch)
    assert set(cpu) == set(device)
    for name, expected in cpu.items():
        np.testing.assert_allclose(device[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
