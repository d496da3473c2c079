"""The picture of a model: what is drawn, what is folded, what is escaped."""

import re
import xml.etree.ElementTree as ET

import pytest

from netdsl.explain.drawing import draw
from netdsl.explain.layer_diagram import layer_diagram
from netdsl.explain.layers import formula_text, layers_of
from tests.explain.small_model import place, small_experiment


def test_layers_stand_in_the_order_values_flow() -> None:
    titles = [layer.title for layer in layers_of(small_experiment((3, 5))).layers]
    assert titles == [
        "image",
        "dense_1",
        "relu_1",
        "dense_2",
        "relu_2",
        "dense_3",
        "softmax_1",
        "label",
    ]


def test_shapes_and_parameters_are_those_of_the_layer() -> None:
    layers = {layer.title: layer for layer in layers_of(small_experiment((3, 5))).layers}
    assert layers["dense_2"].shape == (5,)
    assert layers["dense_2"].parameters == 3 * 5 + 5
    assert layers["relu_2"].parameters == 0


def test_equal_repeats_in_a_row_become_one() -> None:
    folded = layers_of(small_experiment((8, 8, 8, 8)))
    titles = [(layer.title, layer.times) for layer in folded.layers]
    assert ("dense_2 … dense_4", 3) in titles
    assert ("dense_1", 1) in titles  # it takes four inputs, not eight: not the same
    total = sum(layer.parameters * layer.times for layer in folded.layers)
    assert total == (4 * 8 + 8) + 3 * (8 * 8 + 8) + (8 * 2 + 2)


def test_two_equal_repeats_are_drawn_both() -> None:
    assert all(layer.times == 1 for layer in layers_of(small_experiment((8, 8, 8))).layers)


def test_an_activation_joins_the_box_of_its_layer() -> None:
    text = layer_diagram(small_experiment((3,)))
    boxes = re.findall(r"^  n\d+ \[label=(.*)\]$", text, flags=re.MULTILINE)
    assert len(boxes) == 4  # input, dense and relu, dense and softmax, output
    assert "dense_1" in boxes[1]
    assert "relu_1" in boxes[1]
    assert text.count(" -> ") == 3


def test_the_picture_has_all_its_texts() -> None:
    drawing = draw(layer_diagram(small_experiment((3,))), "svg")
    if drawing.kind == "dot":
        pytest.fail("install Graphviz: its `dot` draws what this test looks at (apt install graphviz)")
    root = ET.fromstring(drawing.content)
    texts = {(each.text or "").strip() for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"image", "dense_1", "relu_1", "[3]", "15", "label"} <= texts


@pytest.mark.parametrize(
    "name", ['"]; x', "<script>alert(1)<script>", "<<TABLE>>", "a\\", "&amp;", "\u202egnp.exe", "a\nb"]
)
def test_names_are_never_markup(name: str) -> None:
    text = layer_diagram(small_experiment((3,), model=name))
    assert "\u202e" not in text
    drawing = draw(text, "svg")
    if drawing.kind == "dot":
        pytest.fail("install Graphviz: its `dot` draws what this test looks at (apt install graphviz)")
    root = ET.fromstring(drawing.content)
    assert not list(root.iter("script"))
    assert len([each for each in root.iter() if each.get("class") == "node"]) == 4


def test_a_formula_is_told_in_its_own_words() -> None:
    assert formula_text([place("dense(n)"), place("relu")]) == "dense(n) -> relu"
    assert formula_text([place("dense(n)"), place("softmax")], limit=12) == "dense(n) ->…"
    assert formula_text([None]) == "formula"


def test_without_graphviz_the_dot_is_returned_and_the_cure_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    drawing = draw("digraph { a }", "svg")
    assert drawing.kind == "dot"
    assert drawing.content == b"digraph { a }"
    assert drawing.warning is not None
    assert drawing.warning.code == "W0980"
    assert "apt install graphviz" in str(drawing.warning.help)
