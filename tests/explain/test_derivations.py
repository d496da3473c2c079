"""Gradients as formulas."""

import re

from netdsl.explain.derivations import derivations
from netdsl.graph import BATCH, Builder, Graph
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.scan import merge_scans
from tests.explain.small_model import small_experiment
from tests.operations.test_scan import CELLS, scanned


def squared_error() -> Graph:
    """Return the differentiated loss of a small net with one hidden layer."""
    made = small_experiment((3,))
    builder = Builder(REGISTRY)
    values = builder.copy(made.graph, {})
    y = values[made.graph.outputs["output/label"]]
    t = builder.apply("input", name="label", shape=(BATCH, 2))
    builder.outputs["loss"] = ((y - t) * (y - t)).sum([1])
    return differentiate(builder.finish(), "loss", [weight.path for weight in made.weights])


def test_the_gradient_of_a_weight_is_the_input_transposed_times_what_flows_back() -> None:
    lines = [line.strip() for line in derivations(squared_error()).splitlines()]
    assert "∂/∂ mlp/dense_1/w  [4, 3]  = imageᵀ @ d relu_1" in lines
    assert "dense_1      [batch, 3]  = image @ dense_1/w + dense_1/b" in lines
    (back,) = [line for line in lines if line.startswith("d relu_1 ")]
    assert back.endswith("dense_2/wᵀ, 0)")
    assert "where(dense_1 > 0" in back


def test_each_name_is_made_before_it_is_used_and_once() -> None:
    made: list[str] = []
    for line in derivations(squared_error()).splitlines():
        if " = " in line:
            name, formula = line.strip().split("  ", 1)[0], line.split(" = ", 1)[1]
            assert name not in made
            assert set(re.findall(r"(?:d )?softmax_1\.\d", formula)) <= set(made)
            made.append(name)
    assert [name for name in made if name.startswith("∂")] == [
        "∂/∂ mlp/dense_1/w",
        "∂/∂ mlp/dense_1/b",
        "∂/∂ mlp/dense_2/w",
        "∂/∂ mlp/dense_2/b",
    ]


def test_the_parts_stand_in_order() -> None:
    text = derivations(squared_error())
    assert text.index("Forward\n") < text.index("Backward\n") < text.index("Gradients\n")


def test_a_scan_shows_what_a_step_does() -> None:
    builder = Builder(REGISTRY)
    values = scanned(CELLS[0], builder, 4, False)
    y = (values["out0"] * values["out0"]).sum((0, 1, 2)).reshape(())
    builder.outputs["gradient/u"] = builder.apply("gradient_of", y, values["fixed1"])
    text = derivations(merge_scans(differentiate(builder.finish())))
    forward, back = text.split("Backward")
    assert "state0[t]" in forward
    assert "tanh(item0[t] @ fixed0 + state0[t-1] @ fixed1 + fixed2)" in forward
    assert "state0[t+1]" in back
