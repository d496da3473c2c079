"""The numbers of the host that kernels read: worked out for each step, written into kernels only where all
models share them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netdsl.graph import Builder, Graph, Node
from netdsl.operations import REGISTRY
from netdsl.program import Scalars

WRITTEN: Final = frozenset({0.0, 0.5, 1.0, 2.0, 3.0, 4.0, -0.5, -1.0, -2.0})
"""Constants that stand in a kernel's text. All others are read, so that one kernel serves every learning
rate."""

_KINDS: Final = {"float": "{}", "int": "int({})", "bool": "{} != f32(0.0)"}


def written(node: Node) -> str | None:
    """Return the text of a number that stands in a kernel; None for one that is read."""
    value = node.setting("value") if node.operation.name == "constant" else None
    if node.dtype != "float" and value is not None:
        return repr(value)
    return f"f32({value!r})" if value in WRITTEN else None


def read(node: Node, element: str) -> str:
    """Return the text of a number that is read as this element of the table."""
    return _KINDS[node.dtype].format(element)


def scalars_of(slots: Sequence[tuple[Graph, int]]) -> Scalars:
    """Return the formulas of a table's numbers: nodes of graphs, in the order of their places."""
    builder = Builder(REGISTRY)
    names: dict[tuple[Graph, int], str] = {}
    for graph in dict.fromkeys(graph for graph, _ in slots):
        numbers = sorted({number for each, number in slots if each is graph})
        values = builder.copy(graph, {}, graph.ancestors(numbers))
        for number in numbers:
            name = names[graph, number] = str(len(names))
            builder.outputs[name] = values[number]
    return Scalars(builder.finish(), tuple(names[slot] for slot in slots))
