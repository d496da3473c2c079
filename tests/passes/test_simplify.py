"""What is told of rewrites, and that large graphs take time in proportion."""

import time

import pytest

from netdsl.diagnostics import Source, Span
from netdsl.graph import BATCH, Builder, Graph, Origin, evaluate
from netdsl.operations import REGISTRY
from netdsl.passes.deduplicate import deduplicate
from netdsl.passes.differentiate import differentiate
from netdsl.passes.rewriting import Rewrite
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize
from tests.passes.networks import NETWORKS, assert_same, dense, dropout, mean, run_of, sigmoid, softmax


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_their_values(name: str) -> None:
    network = NETWORKS[name]()
    graph = differentiate(network.graph)
    run = network.run()
    for after in (simplify(graph), specialize(graph, {"training": 1.0}), deduplicate(graph)):
        assert_same(graph, after, run)
    inference = network.run(training=0.0)
    assert_same(graph, simplify(specialize(graph, {"training": 0.0})), inference)


def test_rewrites_are_told_with_rule_place_before_and_after() -> None:
    source = Source("net.net", "loss bce(p, t) = -mean(t * log(p))")
    span = Span(source, 28, 34)
    builder = Builder(REGISTRY)
    p = sigmoid(builder.apply("input", name="x", shape=(BATCH,)))
    with builder.within(Origin(span, "loss")):
        builder.outputs["y"] = p.apply("log")
    log: list[Rewrite] = []
    simplify(builder.finish(), log)
    assert log == [
        Rewrite("sigmoid", None, "", "1 / (exp(-x) + 1)", "sigmoid(x)"),
        Rewrite("logarithm of a sigmoid", span, "loss", "log(sigmoid(x))", "-softplus(-x)"),
    ]


def deep(layers: int) -> tuple[Graph, list[str]]:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4))
    t = builder.apply("input", name="t", shape=(BATCH,), dtype="int").apply("one_hot", classes=4)
    names = [f"layer_{number}" for number in range(layers)]
    for name in names:
        x = x + dropout(dense(x, name, 4).pointwise("maximum", 0.0), name, 0.1)
    builder.outputs["objective"] = mean(-(t * softmax(x).apply("log")).sum([1]).reshape((BATCH,)))
    return builder.finish(), [f"{name}/{kind}" for name in names for kind in "wb"]


def seconds(layers: int) -> float:
    graph, weights = deep(layers)
    start = time.process_time()
    graph = simplify(specialize(graph, {"training": 1.0}))
    simplify(differentiate(graph, "objective", weights), differentiated=True)
    return time.process_time() - start


@pytest.mark.slow
def test_a_thousand_layers_take_a_thousand_times_one() -> None:
    seconds(10)
    assert seconds(1000) < 4 * 10 * seconds(100)


def test_a_long_chain_is_no_deep_recursion() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3))
    for _ in range(2000):
        x = x + x.apply("sin")
    hot = builder.apply("input", name="t", shape=(BATCH,), dtype="int").apply("one_hot", classes=3)
    builder.outputs["y"] = -((x * hot).sum([1]))
    graph = builder.finish()
    network = simplify(graph)
    assert_same(graph, network, run_of(graph))
    assert evaluate(network, run_of(graph))["y"].shape == (5, 1)
