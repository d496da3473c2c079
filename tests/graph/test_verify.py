"""`verify` finds what a pass may not leave behind."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from netdsl.graph import BATCH, Builder, Graph, Node, verify
from netdsl.operations import REGISTRY


def graph() -> Graph:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3))
    w = builder.apply("weight", name="w", shape=(3,))
    builder.outputs["y"] = x - w.broadcast((BATCH, 3))
    builder.updates["w"] = w
    return builder.finish()


def changed(index: int, node: Node) -> Graph:
    made = graph()
    return replace(made, nodes=(*made.nodes[:index], node, *made.nodes[index + 1 :]))


def test_a_built_graph_is_well_formed() -> None:
    verify(graph())


def test_a_wrong_shape() -> None:
    with pytest.raises(
        ValueError, match=r"%3 = subtract is float \[batch, 4\], and should be float \[batch, 3\]"
    ):
        verify(changed(3, replace(graph()[3], shape=(BATCH, 4))))


def test_a_batch_axis_that_is_not_first() -> None:
    with pytest.raises(ValueError, match=r"impossible shape \[3, batch\]"):
        verify(changed(0, replace(graph()[0], shape=(3, BATCH))))


def test_a_user_before_its_operand() -> None:
    made = graph()
    made = replace(made, inputs=(*made.inputs[:2], (3,), *made.inputs[3:]))
    with pytest.raises(ValueError, match="%2 uses %3, which does not come before it"):
        verify(made)


def test_networkx_sees_the_same_graph() -> None:
    made = graph()
    assert list(made.network) == list(made)
    for index in made:
        assert made.network.nodes[index] == {"node": made[index], "operands": made.operands(index)}
        edges: list[tuple[int, int, int]] = list(made.network.in_edges(index, data="position"))
        assert sorted((place, source) for source, _, place in edges) == list(enumerate(made.operands(index)))
        assert tuple(sorted(set(made.network.successors(index)))) == made.users(index)


def test_two_leaves_of_one_name() -> None:
    other = Builder(REGISTRY).apply("weight", name="w", shape=(2,)).node
    with pytest.raises(ValueError, match="two different leaves named w"):
        verify(changed(0, other))


def test_roots_that_are_not_there_or_of_another_shape() -> None:
    made = graph()
    with pytest.raises(ValueError, match="output z is %9"):
        verify(replace(made, outputs=MappingProxyType({"z": 9})))
    with pytest.raises(ValueError, match=r"update w changes its shape: \[3\] becomes \[batch, 3\]"):
        verify(replace(made, updates=MappingProxyType({"w": 3})))


def test_an_empty_graph() -> None:
    verify(Graph((), (), {}, {}))
