"""Gradients by reverse accumulation, as nodes of the graph that is being built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.graph.builder import Origin, Value
from netdsl.graph.node import Node


def gradients(y: Value, by: Sequence[Value]) -> dict[int, Value]:
    """Return the gradient of the sum of y by each of some values, by their index; 0 where it has none."""
    return pull_back([(y, y.builder.constant(1.0).broadcast(y.shape))], by)


def pull_back(seeds: Sequence[tuple[Value, Value]], by: Sequence[Value]) -> dict[int, Value]:
    """Send gradients of some values back to others: return what arrives, by index; 0 where nothing does.

    `seeds` are values of one builder, each with the gradient by it.
    """
    builder = by[0].builder
    wanted = {each.index for each in by}
    active = _active([y for y, _ in seeds], wanted)
    shares: dict[int, list[Value]] = {}
    for y, dy in seeds:
        if y.index in active:
            shares.setdefault(y.index, []).append(dy)
    totals: dict[int, Value] = {}
    for index in reversed(active):
        if index not in shares:
            continue
        node = builder.node(index)
        with builder.within(gradient_origin(node)):
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


def _active(ys: Sequence[Value], wanted: set[int]) -> dict[int, None]:
    """Return, in order, what the values are computed from and what is computed from the wanted ones."""
    builder = ys[0].builder
    active: dict[int, None] = {}
    for index in sorted(builder.ancestors(ys)):
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


def gradient_origin(node: Node) -> Origin:
    """Return the origin of what is made to send the gradient of a node back."""
    return Origin(node.span, node.path, node.repeat, "gradient")
