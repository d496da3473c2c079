"""Which values groups store, and where what is between them is computed."""

import numpy as np

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.operations import REGISTRY
from netdsl.passes.fuse import fuse
from netdsl.program import Group
from tests.lowering.running import compare


def layer(x: Value, name: str) -> Value:
    w = x.builder.apply("weight", name=name, shape=(x.shape[1], 24))
    return x.apply("matmul", w, contract=((1, 0),), align=())


def late(*, used_early: bool = False, beside: int = 0) -> tuple[Graph, int]:
    """Return a graph whose last layer is multiplied by something dear, made of the first and of others."""
    builder = Builder(REGISTRY)
    h = layer(builder.apply("input", name="x", shape=(BATCH, 5), dtype="float"), "w1")
    others = [layer(h.apply("tanh"), f"other {number}") for number in range(beside)]
    dear = sum(others, h * h).apply("exp")
    early = h.apply("tanh") + (dear if used_early else 0.0)
    builder.outputs["y"] = layer(layer(early, "w2").apply("tanh"), "w3") * dear
    builder.outputs["others"] = sum(others, h)
    graph = builder.finish()
    (index,) = (each for each in graph if graph[each].operation.name == "exp")
    return graph, index


def groups_with(graph: Graph, index: int) -> list[Group]:
    return [group for group in fuse(graph).groups if index in group.nodes]


def test_what_only_a_later_group_wants_is_computed_there() -> None:
    graph, dear = late()
    (group,) = groups_with(graph, dear)
    assert group.stores == (graph.outputs["y"],)


def test_what_two_groups_want_is_stored() -> None:
    graph, dear = late(used_early=True)
    (group,) = groups_with(graph, dear)
    assert dear in group.stores


def test_what_is_made_of_many_is_stored() -> None:
    graph, dear = late(beside=2)
    (group,) = groups_with(graph, dear)
    assert dear in group.stores


def test_the_values_are_the_same() -> None:
    fields = {"x": np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32) / 4}
    for graph, _ in (late(), late(used_early=True), late(beside=2)):
        kept = {
            name: np.random.default_rng(2).normal(size=graph[index].shape).astype(np.float32) / 5
            for name, index in graph.leaves("weight").items()
        }
        compare(graph, fields, 20, kept=kept).close()
