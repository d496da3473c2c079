"""Blocks drawn opened: their layers in a frame, and what they add themselves where it stands."""

import re
from pathlib import Path

from netdsl.diagnostics import Source, Span
from netdsl.explain.layer_diagram import layer_diagram
from netdsl.explain.layers import LayerGraph, formula_text, layers_of
from netdsl.explain.summary import summary
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.semantics.experiment import Experiment

NET = """\
data spots {
    source = blobs(n=60, classes=2)
}

layer block(x: [n]) {
    a = x + dense(relu(dense(x, 4)), n)
    return a + dense(relu(dense(a, 4)), n)
}

model encoder(x: [2]) = x -> dense(8) -> tanh

model net(x: [2]) {
    h = encoder(x) -> repeat 2 { block }
    p = h -> dense(2)
    return softmax(p * 2)
}

train {
    model     = net
    data      = spots
    loss      = cross_entropy
    optimizer = sgd(0.1)
    epochs    = 1
}
"""


def experiment(folder: Path) -> Experiment:
    path = folder / "net.net"
    path.write_text(NET)
    return open_file(path, Options()).experiment


def flows(graph: LayerGraph) -> dict[str, list[str]]:
    """Return for each layer those that it takes values from."""
    return {
        layer.title: [graph.layers[each].title for each in graph.before(index)]
        for index, layer in enumerate(graph.layers)
    }


def test_closed_blocks_are_one_layer_each(tmp_path: Path) -> None:
    assert flows(layers_of(experiment(tmp_path))) == {
        "x": [],
        "encoder": ["x"],
        "block_1": ["encoder"],
        "block_2": ["block_1"],
        "p": ["block_2"],
        "p * 2": ["p"],
        "softmax_1": ["p * 2"],
        "label": ["softmax_1"],
    }


def test_a_value_never_flows_back_into_an_opened_block(tmp_path: Path) -> None:
    graph = layers_of(experiment(tmp_path), depth=2)
    order = [layer.path + layer.title for layer in graph.layers]
    first = order.index("net/block_1/dense_1block_1/dense_1")
    inside = [graph.layers[index].title for index in range(first, len(order)) if "block_1" in order[index]]
    assert inside == [
        "block_1/dense_1",
        "block_1/relu_1",
        "block_1/dense_2",
        "block_1/add",
        "block_1/dense_3",
        "block_1/relu_2",
        "block_1/dense_4",
        "block_1/add",
    ]
    assert all(source < target for source, target in graph.edges)
    sums = [index for index, layer in enumerate(graph.layers) if layer.title == "block_1/add"]
    assert [[graph.layers[each].title for each in graph.before(index)] for index in sums] == [
        ["encoder/tanh_1", "block_1/dense_2"],
        ["block_1/add", "block_1/dense_4"],
    ]


def test_all_parameters_are_there_at_any_depth(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    totals = {
        sum(layer.parameters for layer in layers_of(made, depth=depth).layers) for depth in (1, 2, 3, 9)
    }
    assert len(totals) == 1


RECURRENT = """\
data signals {
    source = waves(n=20)
}

model net(signal) = signal -> gru(3) -> dense(3) -> softmax

train {
    model     = net
    data      = signals
    loss      = cross_entropy
    optimizer = sgd(0.1)
    epochs    = 1
}
"""


def test_a_recurrent_layer_is_told_by_its_scan(tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(RECURRENT)
    graph = layers_of(open_file(path, Options()).experiment, depth=2)
    assert flows(graph)["gru_1/scan"] == ["signal"]
    assert flows(graph)["dense_1"] == ["gru_1/scan"]


def test_opened_blocks_stand_in_frames(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    assert "subgraph" not in layer_diagram(made)
    text = layer_diagram(made, depth=2)
    assert re.findall(r'subgraph "cluster (\S+)" \{', text) == ["encoder", "block_1", "block_2"]
    inside = text.split('subgraph "cluster block_1" {')[1].split("\n  }\n")[0]
    assert re.findall(r"<B>(\w+)</B>", inside) == ["dense_1", "dense_2", "dense_3", "dense_4"]
    assert inside.count(">add<") == 2
    assert "block_1/dense_1" in summary(made, depth=2)


def test_what_goes_around_bends_and_branches_are_alike(tmp_path: Path) -> None:
    text = layer_diagram(experiment(tmp_path), depth=2)
    boxes = dict(re.findall(r"(n\d+) \[label=.*?<FONT POINT-SIZE=\"12\">(?:<B>)?(.*?)<", text))
    edges = re.findall(r"(n\d+) -> (n\d+)( \[weight=4\])?", text)
    around = [(boxes[a], boxes[b]) for a, b, straight in edges if not straight]
    assert around == [("dense_1", "add"), ("add", "add"), ("add", "add"), ("add", "add")]


def test_a_formula_of_several_statements_is_told_by_its_last() -> None:
    text = "    z = sum(w * x) + b\n    return 1 / (1 + exp(-z))\n"
    source = Source("m.net", text)

    def span(part: str) -> Span:
        return Span(source, text.index(part), text.index(part) + len(part))

    assert formula_text([span("sum(w * x)"), span("exp(-z)")]) == "… 1 / (1 + exp(-z))"
    assert formula_text([span("-z")]) == "-z"
    assert formula_text([span("1 /"), span("-z")]) == "1 / (1 + exp(-z))"
