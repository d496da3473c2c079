"""Takes the part of a graph under construction that some values depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netdsl.graph import Builder, Graph, Node, Value

Substitute = Callable[[Builder, Node], Value | None]
"""What stands for a node in the copy, None for the node itself."""


def cone(
    builder: Builder,
    outputs: Mapping[str, Value],
    updates: Mapping[str, Value] | None = None,
    substitute: Substitute = lambda builder, node: None,
) -> Graph:
    """Return a graph of its own with only what outputs and updates depend on."""
    updates = updates or {}
    fresh = Builder(builder.registry)
    values: dict[int, Value] = {}
    for index in sorted(builder.ancestors((*outputs.values(), *updates.values()))):
        node = builder.node(index)
        replaced = substitute(fresh, node)
        values[index] = replaced or fresh.add(node, [values[each] for each in builder.operands(index)])
    fresh.outputs = {name: values[each.index] for name, each in outputs.items()}
    fresh.updates = {name: values[each.index] for name, each in updates.items()}
    return fresh.finish()
