"""What a training is to show: rectifiers that die, and where ridge regression ends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netdsl
from tests.models.test_lessons import opened

MODELS = Path(__file__).resolve().parents[2] / "models"


def figures(name: str, **given: Any) -> dict[str, float]:
    """Return the figures of the valid part after a training, but for tables."""
    run = netdsl.train(MODELS / f"{name}.net", run_dir=None, style="quiet", threads=1, **given)
    return {key: each for key, each in run.figures["valid"].items() if isinstance(each, float)}


@pytest.mark.slow
def test_a_rate_that_is_too_high_kills_rectifiers_and_leaky_ones_recover() -> None:
    calm, high = figures("dying_relu", lr=0.05), figures("dying_relu")
    leaky = figures("dying_relu", act="leaky_relu")
    assert calm["dead_2"] < 0.2
    assert calm["accuracy"] > 0.9
    assert high["dead_2"] > 0.6
    assert high["accuracy"] < 0.6
    assert leaky["dead_2"] < high["dead_2"]


@pytest.mark.slow
def test_ridge_regression_ends_where_its_formula_says() -> None:
    """(XᵀX/m + λ I) w = Xᵀ(t - mean(t))/m minimizes mean((y - t)²) + λ Σ w², the offset being free."""
    run = netdsl.train(
        MODELS / "diabetes.net",
        run_dir=None,
        style="quiet",
        threads=1,
        overrides={"train.epochs": 4000, "train.optimizer": "sgd(0.2)"},
    )
    dataset = opened("diabetes").dataset
    assert dataset is not None
    rows = dataset.part("train")
    x, t = (np.asarray(rows[name], np.float64) for name in ("x", "progression"))
    x, t = (x - x.mean(0)) / x.std(0), (t - t.mean()) / t.std()
    ridge = np.linalg.solve(x.T @ x / len(x) + 0.01 * np.eye(10), x.T @ t / len(x))
    np.testing.assert_allclose(run.weights["linear_regression/dense_1/w"][:, 0], ridge, atol=2e-4)
    free = np.linalg.lstsq(x, t, rcond=None)[0]
    assert np.sum(ridge**2) < 0.9 * np.sum(free**2)  # what the penalty is for
