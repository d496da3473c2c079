"""The picture of the operations."""

import re

from netdsl.explain.operation_diagram import operation_diagram
from netdsl.graph import BATCH, Builder, Origin
from netdsl.operations import REGISTRY
from tests.explain.small_model import small_experiment


def test_numbers_stand_inside_the_operation_and_broadcasts_are_edges() -> None:
    text = operation_diagram(small_experiment((3,)).graph, "mlp")
    assert "<B>max(·, 0)</B>" in text
    assert "broadcast" not in text
    assert "mlp/relu_1" in text


def test_every_edge_joins_nodes_that_are_drawn() -> None:
    text = operation_diagram(small_experiment((3, 3)).graph, "mlp")
    drawn = set(re.findall(r"^\s*((?:n|output)\d+) \[label", text, flags=re.MULTILINE))
    ends = {end for edge in re.findall(r"(\w+) -> (\w+)", text) for end in edge}
    assert ends == drawn


def test_gradients_are_told_from_the_forward_pass() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 2))
    with builder.within(Origin(of="gradient")):
        builder.outputs["g"] = x * 2.0
    text = operation_diagram(builder.finish(), "model")
    assert "■ forward" in text
    assert "■ backward" in text
    assert "■ update" not in text
