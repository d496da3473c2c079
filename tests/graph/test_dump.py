"""Graphs as text and back."""

import pytest

from netdsl.diagnostics import Source, Span
from netdsl.graph import BATCH, Builder, Graph, Origin, dump, read
from netdsl.operations import REGISTRY

TEXT = """\
%0 = input dtype="int" name="größe # 1" shape=[-1] -> int [batch]
%1 = weight name="w" shape=[3, 2] -> float [3, 2] | path="net/dense_1" repeat=[0, 2]
%2 = gather %1 %0 -> float [batch, 2] | path="net/dense_1" repeat=[0, 2] of="gradient"
%3 = constant value=-0.0 -> float []
%4 = constant value=[1.0, 1e-30] -> float [2]
%5 = constant value=true -> bool []
output "y \\"quoted\\"" = %2
update "w" = %1
"""


def same(a: Graph, b: Graph) -> bool:
    def facts(graph: Graph) -> object:
        nodes = [(graph[i], graph.operands(i), graph[i].path, graph[i].repeat, graph[i].of) for i in graph]
        return nodes, dict(graph.outputs), dict(graph.updates)

    return facts(a) == facts(b)


def test_text_to_graph_to_text() -> None:
    graph = read(TEXT, REGISTRY)
    assert dump(graph) == TEXT
    assert same(read(dump(graph), REGISTRY), graph)


def test_infinite_numbers_and_sub_graphs_survive() -> None:
    builder = Builder(REGISTRY)
    builder.outputs["y"] = builder.constant(float("inf"))
    text = dump(builder.finish())
    assert dump(read(text, REGISTRY)) == text


def test_spans_are_comments() -> None:
    source = Source("net.net", "ab\ncd")
    builder = Builder(REGISTRY)
    with builder.within(Origin(Span(source, 4, 5))):
        builder.outputs["y"] = builder.apply("input", name="x", shape=(BATCH,))
    graph = builder.finish()
    assert dump(graph, spans=True).splitlines()[0].endswith("-> float [batch]  # net.net:2:2")
    assert same(read(dump(graph, spans=True), REGISTRY), graph)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "neither a node nor a root"),
        ("%0 = unknown -> float []", "unknown"),
        ('%0 = scalar name="t" -> float [2]', "the result is float"),
        ('%0 = scalar name="t"', "no result"),
        ('%0 = scalar name="t" -> float [] what', "what is ' what'"),
        ("%1 = negate %0 -> float []", "line 1"),
        ('output "y" = %3', "line 1"),
    ],
)
def test_what_is_no_graph_is_told_with_its_line(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(line, REGISTRY)
