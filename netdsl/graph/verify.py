"""`verify`: whether a graph is what every pass may rely on."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.graph.graph import Graph
from netdsl.graph.shape import is_batched, shape_text


def verify(graph: Graph) -> None:
    """Raise ValueError, with every fault found, if a graph is not well formed."""
    faults = [*_order(graph)] or [*_nodes(graph), *_leaves(graph), *_roots(graph)]
    if faults:
        raise ValueError("the graph is not well formed:\n" + "\n".join(faults))


def _order(graph: Graph) -> Iterator[str]:
    """Operands come before their users."""
    for index in graph:
        for each in graph.operands(index):
            if not 0 <= each < index:
                yield f"%{index} uses %{each}, which does not come before it"


def _nodes(graph: Graph) -> Iterator[str]:
    """Shapes are those that the operation gives; the batch axis is the first or none."""
    for index in graph:
        node = graph[index]
        names = [name for name, _ in node.settings]
        if names != sorted(set(names)):
            yield f"%{index} has settings out of order: {names}"
        if any(extent < 1 for extent in node.shape[is_batched(node.shape) :]):
            yield f"%{index} has the impossible shape {shape_text(node.shape)}"
        try:
            operands = [graph[each] for each in graph.operands(index)]
            shape, dtype = node.operation.shape(operands, dict(node.settings))
        except (ValueError, KeyError) as error:
            yield f"%{index}: {error}"
            continue
        if (shape, dtype) != (node.shape, node.dtype):
            has, gets = f"{node.dtype} {shape_text(node.shape)}", f"{dtype} {shape_text(shape)}"
            yield f"%{index} = {node.operation} is {has}, and should be {gets}"


def _leaves(graph: Graph) -> Iterator[str]:
    """Leaves of one name are equal."""
    first: dict[tuple[str, str], int] = {}
    for index in graph:
        node = graph[index]
        if node.operation.name in {"input", "weight", "state", "scalar"}:
            other = first.setdefault((node.operation.name, node.setting("name")), index)
            if graph[other] != node:
                yield f"%{other} and %{index} are two different leaves named {node.setting('name')}"


def _roots(graph: Graph) -> Iterator[str]:
    """Outputs and updates exist; what is updated keeps its shape."""
    for kind, roots in (("output", graph.outputs), ("update", graph.updates)):
        for name, index in roots.items():
            if not 0 <= index < len(graph):
                yield f"{kind} {name} is %{index}, which is not there"
    for leaf in ("weight", "state"):
        for name, index in graph.leaves(leaf).items():
            new = graph.updates.get(name)
            if new is not None and 0 <= new < len(graph) and graph[new].shape != graph[index].shape:
                shapes = f"{shape_text(graph[index].shape)} becomes {shape_text(graph[new].shape)}"
                yield f"update {name} changes its shape: {shapes}"
