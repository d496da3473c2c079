"""A dense, a convolutional and a recurrent network train alike with each set of instructions there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import netdsl
from tests.kernels.cpu.bench import LEVELS

MODELS = Path(__file__).resolve().parents[2] / "models"
FEW = {
    "digits_mlp": {"digits.split": "(train=80, valid=10, test=10)"},
    "lenet_digits": {"digits.split": "(train=80, valid=10, test=10)"},
    "addition_lstm": {"sums.split": "(train=80, valid=10)"},
}


def weights(name: str) -> dict[str, NDArray[Any]]:
    """Take three steps, the last of half a batch, and return the weights."""
    given = {**FEW[name], "train.epochs": 1, "train.batch": 32, "train.optimizer": "sgd(0.05)"}
    run = netdsl.train(MODELS / f"{name}.net", run_dir=None, style="quiet", overrides=given)
    run.close()
    return dict(run.weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_every_set_of_instructions_takes_the_same_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for level in LEVELS:
        monkeypatch.setenv("NETDSL_CPU", level)
        found[level] = weights(name)
    plain = found.pop("generic")
    assert any(np.any(each) for each in plain.values())
    for level, vectorized in found.items():
        assert vectorized.keys() == plain.keys()
        for path, value in vectorized.items():
            if level != "amx":  # Its products of matrices are sums of parts, in another order.
                np.testing.assert_array_equal(value, found["avx2"][path], f"{path} with {level}")
            np.testing.assert_allclose(value, plain[path], rtol=0, atol=1e-5, err_msg=f"{path} with {level}")
