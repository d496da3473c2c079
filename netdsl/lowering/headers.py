"""What stands above a generated kernel: the lines of the `.net` text that it comes from, and its formulas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdsl.graph import Graph, Node
from netdsl.graph.formula import Formulas

DEEP = 5
"""How many operations of a formula are shown."""


def about(
    graph: Graph, nodes: Sequence[int], stores: Iterable[int], formulas: Formulas | None = None
) -> tuple[str, ...]:
    """Return the header of a kernel, a line of text each; who asks often has the graph's `formulas`."""
    written = formulas or Formulas(graph)
    lines = dict.fromkeys(_line(graph[index]) for index in nodes)
    shown = dict.fromkeys(_formula(graph, written, index) for index in stores)
    return (*(line for line in lines if line), *shown)


def _line(node: Node) -> str:
    """Return the line of the `.net` text that a node stands in."""
    if node.span is None:
        return ""
    source, start = node.span.source, node.span.start
    line = source.text[source.text.rfind("\n", 0, start) + 1 :].partition("\n")[0]
    return f"{source.name}:{node.span.line}: {line.strip()}"


def _formula(graph: Graph, formulas: Formulas, index: int) -> str:
    node = graph[index]
    role = f" ({node.of})" if node.of else ""
    name = f"{node.path}{role}: " if node.path or role else ""
    return f"{name}{formulas(index, DEEP)}"
