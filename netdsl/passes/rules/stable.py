"""Rules that recognize functions by their formulas, and give them the form that is exact for any argument.

A model says 1 / (1 + exp(-x)) and a loss log(p); in float32 both overflow or lose all digits far from 0.
What stands in their place has the same value, finite and with the right gradient for any logit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from netdsl.graph import Node, Value
from netdsl.operations.movement import repeated_axes
from netdsl.passes.patterns import Hole, call, rule
from netdsl.passes.rewriting import Rewriter, Rule, is_a, number, operand, unrepeated

Operands = Sequence[Value]
x, y = Hole("x"), Hole("y")
exp, log, log1p, tanh = call("exp"), call("log"), call("log1p"), call("tanh")
sigmoid, softplus = call("sigmoid"), call("softplus")


# ---- sigmoid, tanh, softplus ------------------------------------------------------------------


def _sigmoid(x: Value) -> Value:
    return x.apply("sigmoid")


def _half_tanh(x: Value) -> Value:
    return (x * 0.5).apply("tanh")


MOVES: Final = ("reshape", "transpose", "slice", "pick", "broadcast")
"""Operations that move the elements of their first operand, and compute nothing."""


def _inside(value: Value, change: Callable[[Value], Value]) -> Value:
    """Change what a move moves, and move it again."""
    inner, *others = (operand(value, place) for place in range(len(value.builder.operands(value.index))))
    return change(inner).apply(value.node.operation.name, *others, **dict(value.node.settings))


def _counterpart(x: Value) -> Value | None:
    """Return 1 - x, where x is a sigmoid that may have been moved."""
    inner = x
    while is_a(inner, *MOVES):
        inner = operand(inner)
    return _flipped(x) if is_a(inner, "sigmoid") else None


def _flipped(x: Value) -> Value:
    return _sigmoid(-operand(x)) if is_a(x, "sigmoid") else _inside(x, _flipped)


FUNCTIONS = (
    rule("tanh", (exp(x) - exp(y)) / (exp(x) + exp(y)), lambda x, y: _half_tanh(x - y), "tanh((x - y) / 2)"),
    rule("tanh", (exp(x) + -1) / (exp(x) + 1), lambda x: _half_tanh(x), "tanh(x / 2)"),
    rule("tanh", (1 - exp(x)) / (exp(x) + 1), lambda x: -_half_tanh(x), "-tanh(x / 2)"),
    rule("tanh", sigmoid(x) * 2 + -1, lambda x: _half_tanh(x), "tanh(x / 2)"),
    rule("tanh", 1 - sigmoid(x) * 2, lambda x: -_half_tanh(x), "-tanh(x / 2)"),
    rule("sigmoid", exp(x) / (exp(x) + 1), lambda x: _sigmoid(x), "sigmoid(x)"),
    rule("sigmoid", y / (exp(x) + 1), lambda x, y: y * _sigmoid(-x), "y * sigmoid(-x)"),
    rule("sigmoid", (tanh(x) + 1) * 0.5, lambda x: _sigmoid(x * 2.0), "sigmoid(2 * x)"),
    rule("sigmoid", tanh(x) * 0.5 + 0.5, lambda x: _sigmoid(x * 2.0), "sigmoid(2 * x)"),
    rule("counterpart of a sigmoid", 1 - x, _counterpart, "sigmoid(-z) where x is sigmoid(z)", early=True),
    rule("odd function", tanh(-x), lambda x: -x.apply("tanh"), "-tanh(x)", quiet=True),
    rule("softplus", log(exp(x) + 1), lambda x: x.apply("softplus"), "softplus(x)"),
    rule("softplus", log1p(exp(x)), lambda x: x.apply("softplus"), "softplus(x)"),
)  # fmt: skip


# ---- softmax ----------------------------------------------------------------------------------

REDUCTIONS: Final = ("maximum_over", "minimum_over", "sum", "logsumexp")
"""Operations that are NaN where one of what they reduce is NaN."""


def _softmax(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Recognize exp(x) / sum(exp(x)), over one axis or several that are neighbors."""
    powers, total = operands[0], unrepeated(operands[1])
    if not is_a(powers, "exp") or not is_a(total, "sum") or operand(total).index != powers.index:
        return None
    axes: tuple[int, ...] = total.node.setting("axes")
    return _over_axes(operand(powers), axes)


def _over_axes(scores: Value, axes: Sequence[int]) -> Value | None:
    first, last = axes[0], axes[-1]
    if len(axes) == 1:
        return scores.apply("softmax", axis=first)
    inside = scores.shape[first : last + 1]
    if len(inside) != len(axes) or min(inside) < 0:
        return None
    joined = 1
    for extent in inside:
        joined *= extent
    flat = scores.reshape((*scores.shape[:first], joined, *scores.shape[last + 1 :]))
    return flat.apply("softmax", axis=first).reshape(scores.shape)


def _unshifted(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Drop what is added to all scores alike: it cancels. The stable form takes off the greatest itself.

    Anything else than a number or a reduction of the scores stays: a NaN in it is to be seen.
    """
    (scores,) = operands
    axis = node.setting("axis")
    if not is_a(scores, "add", "subtract"):
        return None
    unshifted, shift = operand(scores), operand(scores, 1)
    if not is_a(shift, "broadcast") or axis not in repeated_axes(operand(shift).shape, shift.shape):
        return None
    if number(shift) is None and not _is_reduced(shift, unshifted):
        return None
    return unshifted.apply(node.operation.name, axis=axis)


def _is_reduced(shift: Value, scores: Value) -> bool:
    """Tell whether a value is a multiple of the greatest, the least, the sum or the mean of some scores."""
    while is_a(shift, "broadcast", "reshape", "stop_gradient", "negate") or _is_multiple(shift):
        shift = operand(shift)
    return is_a(shift, *REDUCTIONS) and operand(shift).index == scores.index


def _is_multiple(value: Value) -> bool:
    return is_a(value, "multiply", "divide") and number(operand(value, 1)) is not None


def _log_softmax(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    scores, total = operands[0], unrepeated(operands[1])
    if is_a(total, "logsumexp") and operand(total).index == scores.index:
        return scores.apply("log_softmax", axis=total.node.setting("axis"))
    return None


SOFTMAX = (
    Rule("softmax", ("divide",), "exp(x) / sum(exp(x), over=a) -> softmax(x, over=a)", _softmax),
    Rule(
        "shifted scores",
        ("softmax", "log_softmax"),
        "softmax(x - max(x)) -> softmax(x), so min, sum, mean or a number",
        _unshifted,
    ),
    Rule("scores less their logsumexp", ("subtract",), "x - logsumexp(x) -> log_softmax(x)", _log_softmax),
)


# ---- logarithms -------------------------------------------------------------------------------


def _has_logarithm(value: Value, depth: int = 5) -> bool:
    """Tell whether the logarithm of a value is known without taking it."""
    if depth == 0:
        return False
    known = number(value)
    if known is not None:
        return known > 0
    places: tuple[int, ...]
    match value.node.operation.name:
        case "exp" | "sigmoid" | "softmax":
            return True
        case "sum":
            return is_a(operand(value), "exp") and len(value.node.setting("axes")) == 1
        case "reshape" | "transpose" | "slice" | "pick" | "broadcast":
            places = (0,)
        case "multiply" | "divide" | "maximum" | "minimum":
            places = (0, 1)
        case "where":
            places = (1, 2)
        case "concat":
            places = tuple(range(len(value.builder.operands(value.index))))
        case _:
            return False
    return all(_has_logarithm(operand(value, place), depth - 1) for place in places)


def _logarithm(x: Value) -> Value:
    return x.apply("log")


def _log_inward(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Take the logarithm of what a value is made of: of a product the sum, of a choice the choice, …"""
    (x,) = operands
    if not _has_logarithm(x):
        return None
    parts = [operand(x, place) for place in range(len(builder.operands(x.index)))]
    match x.node.operation.name:
        case "reshape" | "transpose" | "slice" | "pick" | "broadcast":
            return _inside(x, _logarithm)
        case "multiply":
            return _logarithm(parts[0]) + _logarithm(parts[1])
        case "divide":
            return _logarithm(parts[0]) - _logarithm(parts[1])
        case "maximum" | "minimum":
            return _logarithm(parts[0]).apply(x.node.operation.name, _logarithm(parts[1]))
        case "where":
            return parts[0].apply("where", _logarithm(parts[1]), _logarithm(parts[2]))
        case "concat":
            logarithms = [_logarithm(each) for each in parts]
            return builder.apply("concat", *logarithms, **dict(x.node.settings))
    return None


def _log_of_softmax(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    return operand(x).apply("log_softmax", axis=x.node.setting("axis")) if is_a(x, "softmax") else None


def _softmax_of_log(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    return operand(x).apply("softmax", axis=x.node.setting("axis")) if is_a(x, "log_softmax") else None


def _log_of_sum(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    (x,) = operands
    if not is_a(x, "sum") or not is_a(operand(x), "exp") or len(x.node.setting("axes")) != 1:
        return None
    return operand(operand(x)).apply("logsumexp", axis=x.node.setting("axes")[0])


def _power_of_logarithm(x: Value) -> Value | None:
    never_negative = is_a(x, "abs", "sqrt", "exp", "softplus", "sigmoid", "softmax")
    return x if never_negative else None


LOGARITHMS = (
    rule("logarithm of a power", log(exp(x)), lambda x: x, "x"),
    rule("logarithm of a sigmoid", log(sigmoid(x)), lambda x: -((-x).apply("softplus")), "-softplus(-x)"),
    Rule("logarithm of a softmax", ("log",), "log(softmax(x)) -> log_softmax(x)", _log_of_softmax),
    Rule("logarithm of a sum of powers", ("log",), "log(sum(exp(x))) -> logsumexp(x)", _log_of_sum),
    Rule("logarithm of the parts", ("log",), "log(p * q) -> log(p) + log(q), p, q sigmoids, …", _log_inward),
    rule("log1p", log(x + 1), lambda x: x.apply("log1p"), "log1p(x)"),
    Rule("power of a log-softmax", ("exp",), "exp(log_softmax(x)) -> softmax(x)", _softmax_of_log),
    rule("power of a softplus", exp(-softplus(x)), lambda x: _sigmoid(-x), "sigmoid(-x)"),
    rule("power of a logarithm", exp(log(x)), _power_of_logarithm, "x where x is never negative"),
)  # fmt: skip

RULES = (*FUNCTIONS, *SOFTMAX, *LOGARITHMS)
