"""Rules of labels: a one-hot vector is not written out where its index does."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netdsl.graph import Node, Value, is_batched
from netdsl.operations.linear import transposed
from netdsl.passes.rewriting import Rewriter, Rule, is_a, operand
from netdsl.passes.rules.movement import without_leading

Operands = Sequence[Value]


def _chosen(value: Value) -> tuple[Value, Value | None] | None:
    """Find a one-hot vector in a product: its index, and what it is multiplied by, None for 1."""
    match value.node.operation.name:
        case "one_hot":
            return operand(value), None
        case "multiply":
            for one, other in ((0, 1), (1, 0)):
                if found := _chosen(operand(value, one)):
                    index, rest = found
                    factor = operand(value, other)
                    return index, factor if rest is None else rest * factor
        case "divide":
            if found := _chosen(operand(value)):
                index, rest = found
                return index, (1.0 if rest is None else rest) / operand(value, 1)
        case "negate":
            if found := _chosen(operand(value)):
                index, rest = found
                return index, -(_ones(value) if rest is None else rest)
    return None


def _ones(like: Value) -> Value:
    return like.builder.constant(1.0).broadcast(like.shape)


def _sum(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    axes: tuple[int, ...] = node.setting("axes")
    last = len(x.shape) - 1
    if last not in axes or not (found := _chosen(x)):
        return None
    index, rest = found
    picked = (_ones(x) if rest is None else rest).apply("pick", index)
    return picked.sum([axis for axis in axes if axis != last])


def _pick(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Pick before computing: from each operand of an element-wise operation."""
    x, index = operands
    if x.node.operation.family == "elementwise":
        count = len(builder.operands(x.index))
        picked = [operand(x, place).apply("pick", index) for place in range(count)]
        return builder.apply(x.node.operation.name, *picked, **dict(x.node.settings))
    if is_a(x, "broadcast"):
        return _pick_repeated(operand(x), index, node)
    if is_a(x, "one_hot"):
        return operand(x).apply("equal", index).apply("cast", dtype="float").reshape(node.shape)
    return None


def _pick_repeated(x: Value, index: Value, node: Node) -> Value | None:
    """Pick from what is the same for each class, or for each example."""
    if x.shape == () or x.shape[-1] == 1:
        return x.broadcast(node.shape)
    if len(without_leading(x.shape)) == 1 and x.dtype == "float":
        return x.reshape(x.shape[-1:]).apply("gather", index).reshape(node.shape)
    return None


def _argmax(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    if is_a(x, "one_hot") and node.setting("axis") == len(x.shape) - 1:
        return operand(x).reshape(node.shape)
    return None


def _product(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Take rows of a table instead of multiplying by ones and zeros."""
    left, right = operands
    contract = node.setting("contract")
    if node.setting("align") or len(contract) != 1:
        return None
    ((of_left, of_right),) = contract
    if is_a(left, "one_hot") and of_left == len(left.shape) - 1 and not is_batched(right.shape):
        return _rows(right, of_right, operand(left))
    if is_a(right, "one_hot") and of_right == len(right.shape) - 1 and left.shape == right.shape[-1:]:
        return _rows(left, of_left, operand(right))
    return None


def _rows(matrix: Value, axis: int, index: Value) -> Value:
    others = [each for each in range(len(matrix.shape)) if each != axis]
    return transposed(matrix, [axis, *others]).apply("gather", index)


def _offset_of_rows(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Add a vector to the rows of a table, where an example takes no fewer rows than there are."""
    for rows, repeated in (operands, operands[::-1]):
        if not (is_a(rows, "gather") and is_a(repeated, "broadcast")):
            continue
        table, vector = operand(rows), operand(repeated)
        places = operand(rows, 1).shape[1:]
        if len(table.shape) == 2 and vector.shape == table.shape[1:] and table.shape[0] <= prod(places):
            return (table + vector.broadcast(table.shape)).apply("gather", operand(rows, 1))
    return None


RULES = (
    Rule("one-hot to an index", ("sum",), "sum(one_hot(i) * x, over=last) -> pick(x, i)", _sum),
    Rule("pick first", ("pick",), "pick(f(x), i) -> f(pick(x, i))", _pick, quiet=True),
    Rule("class of a one-hot", ("argmax",), "argmax(one_hot(i)) -> i", _argmax),
    Rule("one-hot to a row", ("matmul",), "one_hot(i) @ w -> gather(w, i)", _product),
    Rule("offset of a table", ("add",), "gather(w, i) + b -> gather(w + b, i)", _offset_of_rows),
)
