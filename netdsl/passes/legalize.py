"""Say what no loop is written for in simpler operations, and bring sums and scalars into the form that loops
want."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import BATCH, Graph, Node, Origin, Value
from netdsl.passes.rewriting import Rewriter, Sharing, table
from netdsl.passes.rules import traffic

WITHOUT_LOOP = frozenset({"softmax", "log_softmax", "logsumexp", "stop_gradient"})
"""Operations that have a scalar form or an expansion, of which the expansion is what loops are made for."""

_TRAFFIC = table(traffic.RULES)


class _Legal(Rewriter):
    """Rewrites by the rules that spare memory; the bodies of loops have been through them."""

    def add(self, node: Node, operands: Sequence[Value]) -> Value:
        """Return the value of a node that stands for this one; operands keep the places they were given."""
        return Sharing.add(self, node, operands)

    def inside(self) -> Sharing:
        """Return a builder for the body of a loop."""
        return Sharing()


def legalize(graph: Graph) -> Graph:
    """Return a graph of the same values that has only operations with a loop or a kernel.

    A sum over the first axis and others is cut in two: the others first, within each row, then the rows. So
    rows can be shared out to threads, and the order of the additions depends on the shape alone. An
    element-wise operation on repeated numbers is done once, on the numbers. What stays as it is has no
    update.
    """
    builder = _Legal(_TRAFFIC)
    known: dict[int, Value] = {}
    for index in graph:
        node = graph[index]
        operands = [known[each] for each in graph.operands(index)]
        with builder.within(Origin(node.span, node.path, node.repeat, node.of)):
            known[index] = _legal(builder, node, operands)
    builder.outputs = {name: known[index] for name, index in graph.outputs.items()}
    leaves = graph.kept()
    updates = {name: index for name, index in graph.updates.items() if leaves.get(name) != index}
    builder.updates = {name: _of_its_own(known[index]) for name, index in updates.items()}
    return builder.finish(unused=False, keep=[known[index] for index in leaves.values()])


def _of_its_own(value: Value) -> Value:
    """Return a new value that is computed: the old one of another weight or state is taken before that is
    written over."""
    if value.builder.node(value.index).operation.name not in ("weight", "state"):
        return value
    return value * 1.0


def _legal(builder: Rewriter, node: Node, operands: list[Value]) -> Value:
    name = node.operation.name
    if name == "stop_gradient":
        return operands[0]
    if name in WITHOUT_LOOP and node.operation.expand is not None:
        return node.operation.expand(*operands, **dict(node.settings))
    if node.operation.family == "elementwise" and node.shape and BATCH not in node.shape[1:]:
        numbers = [_number(each) for each in operands]
        if all(each is not None for each in numbers):
            first, *others = (each for each in numbers if each is not None)
            return first.apply(name, *others, **dict(node.settings)).broadcast(node.shape)
    return builder.add(node, operands)


def _number(value: Value) -> Value | None:
    """Return the number that a value repeats, if it repeats one."""
    builder, index = value.builder, value.index
    while builder.node(index).operation.name in {"broadcast", "reshape"} and builder.node(index).shape:
        index = builder.operands(index)[0]
    return Value(builder, index) if builder.node(index).shape == () else None
