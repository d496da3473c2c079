"""Rules of shapes: moves after each other become one, sums of what is repeated become products."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import BATCH, Node, Shape, Value
from netdsl.operations.movement import padded, part, repeated_axes
from netdsl.passes.rewriting import Rewriter, Rule, is_a, operand

Operands = Sequence[Value]


# ---- one move for several ---------------------------------------------------------------------


def _reshape(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Reshape once, not at all, or what is repeated before it is repeated."""
    (x,) = operands
    if x.shape == node.shape:
        return x
    if is_a(x, "reshape"):
        return operand(x).reshape(node.shape)
    if x.shape == ():
        return x.broadcast(node.shape)
    if is_a(x, "broadcast") and operand(x).shape == ():
        return operand(x).broadcast(node.shape)
    return None


def _transpose(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Transpose once or not at all; where only axes of extent 1 move, reshape."""
    (x,) = operands
    axes: tuple[int, ...] = node.setting("axes")
    moved = [axis for axis in axes if x.shape[axis] != 1]
    if moved == sorted(moved):
        return x.reshape(node.shape)
    if is_a(x, "transpose"):
        inner: tuple[int, ...] = x.node.setting("axes")
        return operand(x).apply("transpose", axes=tuple(inner[axis] for axis in axes))
    if is_a(x, "broadcast") and operand(x).shape == ():
        return operand(x).broadcast(node.shape)
    return None


def _broadcast(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Repeat once or not at all; leading axes of extent 1 need no reshape before."""
    (x,) = operands
    if x.shape == node.shape:
        return x
    if is_a(x, "broadcast"):
        return operand(x).broadcast(node.shape)
    if is_a(x, "reshape") and without_leading(operand(x).shape) == without_leading(x.shape) != x.shape:
        source = operand(x)
        return source.broadcast(node.shape) if len(source.shape) <= len(node.shape) else None
    return None


def without_leading(shape: Shape) -> Shape:
    """Return a shape without the axes of extent 1 at its beginning."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _slice(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    if x.shape == node.shape:
        return x
    if is_a(x, "broadcast") and operand(x).shape == ():
        return operand(x).broadcast(node.shape)
    if is_a(x, "pad"):
        return _part_of_padded(builder, node, x)
    return _part_of_concat(node, x) if is_a(x, "concat") else None


def _part_of_padded(builder: Rewriter, node: Node, x: Value) -> Value | None:
    """Take the part from what was padded, or zeros where it lies beside that."""
    inner, before = operand(x).shape, x.node.setting("before")
    starts, stops, steps = (node.setting(name) for name in ("starts", "stops", "steps"))
    shifted = [
        (start - skip, stop - skip) if extent != BATCH else (start, stop)
        for start, stop, skip, extent in zip(starts, stops, before, inner, strict=True)
    ]
    axes = [axis for axis, extent in enumerate(inner) if extent != BATCH]
    if any(shifted[axis][1] <= 0 or shifted[axis][0] >= inner[axis] for axis in axes):
        return builder.constant(0.0).broadcast(node.shape) if node.dtype == "float" else None
    if any(shifted[axis][0] < 0 or shifted[axis][1] > inner[axis] for axis in axes):
        return None
    begin, end = zip(*shifted, strict=True)
    return operand(x).apply("slice", starts=begin, stops=end, steps=steps)


def _part_of_concat(node: Node, x: Value) -> Value | None:
    """Take the part from the one joined value that it lies in."""
    axis: int = x.node.setting("axis")
    starts, stops = list(node.setting("starts")), list(node.setting("stops"))
    begin = 0
    for place, _ in enumerate(x.builder.operands(x.index)):
        piece = operand(x, place)
        end = begin + piece.shape[axis]
        if begin <= starts[axis] and stops[axis] <= end:
            starts[axis] -= begin
            stops[axis] -= begin
            steps = node.setting("steps")
            return piece.apply("slice", starts=tuple(starts), stops=tuple(stops), steps=steps)
        begin = end
    return None


def _pad(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    return operands[0] if operands[0].shape == node.shape else None


def _concat(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Leave a single value alone, and put parts that follow each other together again."""
    if len(operands) == 1:
        return operands[0]
    if not all(is_a(each, "slice") for each in operands):
        return None
    whole = operand(operands[0])
    axis: int = node.setting("axis")
    position = 0
    for each in operands:
        if operand(each).index != whole.index:
            return None
        extent = each.shape[axis]
        if each.node != part(whole, axis, position, position + extent).node:
            return None
        position += extent
    return whole if position == whole.shape[axis] else None


def _sum_of_padded(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Join parts of one axis that follow each other, each of which has zeros where the other stands."""
    if not all(is_a(each, "pad") for each in operands):
        return None
    axes = {axis for each in operands for axis in _padded_axes(each)}
    if len(axes) != 1:
        return None
    (axis,) = axes
    first, second = sorted(operands, key=lambda each: each.node.setting("before")[axis])
    start, middle = first.node.setting("before")[axis], second.node.setting("before")[axis]
    if start + operand(first).shape[axis] != middle:
        return None
    joined = builder.apply("concat", *_pieces(first, axis), *_pieces(second, axis), axis=axis)
    return padded(joined, axis, start, second.node.setting("after")[axis])


def _padded_axes(x: Value) -> list[int]:
    around = zip(x.node.setting("before"), x.node.setting("after"), strict=True)
    return [axis for axis, (before, after) in enumerate(around) if before or after]


def _pieces(x: Value, axis: int) -> list[Value]:
    """Return what a padded value joins along an axis."""
    inner = operand(x)
    if not is_a(inner, "concat") or inner.node.setting("axis") != axis:
        return [inner]
    return [operand(inner, place) for place in range(len(inner.builder.operands(inner.index)))]


MOVES = (
    Rule("reshape once", ("reshape",), "reshape(reshape(x)) -> reshape(x)", _reshape, quiet=True),
    Rule("transpose once", ("transpose",), "transpose(transpose(x)) -> transpose(x)", _transpose, quiet=True),
    Rule("broadcast once", ("broadcast",), "broadcast(broadcast(x)) -> broadcast(x)", _broadcast, quiet=True),
    Rule("part of the whole", ("slice",), "slice(concat(x, y)) -> slice(x), pad(x) too", _slice, quiet=True),
    Rule("nothing to pad", ("pad",), "pad(x, 0, 0) -> x", _pad, quiet=True),
    Rule("sum of parts", ("add",), "pad(x, 0, n) + pad(y, n, 0) -> concat(x, y)", _sum_of_padded, quiet=True),
    Rule("parts of one", ("concat",), "concat(slice(x), slice(x)) -> x", _concat, quiet=True),
)


# ---- sums -------------------------------------------------------------------------------------


def _sum_shorter(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Sum only over axes that are there, and over all of them at once."""
    (x,) = operands
    axes: tuple[int, ...] = node.setting("axes")
    real = [axis for axis in axes if x.shape[axis] != 1]
    if len(real) < len(axes):
        return x.sum(real)
    if is_a(x, "sum"):
        return operand(x).sum(sorted({*axes, *x.node.setting("axes")}))
    return None


def _sum_of_repeated(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Multiply by the number of repetitions instead of adding them up."""
    (x,) = operands
    axes: tuple[int, ...] = node.setting("axes")
    if not is_a(x, "broadcast"):
        return None
    repeated = set(repeated_axes(operand(x).shape, x.shape)) & set(axes)
    if not repeated:
        return None
    rest = [axis for axis in axes if axis not in repeated]
    return _collapsed(x, repeated).sum(rest) * _how_many(builder, x.shape, repeated)


def _collapsed(x: Value, axes: set[int]) -> Value:
    """Return what is repeated without the repetitions along some axes, which keep extent 1."""
    shape = tuple(1 if axis in axes else extent for axis, extent in enumerate(x.shape))
    source = operand(x)
    return source.reshape((*(1,) * (len(shape) - len(source.shape)), *source.shape)).broadcast(shape)


def _how_many(builder: Rewriter, shape: Shape, axes: set[int]) -> Value | float:
    times = 1.0
    for axis in axes:
        times *= 1 if shape[axis] == BATCH else shape[axis]
    if any(shape[axis] == BATCH for axis in axes):
        return builder.apply("scalar", name="rows") * times
    return times


def _sum_of_multiple(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Take a factor that is the same along the summed axes out of the sum."""
    (x,) = operands
    axes = set(node.setting("axes"))
    for factor, other in ((1, 0), (0, 1)):
        same = operand(x, factor) if is_a(x, "multiply") else None
        if same is None or not is_a(same, "broadcast"):
            continue
        if axes <= set(repeated_axes(operand(same).shape, same.shape)):
            return operand(x, other).sum(sorted(axes)) * _collapsed(same, axes)
    return None


def _sum_of_negative(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    return -operand(x).sum(node.setting("axes")) if is_a(x, "negate") else None


SUMS = (
    Rule("sum over fewer axes", ("sum",), "sum(sum(x)) -> sum(x)", _sum_shorter, quiet=True),
    Rule("sum of a repeated value", ("sum",), "sum(broadcast(x)) -> x * n", _sum_of_repeated),
    Rule("factor of a sum", ("sum",), "sum(x * a) -> sum(x) * a", _sum_of_multiple),
    Rule("sign of a sum", ("sum",), "sum(-x) -> -sum(x)", _sum_of_negative, quiet=True),
)


# ---- products ---------------------------------------------------------------------------------


def _transposed_factor(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Multiply by the value itself instead of its transpose, where the free axes keep their order."""
    contract, align = list(node.setting("contract")), list(node.setting("align"))
    for side, x in enumerate(operands):
        if not is_a(x, "transpose"):
            continue
        axes: tuple[int, ...] = x.node.setting("axes")
        used = {pair[side] for pair in (*contract, *align)}
        free = [axes[axis] for axis in range(len(axes)) if axis not in used]
        if free == sorted(free):
            factors = [*operands[:side], operand(x), *operands[side + 1 :]]
            moved = [
                tuple((axes[p], q) if side == 0 else (p, axes[q]) for p, q in pairs)
                for pairs in (contract, align)
            ]
            return factors[0].apply("matmul", factors[1], contract=moved[0], align=moved[1])
    return None


PRODUCTS = (
    Rule(
        "product with a transpose",
        ("matmul",),
        "x @ transpose(w) -> x @ w over w's other axis",
        _transposed_factor,
    ),
)

RULES = (*MOVES, *SUMS, *PRODUCTS)
