"""Values' operators, and what a finished graph holds."""

import pytest

from netdsl.graph import BATCH, Builder, Origin, broadcast_shapes
from netdsl.operations import REGISTRY


def test_operators_broadcast_as_numpy_does() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3))
    w = builder.apply("weight", name="w", shape=(3,))
    y = 2 / (x * w - 1) + w
    assert y.shape == (BATCH, 3)
    assert broadcast_shapes([(3,), (BATCH, 1), ()]) == (BATCH, 3)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((BATCH, 3), (BATCH,)), ((2, BATCH), (1,))])
def test_shapes_that_do_not_fit(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        broadcast_shapes(shapes)


def test_a_finished_graph_has_operands_by_position_users_and_roots() -> None:
    builder = Builder(REGISTRY)
    a = builder.apply("weight", name="a", shape=(2,))
    b = builder.apply("weight", name="b", shape=(2,))
    builder.outputs["y"] = a.apply("subtract", b).apply("multiply", a)
    builder.updates["a"] = b
    graph = builder.finish()
    assert list(graph) == [0, 1, 2, 3]
    assert graph.operands(3) == (2, 0)
    assert graph.users(0) == (2, 3)
    assert graph.roots() == (1, 3)
    assert graph.leaves("weight") == {"a": 0, "b": 1}
    assert graph.ancestors([2]) == {0, 1, 2}


def test_what_is_not_needed_can_be_left_out() -> None:
    builder = Builder(REGISTRY)
    builder.apply("weight", name="unused", shape=())
    builder.outputs["y"] = builder.apply("weight", name="a", shape=()) + 1.0
    graph = builder.finish(unused=False)
    assert [graph[index].operation.name for index in graph] == ["weight", "constant", "add"]
    assert graph.outputs == {"y": 2}


def test_origins_are_stamped_inside_of_a_block() -> None:
    builder = Builder(REGISTRY)
    with builder.within(Origin(path="net/dense_1", of="gradient")):
        inside = builder.constant(1.0)
    outside = builder.constant(1.0)
    assert (inside.node.path, inside.node.of) == ("net/dense_1", "gradient")
    assert (outside.node.path, outside.node.of) == ("", "")
