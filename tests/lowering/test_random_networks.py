"""Networks drawn at random take the steps that the oracle takes: layers of any width, with all that stands
between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import BATCH, Builder, Graph, Run, Value, evaluate, evaluate_updates
from netdsl.operations import REGISTRY
from netdsl.program import Target
from netdsl.runtime import Executable
from tests.compiling import adam, experiment_of, rule_of
from tests.kernels.cpu.bench import LEVELS

WIDTHS = (1, 3, 10, 16, 17, 33, 64, 70, 96)
BETWEEN = [
    "relu",
    "tanh",
    "sigmoid",
    "dropout",
    "batchnorm",
    "layernorm",
    "residual",
    "noise",
    "softmax",
    "scale",
    "half",
]
SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@dataclass(frozen=True)
class Plan:
    """A network as drawn."""

    inputs: int
    layers: tuple[tuple[int, tuple[str, ...], bool], ...]
    loss: str
    penalty: str
    optimizer: str
    clip: float | None
    rows: int
    threads: int


SOFTMAX_TWICE = Plan(
    1, ((33, ("batchnorm", "softmax"), True),), "cross_entropy", "", "sgd", None, rows=5, threads=1
)
"""The first softmax is stored in panels, and each of its lines is folded again by the second."""

plans = st.builds(
    Plan,
    st.sampled_from(WIDTHS),
    st.lists(
        st.tuples(
            st.sampled_from(WIDTHS), st.lists(st.sampled_from(BETWEEN), max_size=3).map(tuple), st.booleans()
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    st.sampled_from(("cross_entropy", "mse", "binary")),
    st.sampled_from(("", "l1", "l2", "norm")),
    st.sampled_from(("sgd", "adam")),
    st.sampled_from((None, 0.05)),
    st.sampled_from((1, 5, 16, 37, 64)),
    st.integers(1, 3),
)


class Network:
    """Builds the graph of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.builder = Builder(REGISTRY)
        self.weights: list[Value] = []
        self.number = 0

    def weight(self, *shape: int) -> Value:
        self.number += 1
        w = self.builder.apply("weight", name=f"w{self.number}", shape=shape)
        if len(shape) == 2:
            self.weights.append(w)
        return w

    def graph(self) -> Graph:
        plan = self.plan
        h = self.builder.apply("input", name="x", shape=(BATCH, plan.inputs), dtype="float")
        for units, between, offset in plan.layers:
            before = h
            h = h.apply("matmul", self.weight(h.shape[1], units), contract=((1, 0),), align=())
            h = h + self.weight(units) if offset else h
            for name in between:
                h = self.between(name, h, before)
        self.builder.outputs["loss"] = self.loss(h)
        if plan.penalty:
            self.builder.outputs["penalty"] = 0.01 * self.penalty()
        return self.builder.finish()

    def between(self, name: str, h: Value, before: Value) -> Value:
        width = float(h.shape[1])
        self.number += 1
        match name:
            case "relu":
                return h.pointwise("maximum", 0.0)
            case "dropout":
                keep = self.builder.apply("uniform", shape=h.shape, stream=f"drop{self.number}")
                return h * keep.pointwise("less", 0.8).apply("cast", dtype="float") / 0.8
            case "noise":
                return h + 0.1 * self.builder.apply("gaussian", shape=h.shape, stream=f"noise{self.number}")
            case "batchnorm":
                rows = self.builder.apply("scalar", name="rows")
                centered = h - h.sum((0,)) / rows
                spread = (centered * centered).sum((0,)) / rows
                return self.weight(h.shape[1]) * centered / (spread + 1e-2).apply("sqrt")
            case "layernorm":
                centered = h - h.sum((1,)) / width
                spread = (centered * centered).sum((1,)) / width
                return centered / (spread + 1e-2).apply("sqrt") + self.weight(h.shape[1])
            case "residual":
                return h + before if before.shape == h.shape else h
            case "softmax":
                return h.apply("softmax", axis=1)
            case "scale":
                return h * self.weight(1, 1)
            case "half" if h.shape[1] % 2 == 0:
                pairs = h.reshape((BATCH, h.shape[1] // 2, 2))
                return pairs.apply("maximum_over", axis=2).reshape((BATCH, h.shape[1] // 2))
            case "half":
                return h
        return h.apply(name)

    def loss(self, h: Value) -> Value:
        label = self.builder.apply("input", name="label", shape=(BATCH,), dtype="int")
        t = label.apply("one_hot", classes=h.shape[1])
        match self.plan.loss:
            case "cross_entropy":
                return -(t * h.apply("softmax", axis=1).apply("log")).sum((1,)).reshape((BATCH,))
            case "binary":
                p = h.apply("sigmoid")
                each = t * p.apply("log") + (1.0 - t) * (1.0 - p).apply("log")
                return -each.sum((1,)).reshape((BATCH,)) / float(h.shape[1])
        return ((h - t) * (h - t)).sum((1,)).reshape((BATCH,)) / float(h.shape[1])

    def penalty(self) -> Value:
        terms = []
        for w in self.weights:
            match self.plan.penalty:
                case "l1":
                    terms.append(w.apply("abs").sum((0, 1)).reshape(()))
                case "l2":
                    terms.append((w * w).sum((0, 1)).reshape(()))
                case _:
                    rows = (w * w).sum((1,)) + 0.1
                    terms.append(rows.apply("sqrt").sum((0,)).reshape(()))
        return sum(terms[1:], terms[0])


@pytest.mark.slow
@pytest.mark.parametrize("tiles", [False, True] if "amx" in LEVELS else [False])
@SETTINGS
@given(plans)
@example(SOFTMAX_TWICE)
def test_steps(tiles: bool, plan: Plan) -> None:
    graph = Network(plan).graph()
    make = {"sgd": rule_of, "adam": adam}[plan.optimizer]
    rules = {path: make(graph[index].shape) for path, index in graph.leaves("weight").items()}
    compiled = compile_experiment(experiment_of(graph, rules, plan.clip), Target(check=True, tiles=tiles))
    random = np.random.default_rng(plan.rows)
    fields: dict[str, NDArray[Any]] = {"x": random.normal(size=(plan.rows, plan.inputs)).astype(np.float32)}
    executable = Executable(compiled.training, plan.threads, guard=16)
    below = next((each.below for each in compiled.training.inputs if each.name == "label"), None) or 1
    fields["label"] = random.integers(0, below, plan.rows).astype(np.int32)
    executable.bind(fields)
    for name in executable.names():
        shape = executable.read(name).shape
        size = (
            0.0 if "@m" in name else 0.01 if "@v" in name else (shape[0] ** -0.5 if len(shape) == 2 else 0.5)
        )
        executable.write(name, (np.abs if "@v" in name else np.asarray)(random.normal(size=shape)) * size)
    for step in range(2):
        _same_step(compiled.graphs["training"], executable, fields, plan.rows, step)
    assert executable.intruded() == ()


def _same_step(
    graph: Graph, executable: Executable, fields: dict[str, NDArray[Any]], rows: int, step: int
) -> None:
    leaves: dict[tuple[str, str], NDArray[Any]] = {("input", name): value for name, value in fields.items()}
    for name in executable.names():
        leaves["weight", name] = leaves["state", name] = executable.read(name).astype(np.float64)
    leaves["input", "x"] = fields["x"].astype(np.float64)
    run = Run(rows, seed=3, step=step, leaves=leaves)
    given = executable.run(np.arange(rows), rows, step=step, seed=3)
    rough = evaluate_updates(graph, run, dtype=np.float32)
    for name, value in evaluate(graph, run).items():
        np.testing.assert_allclose(given[name][0], value, rtol=2e-4, atol=2e-5, err_msg=name)
    for name, value in evaluate_updates(graph, run).items():
        rounding = float(np.abs(rough[name] - value).max())
        assume(rounding < 1e-3)
        np.testing.assert_allclose(
            executable.read(name), value, rtol=1e-4, atol=2e-5 + 30 * rounding, err_msg=name
        )
