"""Activations against their formulas, and the cases that courses print."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.library.bench import Array, apply

X = np.array([[-30.0, -2.0, -1.0, -0.3], [0.2, 0.7, 1.5, 8.0]])
ERF = np.vectorize(math.erf, otypes=[float])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


FORMULAS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "linear": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky_relu(0.1)": lambda x: np.where(x > 0, x, 0.1 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "elu(alpha=2.0)": lambda x: np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "swish": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * (1 + ERF(x / math.sqrt(2))) / 2,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_its_formula(name: str) -> None:
    np.testing.assert_allclose(apply(name, X), FORMULAS[name](X), rtol=1e-12, atol=1e-12)


def test_softmax_of_the_lecture() -> None:
    result = apply("softmax", [[5, 2, -1, 3]])
    np.testing.assert_allclose(result, [[0.842, 0.042, 0.002, 0.114]], atol=5e-4)
    assert np.exp([5, 2, -1, 3]).sum() == pytest.approx(176.3, abs=0.05)
    assert result.sum() == pytest.approx(1)


def test_softmax_of_two_classes_is_the_sigmoid_of_their_difference() -> None:
    scores = np.array([[0.3, -1.2], [4.0, 5.5]])
    both = apply("softmax", scores)
    one = apply("sigmoid", scores[:, :1] - scores[:, 1:])
    np.testing.assert_allclose(both[:, :1], one, rtol=1e-12)


def test_softmax_does_not_overflow() -> None:
    np.testing.assert_allclose(apply("softmax", [[1e4, -1e4, 0]]), [[1, 0, 0]])


def test_the_sigmoid_of_thirty_is_one() -> None:
    assert apply("sigmoid", [[30.0]])[0, 0] == pytest.approx(1 - 9.4e-14, abs=1e-15)


def test_the_slope_of_a_sigmoid_is_at_most_a_quarter() -> None:
    x = np.linspace(-6, 6, 101)[:, None]
    s = apply("sigmoid", x)
    assert (s * (1 - s)).max() == pytest.approx(0.25)
