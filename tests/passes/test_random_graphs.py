"""Passes leave the values of graphs drawn at random as they are."""

import numpy as np
from hypothesis import HealthCheck, assume, given, settings

from netdsl.graph import Graph, dump, evaluate, read, verify
from netdsl.operations import REGISTRY
from netdsl.passes.deduplicate import deduplicate
from netdsl.passes.differentiate import differentiate
from netdsl.passes.prune import prune
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize
from tests.passes.networks import run_of
from tests.passes.random_graphs import graphs

SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def compare(before: Graph, after: Graph, source: Graph) -> None:
    verify(after)
    run = run_of(source)
    first, second = evaluate(before, run), evaluate(after, run)
    assume(all(np.all(np.isfinite(each)) for each in first.values()))
    for name, value in first.items():
        size = 1 + np.abs(value).max(initial=0)
        np.testing.assert_allclose(second[name] / size, value / size, atol=1e-8, err_msg=name)


@SETTINGS
@given(graphs())
def test_simplify_specialize_deduplicate_prune(graph: Graph) -> None:
    verify(graph)
    for after in (simplify(graph), specialize(graph, {"lr": 0.1}), deduplicate(graph), prune(graph)):
        compare(graph, after, graph)
        assert len(after) <= 4 * len(graph)


@SETTINGS
@given(graphs(size=8))
def test_gradients_before_and_after_simplify(graph: Graph) -> None:
    weights = list(graph.leaves("weight"))
    plain = differentiate(graph, "objective", weights)
    verify(plain)
    simple = simplify(differentiate(simplify(graph), "objective", kept(graph, weights)), differentiated=True)
    compare(prune(plain, [f"gradient/{each}" for each in kept(graph, weights)]), simple, graph)


def kept(graph: Graph, weights: list[str]) -> list[str]:
    left = simplify(graph).leaves("weight")
    return [each for each in weights if each in left]


@SETTINGS
@given(graphs())
def test_simplifying_twice_changes_nothing_more_of_note(graph: Graph) -> None:
    once = simplify(graph)
    assert len(simplify(once)) <= len(once)


@SETTINGS
@given(graphs())
def test_graphs_survive_as_text(graph: Graph) -> None:
    assert dump(read(dump(graph), REGISTRY)) == dump(graph)
