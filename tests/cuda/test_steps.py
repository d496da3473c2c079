"""Steps of whole models on a simulated device are those of the CPU, to rounding."""

import numpy as np
import pytest

from tests.cuda.both_devices import on_both
from tests.cuda.model_steps import SCALARS, model_step

ROWS = 3
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["digits_mlp", "lenet_digits", "residual_digits", "addition_lstm"])
def test_a_step(name: str) -> None:
    step = model_step(name, ROWS)
    cpu, device = on_both(step.graph, step.fields, step.values, np.arange(ROWS), ROWS, SCALARS)
    for path, expected in cpu.items():
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(device[path] / scale, expected / scale, atol=1e-5, err_msg=path)
