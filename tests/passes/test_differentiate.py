"""Gradients of networks against finite differences; `gradient(y, x)`; what is marked and what is left out."""

from dataclasses import replace

import numpy as np
import pytest

from netdsl.diagnostics import Source, Span
from netdsl.graph import BATCH, Builder, Origin, Run, evaluate, verify
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from tests.operations.test_gradients import finite_differences
from tests.passes.networks import NETWORKS, Network, dense, mean


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_networks(name: str, simplified: bool) -> None:
    network: Network = NETWORKS[name]()
    plain = differentiate(network.graph)
    graph = simplify(network.graph) if simplified else network.graph
    graph = differentiate(graph, "objective", network.weights)
    verify(graph)
    if simplified:
        graph = simplify(graph, differentiated=True)
        verify(graph)
    run = network.run()
    found = evaluate(graph, run)
    for path in network.weights:

        def objective(w: np.ndarray, path: str = path) -> float:
            changed = {**run.leaves, ("weight", path): w}
            return float(evaluate(plain, replace(run, leaves=changed), ["objective"])["objective"])

        expected = finite_differences(objective, run.leaves["weight", path])
        np.testing.assert_allclose(found[f"gradient/{path}"], expected, rtol=1e-5, atol=1e-7, err_msg=path)


def test_no_gradient_of_remains() -> None:
    graph = differentiate(NETWORKS["penalized_gradient"]().graph)
    assert all(graph[index].operation.name != "gradient_of" for index in graph)


def test_a_gradient_may_be_differentiated_again_and_again() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH,))
    y = x * x * x * x
    for name in ("first", "second", "third"):
        y = builder.apply("gradient_of", y, x)
        builder.outputs[name] = y
    at = np.array([1.0, 2.0])
    found = evaluate(differentiate(builder.finish()), Run(2, leaves={("input", "x"): at}))
    np.testing.assert_allclose(found["first"], 4 * at**3)
    np.testing.assert_allclose(found["second"], 12 * at**2)
    np.testing.assert_allclose(found["third"], 24 * at)


def test_a_value_in_the_middle_and_one_that_is_not_needed() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH,))
    h = x * 2.0
    y = h * h
    builder.outputs["by h"] = builder.apply("gradient_of", y, h)
    builder.outputs["by itself"] = builder.apply("gradient_of", y, y)
    builder.outputs["by another"] = builder.apply("gradient_of", y, x + 1.0)
    found = evaluate(differentiate(builder.finish()), Run(1, leaves={("input", "x"): np.array([3.0])}))
    assert found == {"by h": 12, "by itself": 1, "by another": 0}


def test_a_weight_used_twice_by_two_leaves_gets_both_shares() -> None:
    builder = Builder(REGISTRY)
    first, second = (builder.apply("weight", name="w", shape=()) for _ in range(2))
    builder.outputs["objective"] = first * 2.0 + second * 3.0
    found = evaluate(
        differentiate(builder.finish(), "objective", ["w"]), Run(1, leaves={("weight", "w"): np.ones(())})
    )
    assert found["gradient/w"] == 5


def test_nothing_flows_through_stop_gradient_or_comparisons() -> None:
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=())
    step = w.pointwise("greater", 0.0).apply("cast", dtype="float")
    builder.outputs["objective"] = w.apply("stop_gradient") * 3.0 + step + w.apply("floor")
    found = evaluate(
        differentiate(builder.finish(), "objective", ["w"]), Run(1, leaves={("weight", "w"): np.ones(())})
    )
    assert found["gradient/w"] == 0


def test_derived_nodes_carry_where_they_come_from() -> None:
    source = Source("net.net", "x -> dense(3)")
    span = Span(source, 5, 13)
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 2))
    with builder.within(Origin(span, "net/dense_1", (1,))):
        y = dense(x, "net/dense_1", 3)
    builder.outputs["objective"] = mean(y.sum([1]).reshape((BATCH,)))
    graph = differentiate(builder.finish(), "objective", ["net/dense_1/w"])
    products = [graph[index] for index in graph if graph[index].operation.name == "matmul"]
    assert [(node.of, node.path, node.repeat, node.span) for node in products] == [
        ("", "net/dense_1", (1,), span),
        ("gradient", "net/dense_1", (1,), span),
    ]


def test_only_what_is_asked_for_is_derived() -> None:
    network = NETWORKS["regression"]()
    graph = differentiate(network.graph, "objective", ["two/b"])
    products = [index for index in graph if graph[index].operation.name == "matmul"]
    assert len(products) == 3
    assert [name for name in graph.outputs if name.startswith("gradient/")] == ["gradient/two/b"]


def test_a_weight_that_is_not_there_gets_no_gradient_and_an_output_that_is_not_there_is_an_error() -> None:
    graph = differentiate(NETWORKS["regression"]().graph, "objective", ["nowhere"])
    assert list(graph.outputs) == ["objective"]
    with pytest.raises(KeyError, match="nothing"):
        differentiate(graph, "nothing", ["one/w"])
