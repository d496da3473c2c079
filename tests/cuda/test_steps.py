"""Steps of whole models on a simulated device are those of the CPU, to rounding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import is_batched, sized
from netdsl.lowering.bounds import below
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from tests.cuda.both_devices import on_both

MODELS = Path(__file__).resolve().parents[2] / "models"
ROWS = 3
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["digits_mlp", "lenet_digits", "residual_digits", "addition_lstm"])
def test_a_step(name: str) -> None:
    experiment = open_file(MODELS / f"{name}.net", Options(stand_in=True)).experiment
    graph = compile_experiment(experiment).graphs["training"]
    rng = np.random.default_rng(5)
    fields: dict[str, NDArray[Any]] = {}
    for field, index in graph.leaves("input").items():
        shape = sized(graph[index].shape, ROWS) if is_batched(graph[index].shape) else graph[index].shape
        bound = below(graph, index)
        fields[field] = rng.normal(size=shape) if bound is None else rng.integers(0, bound, shape)
    values = {path: np.abs(rng.normal(size=graph[index].shape)) * 0.1 for path, index in graph.kept().items()}
    scalars = {"epoch": 0.0, "epochs": 4.0, "steps": 40.0, "examples": 100.0}
    cpu, device = on_both(graph, fields, values, np.arange(ROWS), ROWS, scalars)
    for path, expected in cpu.items():
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(device[path] / scale, expected / scale, atol=1e-5, err_msg=path)
