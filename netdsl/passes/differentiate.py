"""`differentiate`: gradients by reverse accumulation, as nodes of the same graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add

from netdsl.graph import Builder, Graph, Value
from netdsl.graph.gradients import gradient_origin, gradients
from netdsl.operations import REGISTRY
from netdsl.passes.rewriting import with_body


def differentiate(graph: Graph, root: str = "objective", weights: Iterable[str] = ()) -> Graph:
    """Add an output "gradient/<path>" for each weight: the gradient of an output by it.

    Where the output has one number an example, the gradient is that of their sum. What the language calls
    `gradient(y, x)` becomes its formula on the way, wherever it stands. A weight that the graph does not
    have, because nothing depends on it any more, gets no output.
    Errors: KeyError for an output that the graph does not have.
    """
    builder = Builder(REGISTRY)
    values = _without_gradient_of(builder, graph)
    builder.take_roots(graph, values)
    leaves = _weight_leaves(graph, values)
    paths = [path for path in weights if path in leaves]
    if paths:
        wanted = [leaf for path in paths for leaf in leaves[path]]
        found = gradients(builder.outputs[root], wanted)
        for path in paths:
            builder.outputs[f"gradient/{path}"] = reduce(add, (found[leaf.index] for leaf in leaves[path]))
    return builder.finish(unused=False)


def _weight_leaves(graph: Graph, values: Mapping[int, Value]) -> dict[str, list[Value]]:
    """Return the leaves of each weight: more than one, if nothing has merged them."""
    leaves: dict[str, list[Value]] = {}
    for index in graph:
        if graph[index].operation.name == "weight":
            leaves.setdefault(graph[index].setting("name"), []).append(values[index])
    return leaves


def _without_gradient_of(builder: Builder, graph: Graph) -> dict[int, Value]:
    """Copy a graph, with each `gradient_of` replaced; an inner one before the outer that derives it again."""
    values: dict[int, Value] = {}
    for index in graph:
        node, operands = graph[index], [values[each] for each in graph.operands(index)]
        if node.operation.name == "gradient_of":
            y, x = operands
            with builder.within(gradient_origin(node)):
                values[index] = gradients(y, [x])[x.index]
            continue
        if (body := node.setting("body")) is not None:
            node = with_body(node, differentiate(body))
        values[index] = builder.add(node, operands)
    return values
