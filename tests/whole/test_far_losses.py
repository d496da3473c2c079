"""The variants of cross-entropy at scores of ten thousand and more: value and gradient as in float64."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.whole.test_far_logits import FAR, LABELS, SCORES, SIDES, step

Array = NDArray[np.float64]
Z = FAR * SCORES.astype(np.float64)
ONE_HOT = np.eye(3)[LABELS]


def log_softmax(z: Array) -> Array:
    lowered = z - z.max(1, keepdims=True)
    return np.asarray(lowered - np.log(np.exp(lowered).sum(1, keepdims=True)))


def soft_case(smoothing: float, weights: Array) -> tuple[float, Array]:
    """Return the mean loss and its gradient by the gains, for a softened target and weights of classes."""
    logs = log_softmax(Z)
    target = weights * ((1 - smoothing) * ONE_HOT + smoothing / 3)
    slope = target.sum(1, keepdims=True) * np.exp(logs) - target
    return float(-(target * logs).sum(1).mean()), (slope * Z).mean(0)


def focal_case(gamma: float) -> tuple[float, Array]:
    logs = log_softmax(Z)
    log_p = (ONE_HOT * logs).sum(1, keepdims=True)
    p = np.exp(log_p)
    wrong = np.where(p == 1, 0.0, -np.expm1(log_p))
    slope = (gamma * np.maximum(wrong, 1e-30) ** (gamma - 1) * p * log_p - wrong**gamma) * (
        ONE_HOT - np.exp(logs)
    )
    return float(-(wrong**gamma * log_p).mean()), (slope * Z).mean(0)


CASES = {
    "cross_entropy(smoothing=10%)": soft_case(0.1, np.ones(3)),
    "cross_entropy(class_weights=[1, 4, 0.5])": soft_case(0.0, np.array([1, 4, 0.5])),
    "cross_entropy(smoothing=20%, class_weights=[1, 4, 0.5])": soft_case(0.2, np.array([1, 4, 0.5])),
    "cross_entropy(class_weights=balanced)": soft_case(0.0, 6 / (3 * np.bincount(LABELS))),
    "focal": focal_case(2.0),
    "focal(gamma=0.5)": focal_case(0.5),
    "focal(gamma=1.5)": focal_case(1.5),
}


@pytest.mark.parametrize("end", ["softmax", "own"])
@pytest.mark.parametrize("loss", CASES)
def test_after_a_softmax(loss: str, end: str, tmp_path: Path) -> None:
    wanted, gradient = CASES[loss]
    found, told = step(tmp_path, end, loss, "label", SCORES)
    assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(told, gradient, rtol=1e-3, atol=0.3)


def logs_of_sides(z: Array) -> tuple[Array, Array]:
    """Return the logarithms of a sigmoid and of its counterpart."""
    return -np.logaddexp(0, -z), -np.logaddexp(0, z)


def binary_case(smoothing: float, yes_weight: float) -> tuple[float, Array]:
    z = Z[:, 0]
    of_yes, of_no = logs_of_sides(z)
    soft = (1 - smoothing) * SIDES + smoothing / 2
    slope = -yes_weight * soft * np.exp(of_no) + (1 - soft) * np.exp(of_yes)
    return float(-(yes_weight * soft * of_yes + (1 - soft) * of_no).mean()), np.array([(slope * z).mean()])


def binary_focal_case(gamma: float, share: float) -> tuple[float, Array]:
    z = Z[:, 0]
    of_yes, of_no = logs_of_sides(z)
    p, q = np.exp(of_yes), np.exp(of_no)
    yes = q**gamma * of_yes
    no = p**gamma * of_no
    yes_slope = -gamma * q**gamma * p * of_yes + q ** (gamma + 1)
    no_slope = gamma * p**gamma * q * of_no - p ** (gamma + 1)
    of_a_yes, of_a_no = -2 * share * SIDES, -2 * (1 - share) * (1 - SIDES)
    slope = of_a_yes * yes_slope + of_a_no * no_slope
    return float((of_a_yes * yes + of_a_no * no).mean()), np.array([(slope * z).mean()])


BINARY_CASES = {
    "binary_cross_entropy(smoothing=10%)": binary_case(0.1, 1.0),
    "binary_cross_entropy(yes_weight=3)": binary_case(0.0, 3.0),
    "binary_focal": binary_focal_case(2.0, 0.5),
    "binary_focal(gamma=0.5, yes_share=25%)": binary_focal_case(0.5, 0.25),
    "binary_focal(gamma=1.5)": binary_focal_case(1.5, 0.5),
}


@pytest.mark.parametrize("end", ["sigmoid", "own"])
@pytest.mark.parametrize("loss", BINARY_CASES)
def test_after_a_sigmoid(loss: str, end: str, tmp_path: Path) -> None:
    wanted, gradient = BINARY_CASES[loss]
    found, told = step(tmp_path, end, loss, "side", SCORES[:, :1])
    assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(told, gradient, rtol=1e-3, atol=0.3)
