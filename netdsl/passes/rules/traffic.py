"""Rules that spare passes over memory, applied when everything is differentiated.

Batch norm as it is written, and as it is derived, walks over its images seven times: here sums lose the
factors that have no part in them and become one, a variance is found beside the mean, and what a relu or a
pool needs on the way back is told by its result.

Values change by no more than rounding, except near the ends of float32: 1 / v is infinite for |v| below
2^-128 and loses digits above 2^126, and vectors multiplied together can overflow where x * v * w does not. On
the way back, what differs from a mean adds up to 0 even if it is infinite or NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile
from math import prod

from netdsl.graph import Node, Shape, Value, batches, is_batched
from netdsl.operations import REGISTRY
from netdsl.operations.movement import repeated_axes
from netdsl.passes.rewriting import Rewriter, Rule, is_a, number, operand, unrepeated

Operands = Sequence[Value]


# ---- factors that are repeated ------------------------------------------------------------------


def _without_ones(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Repeat a vector as such: [1, 1, c] and [c] are then the same value."""
    (x,) = operands
    if is_batched(x.shape) or len(x.shape) < 2 or x.shape[0] != 1:
        return None
    shape = _trimmed(x.shape) or (1,)
    source = operand(x) if is_a(x, "reshape") else x
    return source.reshape(shape).broadcast(node.shape)


def _reciprocal(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Divide the few, and multiply the many.

    Forward too, in spite of the ends of float32: if the way back alone does, a step of benchmarks/w10.net
    (batch 64, one thread) takes 165 ms instead of 136, and one of w6.net 71 instead of 67.
    """
    dividend, divisor = operands
    if not is_a(divisor, "broadcast") or operand(divisor).shape == () or is_a(dividend, "broadcast"):
        return None
    return dividend * (1.0 / operand(divisor)).broadcast(node.shape)


def _is_repeated_vector(value: Value) -> bool:
    return is_a(value, "broadcast") and not is_batched(operand(value).shape)


def _together(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Multiply two vectors before they are repeated."""
    if not is_batched(node.shape):
        return None
    for inner, outer in (operands, operands[::-1]):
        if not is_a(inner, "multiply") or not _is_repeated_vector(outer):
            continue
        for place in (0, 1):
            factor, rest = operand(inner, place), operand(inner, 1 - place)
            if _is_repeated_vector(factor) and not is_a(rest, "broadcast"):
                return rest * (unrepeated(factor) * unrepeated(outer)).broadcast(node.shape)
    return None


MOST_FACTORS = 8
"""How many factors a product is taken apart into at most: twenty squarings in turn have a million."""


def _factors(value: Value) -> list[Value]:
    """Return values that a value is the product of, the last ones perhaps products themselves."""
    found: list[Value] = []
    todo = [value]
    while todo and len(found) + len(todo) < MOST_FACTORS:
        each = todo.pop()
        if is_a(each, "multiply"):
            todo += [operand(each, 1), operand(each, 0)]
        else:
            found.append(each)
    return found + todo


def _factored(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Take all factors out of a sum over the batch that are the same along its axes."""
    (x,) = operands
    axes = node.setting("axes")
    if axes[0] != 0 or not is_a(x, "multiply"):
        return None
    factors = _factors(x)
    same = [each for each in factors if _is_same_along(each, axes)]
    others = [each for each in factors if not _is_same_along(each, axes)]
    if not same or not others:
        return None
    return (
        _product(sorted(others, key=lambda each: each.index)).sum(axes)
        * _product([operand(each) for each in same])
    ).reshape(node.shape)


def _is_same_along(value: Value, axes: Sequence[int]) -> bool:
    if not is_a(value, "broadcast") or is_batched(operand(value).shape):
        return False
    return set(axes) <= set(repeated_axes(operand(value).shape, value.shape))


def _product(factors: Sequence[Value]) -> Value:
    first, *others = factors
    for each in others:
        first = first * each
    return first


# ---- means and variances ------------------------------------------------------------------------


def _sums_over_batch(node: Node, x: Value) -> Sequence[int]:
    """Return the axes of a sum over the batch and places."""
    axes: tuple[int, ...] = node.setting("axes")
    return axes if axes[0] == 0 and is_batched(x.shape) else ()


def _less_its_mean(x: Value, axes: Sequence[int]) -> tuple[Value, Value] | None:
    """Return a value and its mean over some axes, if x is their difference."""
    if not axes or not is_a(x, "subtract") or not is_a(operand(x, 1), "broadcast"):
        return None
    value, mean = operand(x, 0), _unmoved(operand(x, 1))
    if not is_a(mean, "multiply"):
        return None
    places = batches(value.shape) * prod(value.shape[axis] for axis in axes[1:])
    for place in (0, 1):
        share, total = operand(mean, place), _unmoved(operand(mean, 1 - place))
        is_once = _trimmed(total.shape) == _trimmed(mean.shape)
        if is_once and _is_sum(total, value, axes) and _is_share(share, places):
            return value, mean
    return None


def _unmoved(value: Value) -> Value:
    """Return what repeats show, and reshapes that only add or drop leading axes of 1."""
    while is_a(value, "reshape", "broadcast") and not is_batched(operand(value).shape):
        if is_a(value, "reshape") and _trimmed(value.shape) != _trimmed(operand(value).shape):
            break
        value = operand(value)
    return value


def _trimmed(shape: Shape) -> Shape:
    """Return a shape without its leading axes of 1."""
    return tuple(dropwhile(lambda extent: extent == 1, shape))


def _is_sum(total: Value, value: Value, axes: Sequence[int]) -> bool:
    """Tell whether one value is the sum of another, in one piece or cut in two."""
    if not is_a(total, "sum"):
        return False
    inner = operand(total)
    if inner.index == value.index:
        return bool(total.node.setting("axes") == axes)
    is_in_two = is_a(inner, "sum") and operand(inner).index == value.index
    return is_in_two and (*total.node.setting("axes"), *inner.node.setting("axes")) == axes


ROWS = (2.0, 7.0)
"""Numbers of rows that a formula of theirs is tried with."""


def _is_share(value: Value, places: int) -> bool:
    """Tell whether a number is 1 / (rows * places)."""
    return all(
        (share := _at(unrepeated(value), rows)) is not None and abs(share * rows * places - 1) < 1e-9
        for rows in ROWS
    )


def _at(value: Value, rows: float) -> float | None:
    """Return a number that is known on the host, for so many rows."""
    if (known := number(value)) is not None:
        return known
    if is_a(value, "scalar"):
        return rows if value.node.setting("name") == "rows" else None
    if value.shape != () or not is_a(value, "multiply", "divide"):
        return None
    left, right = (_at(operand(value, place), rows) for place in (0, 1))
    if left is None or right is None:
        return None
    return left * right if is_a(value, "multiply") else left / right


def _zero(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Know that what differs from a mean adds up to nothing. Forward it may not be finite, and says so."""
    (x,) = operands
    if node.of != "gradient" or _less_its_mean(x, _sums_over_batch(node, x)) is None:
        return None
    return builder.constant(0.0).broadcast(node.shape)


def _times_zero(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Leave out what such a sum is multiplied by."""
    if node.of != "gradient" or is_batched(node.shape):
        return None
    if any(is_a(each, "broadcast") and number(each) == 0 for each in operands):
        return builder.constant(0.0).broadcast(node.shape)
    return None


def _plus_zero(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    left, right = operands
    return left if number(right) == 0 else right if number(left) == 0 else None


def _variance(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Sum squares around each example's own mean, and add what that is beside the mean of all.

    The images are then read while they are in the cache, and not once more when the mean of all is known.
    """
    (x,) = operands
    axes = _sums_over_batch(node, x)
    if len(axes) < 2 or not is_a(x, "multiply") or operand(x, 0).index != operand(x, 1).index:
        return None
    found = _less_its_mean(operand(x, 0), axes)
    if found is None:
        return None
    value, mean = found
    places = float(prod(value.shape[axis] for axis in axes[1:]))
    own = value.sum(axes[1:]) * (1 / places)
    apart = value - own.broadcast(value.shape)
    beside = own - mean.broadcast(own.shape)
    return ((apart * apart).sum(axes[1:]) + beside * beside * places).sum((0,))


# ---- slopes of relus and pools ------------------------------------------------------------------


def _is_zero(value: Value) -> bool:
    return number(value) == 0


def _by_result(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Ask a relu's result, which is kept anyway, whether it let its argument through."""
    x, zero = operands
    if not _is_zero(zero) or is_a(x, "maximum"):
        return None
    relu = replace(node, operation=REGISTRY["maximum"], dtype="float")
    result = builder.known(relu, (x, zero))
    return None if result is None else result.apply("greater", zero)


def _relu_after_pool(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Cut off what is negative when the greatest is found."""
    (x,) = operands
    if not is_a(x, "maximum") or not _is_zero(operand(x, 1)):
        return None
    return operand(x).apply("max_pool", **dict(node.settings)).pointwise("maximum", 0.0)


def _offset(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Add what all places of a window have in common to the greatest of them; its tap is the same."""
    (x,) = operands
    if not is_a(x, "add"):
        return None
    for place in (0, 1):
        offset, rest = operand(x, place), operand(x, 1 - place)
        if _is_repeated_vector(offset) and len(operand(offset).shape) <= 1:
            pooled = rest.apply(node.operation.name, **dict(node.settings))
            return pooled if node.dtype == "int" else pooled + operand(offset).broadcast(node.shape)
    return None


def _before_pool(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Stop a gradient at a relu before a pool before it is put back into the windows.

    Where it is put, the relu's result is the greatest of the window; where that is 0, nothing is put.
    """
    condition, given, zero = operands
    if not is_a(condition, "greater") or not _is_zero(operand(condition, 1)) or not _is_zero(zero):
        return None
    relu = operand(condition)
    if not is_a(given, "put_window") or not is_a(relu, "maximum") or not _is_zero(operand(relu, 1)):
        return None
    dy, taps = operand(given, 0), operand(given, 1)
    if not is_a(taps, "argmax_pool") or operand(taps).index != relu.index:
        return None
    settings = dict(taps.node.settings)
    best = relu.apply("max_pool", **settings)
    nothing = builder.constant(0.0).broadcast(dy.shape)
    kept = best.apply("greater", nothing).apply("where", dy, nothing)
    return kept.apply(
        "put_window", operand(relu).apply("argmax_pool", **settings), **dict(given.node.settings)
    )


def _put_sum(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Sum what a pool's windows give, of which each gives to one place, not the places: a quarter as many."""
    (x,) = operands
    if not is_a(x, "put_window") or not is_a(operand(x, 1), "argmax_pool"):
        return None
    axes = node.setting("axes")
    return operand(x).sum(axes) if {*range(1, len(x.shape) - 1)} <= {*axes} else None


# ---- sums in two --------------------------------------------------------------------------------


def _in_two(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Sum within each row, and then the rows, so that threads share out the rows."""
    (x,) = operands
    axes = node.setting("axes")
    if len(axes) < 2 or axes[0] != 0 or _is_total(x.shape, axes):
        return None
    return x.sum(axes[1:]).sum((0,))


def _is_total(shape: Shape, axes: Sequence[int]) -> bool:
    """Tell whether a sum is over all of a weight: a sweep over its tiles has partial sums of its own."""
    return not is_batched(shape) and len(shape) == 2 == len(axes)


RULES = (
    Rule("vectors without ones", ("broadcast",), "broadcast(x[1, c]) -> broadcast(x[c])", _without_ones),
    Rule("reciprocal", ("divide",), "x / broadcast(v) -> x * broadcast(1 / v)", _reciprocal),
    Rule("vectors together", ("multiply",), "x * v * w -> x * (v * w) for vectors", _together),
    Rule("differences from a mean", ("sum",), "sum(x - mean(x)) -> 0", _zero),
    Rule("times nothing", ("multiply",), "x * 0 -> 0 for a vector", _times_zero),
    Rule("plus nothing", ("add",), "x + 0 -> x", _plus_zero),
    Rule("variance in one pass", ("sum",), "sum((x - mean)^2) -> sum of those of examples", _variance),
    Rule("factors of a sum", ("sum",), "sum(x * v * w) -> sum(x) * v * w", _factored),
    Rule("sums in two", ("sum",), "sum over the batch and places -> over places, over the batch", _in_two),
    Rule("relu after pool", ("max_pool",), "max_pool(max(x, 0)) -> max(max_pool(x), 0)", _relu_after_pool),
    Rule("offset after pool", ("max_pool", "argmax_pool"), "max_pool(x + v) -> max_pool(x) + v", _offset),
    Rule("sum of what is put", ("sum",), "sum(put(d)) -> sum(d) over all places", _put_sum),
    Rule("slope by result", ("greater",), "x > 0 -> max(x, 0) > 0", _by_result),
    Rule("slope before pool", ("where",), "where(x > 0, put(d)) -> put(where(max(x) > 0, d))", _before_pool),
)  # fmt: skip
