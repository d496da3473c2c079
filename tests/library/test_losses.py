"""Losses against their formulas, and the cases that courses print."""

import math

import numpy as np
import pytest

from tests.library.bench import Array, loss

RANDOM = np.random.default_rng(3)
Y = RANDOM.normal(size=(5, 3))
T = RANDOM.normal(size=(5, 3))
R = np.abs(Y - T)
P = np.exp(Y) / np.exp(Y).sum(1, keepdims=True)
ONE_HOT = np.eye(3)[[0, 2, 1, 1, 0]]
S = 1 / (1 + np.exp(-Y))
YES = (T > 0).astype(float)
SIGN = 2 * YES - 1
HINGES = np.maximum(0, Y - (Y * ONE_HOT).sum(1, keepdims=True) + 1)

CASES: dict[str, tuple[Array, Array, Array]] = {
    "mse": (Y, T, (R**2).mean(1)),
    "mae": (Y, T, R.mean(1)),
    "l1_loss": (Y, T, R.sum(1)),
    "l2_loss": (Y, T, (R**2).sum(1)),
    "huber": (Y, T, np.where(R <= 1, R**2 / 2, R - 0.5).mean(1)),
    "huber(delta=0.5)": (Y, T, np.where(R <= 0.5, R**2 / 2, 0.5 * (R - 0.25)).mean(1)),
    "smooth_l1": (Y, T, np.where(R < 1, R**2 / 2, R - 0.5).mean(1)),
    "log_cosh": (Y, T, np.log(np.cosh(R)).mean(1)),
    "cross_entropy": (P, ONE_HOT, -np.log((P * ONE_HOT).sum(1))),
    "binary_cross_entropy": (S, YES, -(YES * np.log(S) + (1 - YES) * np.log(1 - S)).mean(1)),
    "kl_divergence": (P, P[::-1], (P[::-1] * np.log(P[::-1] / P)).sum(1)),
    "perceptron_loss": (Y, YES, np.maximum(0, -SIGN * Y).mean(1)),
    "hinge": (Y, YES, np.maximum(0, 1 - SIGN * Y).mean(1)),
    "squared_hinge": (Y, YES, (np.maximum(0, 1 - SIGN * Y) ** 2).mean(1)),
    "multiclass_hinge": (Y, ONE_HOT, (HINGES * (1 - ONE_HOT)).sum(1)),
    "poisson": (Y, T, (np.exp(Y) - T * Y).mean(1)),
}


@pytest.mark.parametrize("call", CASES)
def test_a_loss_is_its_formula_for_each_example(call: str) -> None:
    y, t, expected = CASES[call]
    np.testing.assert_allclose(loss(call, y, t), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("q", "natural", "decimal"),
    [([0.01, 0.85, 0.05, 0.09], 4.6052, 2), ([0.9, 0.01, 0.07, 0.02], 0.10536, 0.04576)],
)
def test_cross_entropy_of_the_lecture(q: list[float], natural: float, decimal: float) -> None:
    (found,) = loss("cross_entropy", [q], [[1.0, 0.0, 0.0, 0.0]])
    assert found == pytest.approx(natural, rel=1e-4)
    assert found / math.log(10) == pytest.approx(decimal, rel=1e-4)


def test_a_label_reads_as_one_hot() -> None:
    np.testing.assert_allclose(
        loss("cross_entropy", P, [0, 2, 1, 1, 0], classes=3), CASES["cross_entropy"][2]
    )


def test_a_label_of_two_classes_reads_as_a_number_against_one_output() -> None:
    p = np.array([[0.9], [0.2]])
    found = loss("binary_cross_entropy", p, [1, 0], classes=2)
    np.testing.assert_allclose(found, -np.log([0.9, 0.8]))


def test_huber_at_three_is_two_and_a_half() -> None:
    assert loss("huber", [[3.0]], [[0.0]]) == pytest.approx(2.5)


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.0])
def test_the_branches_of_huber_meet(delta: float) -> None:
    below, above = loss(f"huber(delta={delta})", [[delta - 1e-9], [delta + 1e-9]], [[0.0], [0.0]])
    assert above - below == pytest.approx(delta * 2e-9, abs=1e-12)


def test_mean_squared_error_divides_by_the_examples() -> None:
    y, t = np.array([[1.0], [4.0]]), np.array([[3.0], [3.0]])
    assert loss("mse", y, t).mean() == pytest.approx((4 + 1) / 2)


def test_an_untrained_net_of_ten_classes_costs_the_logarithm_of_ten() -> None:
    assert loss("cross_entropy", np.full((2, 10), 0.1), [3, 9], classes=10).mean() == pytest.approx(
        2.302603, abs=2e-5
    )
