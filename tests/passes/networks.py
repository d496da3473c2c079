"""Small networks and formulas that the passes are tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netdsl.graph import BATCH, Builder, Graph, Run, Value, evaluate, sized
from netdsl.operations import REGISTRY

ROWS = 5


def scalar(builder: Builder, name: str) -> Value:
    return builder.apply("scalar", name=name)


def dense(x: Value, name: str, units: int) -> Value:
    builder = x.builder
    w = builder.apply("weight", name=f"{name}/w", shape=(x.shape[-1], units))
    b = builder.apply("weight", name=f"{name}/b", shape=(units,))
    return x.apply("matmul", w, contract=((len(x.shape) - 1, 0),), align=()) + b


def softmax(x: Value) -> Value:
    """Say it as the library does."""
    powers = (x - x.apply("maximum_over", axis=len(x.shape) - 1).apply("stop_gradient")).apply("exp")
    return powers / powers.sum([len(x.shape) - 1])


def sigmoid(x: Value) -> Value:
    return 1.0 / ((-x).apply("exp") + 1.0)


def dropout(x: Value, name: str, rate: float) -> Value:
    keep = x.builder.apply("uniform", shape=x.shape, stream=name).pointwise("less", 1 - rate)
    dropped = x * keep.apply("cast", dtype="float") / (1 - rate)
    training = scalar(x.builder, "training").pointwise("greater", 0.0)
    return training.pointwise("where", dropped, x)


def mean(x: Value) -> Value:
    """Average over the batch: a number."""
    return x.sum([0]).reshape(()) / scalar(x.builder, "rows")


@dataclass(frozen=True)
class Network:
    """A graph with an output "objective", and the weights to differentiate it by."""

    graph: Graph
    weights: tuple[str, ...]

    def run(self, seed: int = 0, **scalars: float) -> Run:
        return run_of(self.graph, seed, scalars)


def run_of(graph: Graph, seed: int = 0, scalars: Mapping[str, float] | None = None) -> Run:
    """Draw values for all leaves of a graph."""
    random = np.random.default_rng(seed)
    leaves: dict[tuple[str, str], np.ndarray] = {}
    for index in graph:
        node = graph[index]
        if node.operation.name in {"input", "weight", "state"}:
            shape = sized(node.shape, ROWS)
            drawn = random.normal(size=shape) if node.dtype == "float" else random.integers(0, 3, shape)
            leaves[node.operation.name, node.setting("name")] = drawn
    given = {"training": 1.0, "lr": 0.1, "epoch": 2.0, **(scalars or {})}
    return Run(ROWS, seed=7, step=3, scalars=given, leaves=leaves)


def classifier() -> Network:
    """Dropout, batch norm, softmax, cross-entropy of a label, an L2 penalty; probabilities are an output."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4))
    t = builder.apply("input", name="t", shape=(BATCH,), dtype="int").apply("one_hot", classes=3)
    h = dropout(_normalized(dense(x, "one", 6)).pointwise("maximum", 0.0), "one/drop", 0.25)
    p = softmax(dense(h, "two", 3))
    loss = -(t * p.apply("log")).sum([1]).reshape((BATCH,))
    penalty = 0.01 * (dense_weight(builder, "one") ** 2.0).sum([0, 1]).reshape(())
    builder.outputs["p"] = p
    builder.outputs["objective"] = mean(loss) + penalty
    weights = ("one/w", "one/b", "gain", "two/w", "two/b")
    return Network(builder.finish(), weights)


def _normalized(x: Value) -> Value:
    gain = x.builder.apply("weight", name="gain", shape=x.shape[1:])
    rows = scalar(x.builder, "rows")
    centered = x - x.sum([0]) / rows
    variance = (centered * centered).sum([0]) / rows
    return gain * centered / (variance + 1e-5).apply("sqrt")


def dense_weight(builder: Builder, name: str) -> Value:
    """Return the leaf of a weight once more."""
    for index in range(10_000):
        if builder.node(index).setting("name") == f"{name}/w":
            return Value(builder, index)
    raise KeyError(name)


def yes_or_no() -> Network:
    """A sigmoid with binary cross-entropy, tanh and a square in between, reused weights."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3))
    t = builder.apply("input", name="t", shape=(BATCH, 1))
    h = dense(x, "one", 4).apply("tanh")
    w = dense_weight(builder, "one")
    h = h.apply("matmul", w, contract=((1, 1),), align=()) ** 2.0
    p = sigmoid(dense(h, "two", 1))
    loss = -(t * p.apply("log") + (1.0 - t) * (1.0 - p).apply("log")).sum([1]).reshape((BATCH,))
    builder.outputs["objective"] = mean(loss)
    return Network(builder.finish(), ("one/w", "one/b", "two/w", "two/b"))


def regression() -> Network:
    """A mean squared error with maxout, an embedding of a category, and leaky units."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3))
    kind = builder.apply("input", name="kind", shape=(BATCH,), dtype="int").apply("one_hot", classes=3)
    y = builder.apply("input", name="y", shape=(BATCH, 2))
    joined = builder.apply("concat", dense(x, "one", 4), dense(kind, "table", 2), axis=1)
    pieces = joined.reshape((BATCH, 2, 3)).apply("maximum_over", axis=2).reshape((BATCH, 2))
    leaky = pieces.pointwise("greater", 0.1).apply("where", pieces, pieces * 0.01)
    error = dense(leaky, "two", 2) - y
    builder.outputs["objective"] = mean((error**2.0).sum([1]).reshape((BATCH,)) / 2.0)
    return Network(builder.finish(), ("one/w", "one/b", "table/w", "table/b", "two/w", "two/b"))


def penalized_gradient() -> Network:
    """The gradient by the input, as the language writes it, is part of what is minimized."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3))
    y = dense(dense(x, "one", 4).apply("softplus"), "two", 1).reshape((BATCH,))
    slope = builder.apply("gradient_of", y, x)
    builder.outputs["slope"] = slope
    builder.outputs["objective"] = mean(y * y + (slope * slope).sum([1]).reshape((BATCH,)))
    return Network(builder.finish(), ("one/w", "one/b", "two/w"))


NETWORKS = {
    "classifier": classifier,
    "yes_or_no": yes_or_no,
    "regression": regression,
    "penalized_gradient": penalized_gradient,
}


def assert_same(before: Graph, after: Graph, run: Run, tolerance: float = 1e-9) -> None:
    """Check that all that a graph gives is what another gives."""
    first, second = evaluate(before, run), evaluate(after, run)
    assert first.keys() <= second.keys()
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=tolerance, atol=tolerance, err_msg=name)
