"""Formulas as a model file has them, in float32, where the numbers are as large as 1e4: finite, and right."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import BATCH, Builder, Value
from netdsl.operations import REGISTRY
from netdsl.program import Target
from netdsl.runtime import Executable
from tests.compiling import experiment_of, rule_of

SCORES = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [100.0, 88.0, -100.0], [0.5, -0.25, 2.0]], np.float32)
LABELS = np.array([1, 0, 2, 1], np.int32)
Loss = Callable[[Value, Value], Value]
Exact = Callable[[NDArray[np.float64], NDArray[np.int32]], tuple[NDArray[np.float64], NDArray[np.float64]]]


def softmax(z: Value) -> Value:
    powers = (z - z.apply("maximum_over", axis=1).apply("stop_gradient")).apply("exp")
    return powers / powers.sum((1,))


def sigmoid(z: Value) -> Value:
    return 1.0 / ((-z).apply("exp") + 1.0)


def cross_entropy(z: Value, label: Value) -> Value:
    return -(label.apply("one_hot", classes=3) * softmax(z).apply("log")).sum((1,))


def binary_cross_entropy(z: Value, label: Value) -> Value:
    t, p = label.apply("one_hot", classes=3), sigmoid(z)
    return -(t * p.apply("log") + (1.0 - t) * (1.0 - p).apply("log")).sum((1,))


def softplus(z: Value, label: Value) -> Value:
    return (z.apply("exp") + 1.0).apply("log").sum((1,))


def shares(z: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result


def one_hot(label: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.eye(3)[label]


def logistic(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(z > 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


def log_1_exp(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


CASES: dict[str, tuple[Loss, Exact]] = {
    "cross-entropy of a softmax": (
        cross_entropy,
        lambda z, t: (
            z.max(1) + np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) - z[np.arange(4), t],
            shares(z) - one_hot(t),
        ),
    ),
    "binary cross-entropy of a sigmoid": (
        binary_cross_entropy,
        lambda z, t: ((log_1_exp(z) - one_hot(t) * z).sum(1), logistic(z) - one_hot(t)),
    ),
    "softplus": (softplus, lambda z, t: (log_1_exp(z).sum(1), logistic(z))),
}


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_at_large_scores(case: str) -> None:
    loss, exact = CASES[case]
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int")
    w = builder.apply("weight", name="w", shape=(4, 3))
    z = x.apply("matmul", w, contract=((1, 0),), align=())
    builder.outputs["loss"] = loss(z, label).reshape((BATCH,))
    graph = builder.finish()
    experiment = experiment_of(graph, {"w": rule_of((4, 3), rate=4.0)})
    executable = Executable(compile_experiment(experiment, Target(check=True)).training, 1)
    executable.write("w", SCORES)
    executable.bind({"x": np.eye(4, dtype=np.float32), "label": LABELS})
    given = executable.run(np.arange(4), 4)["loss"]
    want, gradient = exact(SCORES.astype(np.float64), LABELS)
    np.testing.assert_allclose(given, [want.mean()], rtol=1e-6)
    np.testing.assert_allclose(SCORES - executable.read("w"), gradient, rtol=2e-6, atol=1e-3)
    small = executable.read("w")[3]
    np.testing.assert_allclose(SCORES[3] - small, gradient[3], rtol=2e-6, atol=1e-7)
