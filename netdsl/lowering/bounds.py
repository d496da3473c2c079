"""What bounds an index: the extents of what it is used to read."""

from __future__ import annotations

from math import prod

from netdsl.graph import Graph
from netdsl.operations.sub_graph import FIXED, ITEM, apart


def below(graph: Graph, index: int) -> int | None:
    """Return the bound of an index, the least that any of its uses has."""
    if graph[index].dtype != "int":
        return None
    bounds: list[int | None] = []
    for user in graph.users(index):
        node, (first, *others) = graph[user], graph.operands(user)
        match node.operation.name:
            case "reshape" | "broadcast" | "slice" | "transpose" | "concat" | "stack" | "unstack" | "step":
                bounds.append(below(graph, user))
            case "loop":
                bounds += _below_inside(graph, user, index)
            case "one_hot":
                bounds.append(node.setting("classes"))
            case "scatter_add" if first == index:
                bounds.append(node.setting("extent"))
            case "gather":
                bounds.append(graph[first].shape[0])
            case "pick":
                bounds.append(graph[first].shape[-1])
            case "take_window" | "put_window" if index in others:
                bounds.append(prod(node.setting("size")))
    return min((bound for bound in bounds if bound is not None), default=None)


def _below_inside(graph: Graph, loop: int, index: int) -> list[int | None]:
    """Return the bounds of an index by its uses in the body of a loop."""
    node = graph[loop]
    body, leaves = node.setting("body"), node.setting("body").leaves("input")
    _, *given = apart(dict(node.settings), graph.operands(loop))
    names = [
        f"{kind}{n}"
        for kind, each in zip((ITEM, FIXED), given, strict=True)
        for n, at in enumerate(each)
        if at == index
    ]
    return [below(body, leaves[name]) for name in names if name in leaves]
