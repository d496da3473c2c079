"""Rules of arithmetic and logic: what a formula is by school algebra, rounding aside.

Nothing that can be NaN or infinite is dropped: x * 0 stays, x - x stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from netdsl.graph import Node, Run, Value, broadcast_shapes
from netdsl.operations import REGISTRY
from netdsl.passes.patterns import AnyNumber, Hole, call, rule
from netdsl.passes.rewriting import Rewriter, Rule, is_a, number, operand, truth, unrepeated

x, y = Hole("x"), Hole("y")
a, b = AnyNumber("a"), AnyNumber("b")
absolute, maximum, minimum, negate = call("abs"), call("maximum"), call("minimum"), call("negate")

ELEMENTWISE: Final = tuple(name for name, each in REGISTRY.items() if each.family == "elementwise")


def usable(value: float) -> bool:
    """Tell whether a factor made of two is a number that float32 holds well."""
    return value == 0 or 1e-30 < abs(value) < 1e30


# ---- numbers known now ------------------------------------------------------------------------


def _fold(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    """Work out an operation on constants, unless the result is infinite or NaN."""
    if not operands or not all(is_a(each, "constant") for each in operands):
        return None
    nodes = [each.node for each in operands]
    arrays = [np.asarray(each.operation.evaluate(each, Run(0))) for each in nodes]
    with np.errstate(all="ignore"):
        result = np.asarray(node.operation.evaluate(node, Run(0), *arrays))
    if not np.all(np.isfinite(result)) or (result.ndim and node.dtype != "float"):
        return None
    value = result.item() if result.ndim == 0 else tuple(map(float, result))
    return builder.apply("constant", value=value)


def _once(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    """Compute with what is repeated before it is repeated."""
    if not operands or not all(is_a(each, "broadcast") for each in operands):
        return None
    sources = [unrepeated(each) for each in operands]
    shape = broadcast_shapes([each.shape for each in sources])
    if shape == node.shape:
        return None
    small = [each.broadcast(shape) for each in sources]
    return builder.apply(node.operation.name, *small, **dict(node.settings)).broadcast(node.shape)


NUMBERS = (
    Rule("constants", ELEMENTWISE, "an operation on constants -> its result", _fold, quiet=True),
    Rule(
        "repeat last",
        ELEMENTWISE,
        "f(broadcast(x)) -> broadcast(f(x))",
        _once,
        quiet=True,
    ),
)


# ---- choices known now ------------------------------------------------------------------------


def _known_branch(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    condition, yes, no = operands
    known = truth(condition)
    if known is not None:
        return yes if known else no
    return yes if yes.index == no.index else None


def _negated_condition(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    condition, yes, no = operands
    return operand(condition).apply("where", no, yes) if is_a(condition, "logical_not") else None


def _known_logic(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    """Yes and x is x, yes or x is yes, and the like; x and x is x."""
    decisive = node.operation.name == "logical_or"
    for one, other in (operands, operands[::-1]):
        known = truth(one)
        if known is not None:
            return one if known == decisive else other
    return operands[0] if operands[0].index == operands[1].index else None


def _double_not(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    return operand(operands[0]) if is_a(operands[0], "logical_not") else None


def _same_kind(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    return operands[0] if operands[0].dtype == node.dtype else None


BRANCHES = (
    Rule("known branch", ("where",), "where(yes, x, y) -> x, where(no, x, y) -> y", _known_branch),
    Rule("condition negated", ("where",), "where(not c, x, y) -> where(c, y, x)", _negated_condition),
    Rule("known condition", ("logical_and", "logical_or"), "yes and c -> c, no or c -> c", _known_logic),
    Rule("double not", ("logical_not",), "not not c -> c", _double_not),
    Rule("cast to itself", ("cast",), "float(x) -> x where x is float", _same_kind, quiet=True),
)


# ---- signs ------------------------------------------------------------------------------------


def _signs_of_product(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    """Bring minus signs out of products and quotients, or into a number."""
    left, right = operands
    name = node.operation.name
    if not is_a(left, "negate") and not is_a(right, "negate"):
        return None
    if is_a(left, "negate") and number(right) is not None:
        return operand(left).apply(name, -right)
    inner_left = operand(left) if is_a(left, "negate") else left
    inner_right = operand(right) if is_a(right, "negate") else right
    value = inner_left.apply(name, inner_right)
    return value if is_a(left, "negate") and is_a(right, "negate") else -value


SIGNS = (
    rule("double negation", negate(-x), lambda x: x, "x", quiet=True),
    rule("negated multiple", -(x * a), lambda x, a: x * -a, "x * -a", quiet=True),
    rule("negated difference", -(x - y), lambda x, y: y - x, "y - x", quiet=True),
    rule("plus minus", x + -y, lambda x, y: x - y, "x - y", quiet=True),
    rule("minus minus", x - -y, lambda x, y: x + y, "x + y", quiet=True),
    rule(
        "minus a multiple",
        x - y * a,
        lambda x, y, a: x + y * -a if a < 0 else None,
        "x + y * -a if a < 0",
        quiet=True,
    ),
    Rule(
        "sign of a product",
        ("multiply", "divide", "ratio"),
        "-x * y -> -(x * y)",
        _signs_of_product,
        quiet=True,
    ),
    rule("absolute of a negative", absolute(-x), lambda x: x.apply("abs"), "abs(x)"),
    rule("absolute twice", absolute(absolute(x)), lambda x: x.apply("abs"), "abs(x)"),
    rule("negative sum", negate(x + a), lambda x, a: -a - x, "-a - x", quiet=True),
)


# ---- neutral numbers and chains of numbers -----------------------------------------------------


def _chained(name: str) -> Rule:
    """(x + a) + b -> x + (a + b), and so for products, where a and b are known before a step begins."""

    def attempt(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
        inner, outer = operands
        if not is_a(inner, name) or not builder.is_on_host(unrepeated(outer)):
            return None
        value, known = operand(inner, 0), operand(inner, 1)
        if not builder.is_on_host(unrepeated(known)) or builder.is_on_host(unrepeated(value)):
            return None
        joined = known.apply(name, outer)
        result = number(joined)
        return None if result is not None and not usable(result) else value.apply(name, joined)

    sign = {"add": "+", "multiply": "*"}[name]
    says = f"(x {sign} a) {sign} b -> x {sign} (a {sign} b)"
    return Rule(f"numbers together by {name}", (name,), says, attempt, quiet=True)


def _divided_by_number(x: Value, a: float) -> Value | None:
    """Multiply by the reciprocal instead."""
    return x * (1 / a) if a != 0 and usable(1 / a) and number(x) is None else None


def _divided_on_host(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    """Divide once, before the step, and multiply by the result."""
    dividend, divisor = operands
    if not builder.is_on_host(unrepeated(divisor)) or builder.is_on_host(unrepeated(dividend)):
        return None
    return dividend * (1.0 / unrepeated(divisor))


def _power(x: Value, a: float) -> Value | None:
    """Multiply for small whole powers, take roots for halves."""
    if a == 0:
        return x.builder.constant(1.0).broadcast(x.shape)
    if a < 0:
        return 1.0 / x.pointwise("power", -a) if a in {-0.5, -1, -2, -3, -4} else None
    square = x * x if a >= 2 else x
    match a:
        case 0.5:
            return x.apply("sqrt")
        case 1:
            return x
        case 1.5:
            return x * x.apply("sqrt")
        case 2:
            return square
        case 3:
            return square * x
        case 4:
            return square * square
    return None


def _greatest(x: Value, a: float, b: float) -> Value:
    return x.pointwise("maximum", max(a, b))


def _smallest(x: Value, a: float, b: float) -> Value:
    return x.pointwise("minimum", min(a, b))


def _ratio(x: Value, a: float) -> Value:
    return x / a if a != 0 else x.builder.constant(0.0).broadcast(x.shape)


ARITHMETIC = (
    rule("plus 0", x + 0, lambda x: x, "x", quiet=True),
    rule("minus a number", x - a, lambda x, a: x + -a if number(x) is None else None, "x + -a", quiet=True),
    rule("0 minus", 0 - x, lambda x: -x, "-x", quiet=True),
    rule("times 1", x * 1, lambda x: x, "x", quiet=True),
    rule("times -1", x * -1, lambda x: -x, "-x", quiet=True),
    rule("divided by a number", x / a, _divided_by_number, "x * (1/a)", quiet=True),
    Rule("divided by a scalar", ("divide",), "x / s -> x * (1/s), s a scalar", _divided_on_host, quiet=True),
    rule("ratio to a number", call("ratio")(x, a), _ratio, "x / a, 0 if a is 0"),
    rule("a sum of equals", x + x, lambda x: x * 2.0, "x * 2"),
    rule("a number less a sum", a - (x + b), lambda x, a, b: (a - b) - x, "(a - b) - x", quiet=True),
    rule("a number less a difference", a - (b - x), lambda x, a, b: x + (a - b), "x + (a - b)", quiet=True),
    rule("a difference and a number", (a - x) + b, lambda x, a, b: (a + b) - x, "(a + b) - x", quiet=True),
    _chained("add"),
    _chained("multiply"),
    rule("power of a number", x**a, _power, "x * x, sqrt(x), 1 / x, …"),
    rule("maximum twice", maximum(maximum(x, a), b), _greatest, "max(x, max(a, b))"),
    rule("minimum twice", minimum(minimum(x, a), b), _smallest, "min(x, min(a, b))"),
    rule("greater of equals", maximum(x, x), lambda x: x, "x"),
    rule("smaller of equals", minimum(x, x), lambda x: x, "x"),
)  # fmt: skip

RULES = (*NUMBERS, *BRANCHES, *SIGNS, *ARITHMETIC)
