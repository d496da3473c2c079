"""Updates of weights and optimizer states; clipping."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from netdsl.graph import Builder, Graph, Shape, evaluate, evaluate_updates, verify
from netdsl.operations import REGISTRY
from netdsl.passes.attach_optimizer import attach_optimizer
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from tests.passes.networks import regression, run_of


@dataclass(frozen=True)
class Rule:
    graph: Graph
    states: Mapping[str, float]


def momentum(shape: Shape) -> Rule:
    """v := 0.9 * v - lr * g, w := w + v, with lr falling from step to step."""
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=shape)
    g = builder.apply("input", name="g", shape=shape)
    v = builder.apply("state", name="v", shape=shape)
    lr = builder.apply("scalar", name="lr") / builder.apply("scalar", name="t")
    new = 0.9 * v - lr * g
    builder.updates["w"] = w + new
    builder.updates["v"] = new
    return Rule(builder.finish(), {"v": 0.5})


def rules() -> dict[str, Rule]:
    network = regression()
    leaves = network.graph.leaves("weight")
    return {path: momentum(network.graph[leaves[path]].shape) for path in network.weights}


def gradients() -> Graph:
    network = regression()
    return differentiate(network.graph, "objective", network.weights)


def test_every_weight_and_state_is_updated() -> None:
    graph = attach_optimizer(gradients(), rules())
    verify(graph)
    run = run_of(graph)
    found = evaluate_updates(graph, run)
    slopes = evaluate(gradients(), run)
    assert set(found) == {name for path in rules() for name in (path, f"{path}@v")}
    for path in rules():
        v = 0.9 * run.leaves["state", f"{path}@v"] - 0.1 / 4 * slopes[f"gradient/{path}"]
        np.testing.assert_allclose(found[f"{path}@v"], v)
        np.testing.assert_allclose(found[path], run.leaves["weight", path] + v)


def test_simplifying_changes_no_update() -> None:
    graph = attach_optimizer(gradients(), rules(), "norm", 0.1)
    run = run_of(graph)
    before, after = (evaluate_updates(each, run) for each in (graph, simplify(graph, differentiated=True)))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-9, atol=1e-12)


def test_clipping_by_value() -> None:
    graph = attach_optimizer(gradients(), rules(), "value", 0.05)
    run = run_of(graph)
    slopes = evaluate(gradients(), run)
    v = evaluate_updates(graph, run)["one/w@v"] - 0.9 * run.leaves["state", "one/w@v"]
    assert np.abs(slopes["gradient/one/w"]).max() > 0.05
    np.testing.assert_allclose(v, -0.1 / 4 * np.clip(slopes["gradient/one/w"], -0.05, 0.05))


@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_clipping_by_the_norm_of_all(limit: float) -> None:
    graph = attach_optimizer(gradients(), rules(), "norm", limit)
    run = run_of(graph)
    slopes = {path: evaluate(gradients(), run)[f"gradient/{path}"] for path in rules()}
    norm = np.sqrt(sum(np.sum(each**2) for each in slopes.values()))
    factor = min(1, limit / (norm + 1e-6))
    found = evaluate_updates(graph, run)
    for path, slope in slopes.items():
        v = found[f"{path}@v"] - 0.9 * run.leaves["state", f"{path}@v"]
        np.testing.assert_allclose(v, -0.1 / 4 * slope * factor, atol=1e-12)


def test_scalars_are_shared_and_updates_are_marked() -> None:
    graph = attach_optimizer(gradients(), rules())
    names = [graph[index].setting("name") for index in graph if graph[index].operation.name == "scalar"]
    assert sorted(names) == sorted(set(names))
    assert {graph[index].of for name, index in graph.updates.items()} == {"update"}


def test_a_weight_that_nothing_depends_on_is_updated_with_a_gradient_of_0() -> None:
    graph = attach_optimizer(gradients(), {**rules(), "idle/w": momentum((3,))}, "norm", 1.0)
    verify(graph)
    run = run_of(graph)
    v = 0.9 * run.leaves["state", "idle/w@v"]
    np.testing.assert_allclose(evaluate_updates(graph, run)["idle/w"], run.leaves["weight", "idle/w"] + v)
