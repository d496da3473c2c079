"""`prune`: take away what nothing asks for."""

from collections.abc import Iterable

from netdsl.graph import Builder, Graph
from netdsl.operations import REGISTRY


def prune(graph: Graph, outputs: Iterable[str] | None = None, updates: Iterable[str] | None = None) -> Graph:
    """Keep the named outputs and updates (all, where None) and what they need.

    Errors: KeyError for a name that the graph does not have.
    """
    output_names = list(graph.outputs) if outputs is None else list(outputs)
    update_names = list(graph.updates) if updates is None else list(updates)
    wanted_outputs = {name: graph.outputs[name] for name in output_names}
    wanted_updates = {name: graph.updates[name] for name in update_names}
    needed = graph.ancestors([*wanted_outputs.values(), *wanted_updates.values()])
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {}, needed)
    builder.outputs = {name: values[index] for name, index in wanted_outputs.items()}
    builder.updates = {name: values[index] for name, index in wanted_updates.items()}
    return builder.finish()
