"""Formulas as a model says them, in float32, at logits where they overflow: finite, and so the gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph, Run, Value, evaluate
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from tests.passes.networks import sigmoid, softmax


def exp(x: Value) -> Value:
    return x.apply("exp")


def log(x: Value) -> Value:
    return x.apply("log")


def names_of(graph: Graph) -> set[str]:
    return {graph[index].operation.name for index in graph}


def simplified(formula: Callable[[Value], Value], shape: tuple[int, ...] = (BATCH,)) -> Graph:
    """Simplify a formula of x, differentiate it, simplify again: outputs "y" and "dy"."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=shape)
    builder.outputs["y"] = formula(x)
    builder.outputs["dy"] = builder.apply("gradient_of", builder.outputs["y"], x)
    return simplify(differentiate(simplify(builder.finish())), differentiated=True)


SIGMOIDS: dict[str, Callable[[Value], Value]] = {
    "1 / (1 + exp(-x))": lambda x: 1.0 / (1.0 + exp(-x)),
    "1 / (exp(-x) + 1)": lambda x: 1.0 / (exp(-x) + 1.0),
    "1 / (1 + exp(-1 * x))": lambda x: 1.0 / (1.0 + exp(-1.0 * x)),
    "1 / (1 + 1 / exp(x)) by power": lambda x: (1.0 + exp(0.0 - x)) ** -1.0,
    "exp(x) / (1 + exp(x))": lambda x: exp(x) / (1.0 + exp(x)),
    "exp(x) / (exp(x) + 1)": lambda x: exp(x) / (exp(x) + 1.0),
    "1 - 1 / (1 + exp(x))": lambda x: 1.0 - 1.0 / (1.0 + exp(x)),
    "(1 + tanh(x / 2)) / 2": lambda x: (1.0 + (x / 2.0).apply("tanh")) / 2.0,
    "0.5 + 0.5 * tanh(x / 2)": lambda x: 0.5 + 0.5 * (x * 0.5).apply("tanh"),
}
TANHS: dict[str, Callable[[Value], Value]] = {
    "(e^x - e^-x) / (e^x + e^-x)": lambda x: (exp(x) - exp(-x)) / (exp(x) + exp(-x)),
    "(e^2x - 1) / (e^2x + 1)": lambda x: (exp(2.0 * x) - 1.0) / (exp(2.0 * x) + 1.0),
    "(1 - e^-2x) / (1 + e^-2x)": lambda x: (1.0 - exp(-2.0 * x)) / (1.0 + exp(-2.0 * x)),
    "2 / (1 + e^-2x) - 1": lambda x: 2.0 / (1.0 + exp(-2.0 * x)) - 1.0,
    "1 - 2 / (e^2x + 1)": lambda x: 1.0 - 2.0 / (exp(2.0 * x) + 1.0),
    "2 * sigmoid(2 * x) - 1": lambda x: 2.0 * sigmoid(2.0 * x) - 1.0,
}
SOFTPLUSES: dict[str, Callable[[Value], Value]] = {
    "log(1 + exp(x))": lambda x: log(1.0 + exp(x)),
    "log1p(exp(x))": lambda x: exp(x).apply("log1p"),
    "-log(sigmoid(-x))": lambda x: -log(sigmoid(-x)),
    "-log(1 - sigmoid(x))": lambda x: -log(1.0 - sigmoid(x)),
    "x - log(sigmoid(x))": lambda x: -log(1.0 / (1.0 + exp(x))),
}
FAR = np.array([-1e4, -200.0, -20.0, -1.5, 0.0, 0.3, 4.0, 30.0, 1e4])


def sigma(x: np.ndarray) -> Any:
    with np.errstate(over="ignore"):
        return np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def check(graph: Graph, x: np.ndarray, y: np.ndarray, dy: np.ndarray, tolerance: float = 3e-6) -> None:
    run = Run(len(x), leaves={("input", "x"): x})
    found = evaluate(graph, run, dtype=np.float32)
    np.testing.assert_allclose(found["y"], y, rtol=tolerance, atol=1e-37)
    np.testing.assert_allclose(found["dy"], dy, rtol=tolerance, atol=2e-7)


@pytest.mark.parametrize("formula", SIGMOIDS.values(), ids=SIGMOIDS)
def test_sigmoid(formula: Callable[[Value], Value]) -> None:
    graph = simplified(formula)
    assert "sigmoid" in names_of(graph)
    assert not names_of(graph) & {"exp", "divide", "tanh"}
    check(graph, FAR, sigma(FAR), sigma(FAR) * sigma(-FAR))


@pytest.mark.parametrize("formula", TANHS.values(), ids=TANHS)
def test_tanh(formula: Callable[[Value], Value]) -> None:
    graph = simplified(formula)
    assert "tanh" in names_of(graph)
    assert not names_of(graph) & {"exp", "divide", "sigmoid"}
    check(graph, FAR, np.tanh(FAR), 1 - np.tanh(FAR) ** 2)


@pytest.mark.parametrize("formula", SOFTPLUSES.values(), ids=SOFTPLUSES)
def test_softplus(formula: Callable[[Value], Value]) -> None:
    graph = simplified(formula)
    assert {"softplus", "sigmoid"} <= names_of(graph)
    assert not names_of(graph) & {"exp", "log", "log1p"}
    check(graph, FAR, np.maximum(FAR, 0) + np.log1p(np.exp(-np.abs(FAR))), sigma(FAR))


# ---- softmax and cross-entropy ----------------------------------------------------------------

SOFTMAXES: dict[str, Callable[[Value], Value]] = {
    "as the library says it": softmax,
    "without taking off the greatest": lambda x: exp(x) / exp(x).sum([1]),
    "less the greatest, differentiated too": lambda x: (
        exp(x - x.apply("maximum_over", axis=1)) / exp(x - x.apply("maximum_over", axis=1)).sum([1])
    ),
    "plus a number": lambda x: exp(x + 3.0) / exp(x + 3.0).sum([1]),
    "by logarithms": lambda x: exp(x - log(exp(x).sum([1]))),
    "shaped to and fro": lambda x: softmax(x.reshape((BATCH, 1, 4))).reshape((BATCH, 4)),
}
LOGITS = np.array(
    [[1e4, 0.0, -1e4, 1.0], [-1e4, 2.0, 2.5, 1e4], [0.1, 0.2, 0.3, 0.4], [-1e4, -1e4, -1e4, -9999.0]]
)
LABELS = np.array([2, 3, 1, 0])
HOT = np.eye(4)[LABELS]


def softmax_of(x: np.ndarray) -> Any:
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def log_softmax_of(x: np.ndarray) -> Any:
    shifted = x - x.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def losses(formula: Callable[[Value, Value], Value]) -> tuple[Graph, np.ndarray, np.ndarray]:
    """Return the graph of a loss of logits x and labels t, and its values and gradient in float32."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4))
    t = builder.apply("input", name="t", shape=(BATCH,), dtype="int").apply("one_hot", classes=4)
    loss = formula(x, t)
    builder.outputs["y"] = loss
    builder.outputs["dy"] = builder.apply("gradient_of", loss, x)
    graph = simplify(differentiate(simplify(builder.finish())), differentiated=True)
    run = Run(len(LOGITS), leaves={("input", "x"): LOGITS, ("input", "t"): LABELS})
    found = evaluate(graph, run, dtype=np.float32)
    return graph, found["y"], found["dy"]


@pytest.mark.parametrize("probabilities", SOFTMAXES.values(), ids=SOFTMAXES)
def test_cross_entropy_of_a_softmax_and_a_label(probabilities: Callable[[Value], Value]) -> None:
    graph, y, dy = losses(lambda x, t: -(t * log(probabilities(x))).sum([1]))
    assert {"pick", "log_softmax", "softmax"} <= names_of(graph)
    assert not names_of(graph) & {"exp", "log", "divide", "maximum_over"}
    np.testing.assert_allclose(y[:, 0], -(HOT * log_softmax_of(LOGITS)).sum(1), rtol=1e-6)
    np.testing.assert_allclose(dy, softmax_of(LOGITS) - HOT, atol=1e-6)


def test_cross_entropy_with_class_weights() -> None:
    weights = (1.0, 2.0, 3.0, 4.0)
    graph, y, dy = losses(lambda x, t: -(x.builder.constant(weights) * t * log(softmax(x))).sum([1]))
    assert {"pick", "gather"} <= names_of(graph)
    scale = np.array(weights)[LABELS][:, None]
    np.testing.assert_allclose(y, -(HOT * log_softmax_of(LOGITS)).sum(1, keepdims=True) * scale, rtol=1e-6)
    np.testing.assert_allclose(dy, (softmax_of(LOGITS) - HOT) * scale, atol=3e-6)


def test_cross_entropy_with_dense_targets() -> None:
    _, y, dy = losses(lambda x, t: -((t * 0.9 + 0.025) * log(softmax(x))).sum([1]))
    target = HOT * 0.9 + 0.025
    np.testing.assert_allclose(y[:, 0], -(target * log_softmax_of(LOGITS)).sum(1), rtol=1e-6)
    np.testing.assert_allclose(dy, softmax_of(LOGITS) - target, atol=1e-6)


def test_the_logarithm_after_the_sum() -> None:
    graph, y, dy = losses(lambda x, t: -log((t * softmax(x)).sum([1])))
    assert "log" not in names_of(graph)
    np.testing.assert_allclose(y[:, 0], -(HOT * log_softmax_of(LOGITS)).sum(1), rtol=1e-6)
    np.testing.assert_allclose(dy, softmax_of(LOGITS) - HOT, atol=1e-6)


def test_probabilities_that_are_kept_away_from_0() -> None:
    _, y, dy = losses(lambda x, t: -(t * log(softmax(x).pointwise("maximum", 1e-7))).sum([1]))
    logs = log_softmax_of(LOGITS)
    np.testing.assert_allclose(y[:, 0], -(HOT * np.maximum(logs, np.log(1e-7))).sum(1), rtol=1e-6)
    assert np.all(np.isfinite(dy))
    np.testing.assert_allclose(dy[2], (softmax_of(LOGITS) - HOT)[2], atol=1e-6)


def test_a_softmax_over_two_axes() -> None:
    def both(x: Value) -> Value:
        square = x.reshape((BATCH, 2, 2))
        return (exp(square) / exp(square).sum([1, 2])).reshape((BATCH, 4))

    graph, y, _ = losses(lambda x, t: -(t * log(both(x))).sum([1]))
    assert "log_softmax" in names_of(graph)
    np.testing.assert_allclose(y[:, 0], -(HOT * log_softmax_of(LOGITS)).sum(1), rtol=1e-6)


BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "as the library says it": lambda x, t: (
        -(t * log(sigmoid(x)) + (1.0 - t) * log(1.0 - sigmoid(x))).sum([1])
    ),
    "with where": lambda x, t: (
        -log(t.pointwise("greater", 0.5).apply("where", sigmoid(x), 1.0 - sigmoid(x))).sum([1])
    ),
    "moved before": lambda x, t: (
        -(moved(t) * log(moved(sigmoid(x))) + (1.0 - moved(t)) * log(1.0 - moved(sigmoid(x)))).sum([1, 2])
    ).reshape((BATCH, 1)),
}


def moved(x: Value) -> Value:
    return x.reshape((BATCH, 2, 2)).apply("transpose", axes=(0, 2, 1))


@pytest.mark.parametrize("formula", BINARY.values(), ids=BINARY)
def test_binary_cross_entropy(formula: Callable[[Value, Value], Value]) -> None:
    graph, y, dy = losses(formula)
    assert not names_of(graph) & {"exp", "log", "divide"}
    expected = np.where(HOT == 1, np.logaddexp(0, -LOGITS), np.logaddexp(0, LOGITS)).sum(1)
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(dy, sigma(LOGITS) - HOT, atol=1e-6)


def test_the_odds_of_a_sigmoid_are_its_logit() -> None:
    graph = simplified(lambda x: log(sigmoid(x) / (1.0 - sigmoid(x))))
    check(graph, FAR, FAR, np.ones_like(FAR))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_stable_stays_the_same(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 4))
    builder = Builder(REGISTRY)
    value = builder.apply("input", name="x", shape=(BATCH, 4))
    other = exp(value) / exp(value * 1.5).sum([1])
    builder.outputs["y"] = other + log(value * value + 1.0) + 1.0 / (exp(value) + 2.0)
    before = builder.finish()
    run = Run(3, leaves={("input", "x"): x})
    np.testing.assert_allclose(evaluate(simplify(before), run)["y"], evaluate(before, run)["y"], rtol=1e-13)
