"""Graphs drawn at random give on the CPU what they give in the oracle, with any number of threads."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netdsl.graph import Builder, Graph, Run, Value, evaluate, evaluate_updates, is_batched
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from netdsl.runtime import Executable
from netdsl.runtime.cuda.executable import DeviceExecutable
from tests.lowering.running import program_of
from tests.passes.random_graphs import graphs

SETTINGS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ROWS = 37
RNG = np.random.default_rng(8)
FIELDS = {
    "x": RNG.normal(size=(ROWS, 4)).astype(np.float32),
    "z": RNG.normal(size=(ROWS, 2, 3)).astype(np.float32),
    "t": RNG.integers(0, 4, ROWS).astype(np.int32),
}
KEPT = {
    "v": RNG.normal(size=4).astype(np.float32),
    "m": RNG.normal(size=(4, 3)).astype(np.float32),
}
RATE = 0.125
Kept = TypeVar("Kept", Executable, DeviceExecutable)


def trained(graph: Graph) -> Graph:
    """Return a graph that moves each weight against its gradient."""
    simple = simplify(graph)
    weights = list(simple.leaves("weight"))
    gradients = simplify(differentiate(simple, "objective", weights), differentiated=True)
    builder = Builder(REGISTRY)
    values = builder.copy(gradients, {})
    builder.outputs = {name: values[index] for name, index in gradients.outputs.items()}
    for name in weights:
        leaf: Value | None = None
        if name in gradients.leaves("weight"):
            leaf = values[gradients.leaves("weight")[name]]
        if leaf is not None:
            builder.updates[name] = leaf - RATE * builder.outputs[f"gradient/{name}"]
    return builder.finish()


def same_as_the_oracle(graph: Graph, made: Callable[[], Kept]) -> Kept:
    """Compare one step of what `made` loads for a graph with the oracle's; return what was loaded."""
    leaves = {
        ("input", name): value.astype(np.int64 if name == "t" else np.float64)
        for name, value in FIELDS.items()
    }
    leaves |= {("weight", name): value.astype(np.float64) for name, value in KEPT.items()}
    run = Run(ROWS, leaves=leaves, scalars={"lr": RATE})
    exact = evaluate(graph, run) | {
        f"new {name}": value for name, value in evaluate_updates(graph, run).items()
    }
    rough = evaluate(graph, run, dtype=np.float32)
    assume(all(np.all(np.isfinite(each)) and np.abs(each).max(initial=0) < 1e6 for each in exact.values()))
    executable = made()
    for name in executable.names():
        executable.write(name, KEPT[name])
    executable.bind(FIELDS)
    given = executable.run(np.arange(ROWS), ROWS, scalars={"lr": RATE})
    given |= {f"new {name}": executable.read(name) for name in graph.updates}
    for name, value in exact.items():
        rounding = np.abs(rough[name] - value).max(initial=0) if name in rough else 0.0
        size = 1 + np.abs(value).max(initial=0)
        assume(rounding < 1e-3 * size)
        have = (
            given[name]
            if is_batched(graph[graph.outputs.get(name, 0)].shape)
            else given[name].reshape(value.shape)
        )
        np.testing.assert_allclose(have / size, value / size, atol=1e-4 + 20 * rounding / size, err_msg=name)
    return executable


def same_on_the_cpu(graph: Graph, threads: int) -> None:
    executable = same_as_the_oracle(graph, lambda: Executable(program_of(graph), threads, guard=16))
    assert executable.intruded() == ()


@pytest.mark.slow
@SETTINGS
@given(graphs(), st.integers(1, 3))
def test_values(graph: Graph, threads: int) -> None:
    same_on_the_cpu(graph, threads)


@pytest.mark.slow
@SETTINGS
@given(graphs(size=8), st.integers(1, 3))
def test_gradients_and_updates(graph: Graph, threads: int) -> None:
    same_on_the_cpu(trained(graph), threads)
