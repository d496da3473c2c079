"""`differentiate`: gradients by reverse accumulation, as nodes of the same graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netdsl.graph import Builder, Graph, Node, Origin, Value
from netdsl.operations import REGISTRY


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
            builder.outputs[f"gradient/{path}"] = _total([found[leaf.index] for leaf in leaves[path]])
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
            with builder.within(_origin(node)):
                values[index] = gradients(y, [x])[x.index]
        else:
            values[index] = builder.add(node, operands)
    return values


def gradients(y: Value, by: Sequence[Value]) -> dict[int, Value]:
    """Return the gradient of the sum of y by each of some values, by their index; 0 where it has none."""
    builder = y.builder
    wanted = {each.index for each in by}
    active = _active(y, wanted)
    shares: dict[int, list[Value]] = {}
    if y.index in active:
        shares[y.index] = [builder.constant(1.0).broadcast(y.shape)]
    totals: dict[int, Value] = {}
    for index in reversed(active):
        if index not in shares:
            continue
        node = builder.node(index)
        with builder.within(_origin(node)):
            dy = _total(shares.pop(index))
            assert dy.shape == node.shape, (node.operation.name, dy.shape, node.shape)
            if index in wanted:
                totals[index] = dy
            _send_back(Value(builder, index), dy, active, shares)
    for each in by:
        if each.index not in totals:
            totals[each.index] = builder.constant(0.0).broadcast(each.shape)
    return totals


def _send_back(y: Value, dy: Value, active: Mapping[int, None], shares: dict[int, list[Value]]) -> None:
    """Give each operand its share of the gradient."""
    node, builder = y.node, y.builder
    operands = [Value(builder, index) for index in builder.operands(y.index)]
    if node.operation.gradient is None or not any(each.index in active for each in operands):
        return
    for operand, share in zip(operands, node.operation.gradient(dy, y, *operands), strict=True):
        if share is not None and operand.index in active:
            shares.setdefault(operand.index, []).append(share)


def _active(y: Value, wanted: set[int]) -> dict[int, None]:
    """Return, in order, what y is computed from and what is computed from the wanted values."""
    builder = y.builder
    active: dict[int, None] = {}
    for index in sorted(builder.ancestors([y])):
        node = builder.node(index)
        passes = node.operation.gradient is not None and any(
            each in active for each in builder.operands(index)
        )
        if node.dtype == "float" and (index in wanted or passes):
            active[index] = None
    return active


def _total(shares: Sequence[Value]) -> Value:
    """Add shares in the order in which they came, that of the users from last to first."""
    total = shares[0]
    for each in shares[1:]:
        total = total + each
    return total


def _origin(node: Node) -> Origin:
    return Origin(node.span, node.path, node.repeat, "gradient")
