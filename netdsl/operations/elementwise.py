"""The operations on each element alone.

Where a function has a corner its derivative is the one from the left: maximum(x, 0)' is 0 at 0 (PyTorch's
relu) and minimum(x, 0)' is 1 there (so that an ELU written with it is smooth). Between two values that both
depend on weights a tie sends half to each, as PyTorch does. abs'(0) is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.graph import DType, Node, Operation, Run, Setting, Shape
from netdsl.operations.define import elementwise, expect_count, expect_kind, expect_same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.graph import Value

Gradients = Sequence["Value | None"]

LIKE_CONSTANTS = frozenset({"broadcast", "reshape", "transpose", "negate", "stop_gradient", "cast"})
"""Operations that leave a constant one: seen through when a tie is to be decided."""


def is_constant(value: Value) -> bool:
    """Tell whether a value is a number of the model, and not one that depends on data or weights."""
    builder, index = value.builder, value.index
    while builder.node(index).operation.name in LIKE_CONSTANTS:
        index = builder.operands(index)[0]
    return builder.node(index).operation.name in {"constant", "scalar", "iota"}


def where(condition: Value, a: Value | float, b: Value | float) -> Value:
    """Take a where the condition holds, else b."""
    return condition.pointwise("where", a, b)


# ---- arithmetic -------------------------------------------------------------------------------


def _multiply_gradient(dy: Value, y: Value, a: Value, b: Value) -> Gradients:
    return dy * b, dy * a


def _divide_gradient(dy: Value, y: Value, a: Value, b: Value) -> Gradients:
    share = dy / b
    return share, -(share * y)


def _ratio_gradient(dy: Value, y: Value, a: Value, b: Value) -> Gradients:
    share = dy.pointwise("ratio", b)
    return share, -(share * y)


def _power_gradient(dy: Value, y: Value, a: Value, b: Value) -> Gradients:
    """Keep 0 ^ 0 and the logarithm of 0 out of what is multiplied: 0 * infinity would be NaN."""
    zero_exponent = b.pointwise("equal", 0.0)
    slope = b * a.pointwise("power", where(zero_exponent, 1.0, b - 1.0))
    to_a = dy * where(zero_exponent, 0.0, slope)
    zero = a.pointwise("equal", 0.0).apply("logical_and", b.pointwise("greater_equal", 0.0))
    to_b = dy * where(zero, 0.0, y * where(zero, 1.0, a).apply("log"))
    return to_a, to_b


def _safe_ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    zero = b == 0
    return np.where(zero, np.zeros_like(a), a / np.where(zero, np.ones_like(b), b))


def _side_of_divisor(a: np.ndarray, b: np.ndarray) -> Any:
    return np.sign(b)


def _side_of_root(a: np.ndarray, b: np.ndarray) -> Any:
    """A whole power of 1 and more is smooth at 0."""
    return np.where((b >= 1) & (b == np.rint(b)), 1.0, np.sign(a))


ARITHMETIC = (
    elementwise("add", 2, np.add, lambda dy, y, a, b: (dy, dy),
                "{0} + {1}", "{0} + {1}", "({0} + {1})", "The sum.", binds=4),
    elementwise("subtract", 2, np.subtract, lambda dy, y, a, b: (dy, -dy),
                "{0} - {1}", "{0} - {1}", "({0} - {1})", "The difference.", binds=4),
    elementwise("multiply", 2, np.multiply, _multiply_gradient,
                "{0} * {1}", r"{0} \cdot {1}", "({0} * {1})", "The product, element by element.", binds=5),
    elementwise("divide", 2, np.divide, _divide_gradient,
                "{0} / {1}", r"\frac{{{0}}}{{{1}}}", "({0} / {1})", "The quotient.",
                corners="{1} = 0", pieces=_side_of_divisor, binds=5),
    elementwise("ratio", 2, _safe_ratio, _ratio_gradient,
                "ratio({0}, {1})", r"\operatorname{{ratio}}({0}, {1})",
                "({0} / {1} if {1} != f32(0.0) else f32(0.0))",
                "The quotient, 0 where the divisor is 0.", corners="{1} = 0",
                pieces=_side_of_divisor),
    elementwise("negate", 1, np.negative, lambda dy, y, x: (-dy,),
                "-{0}", "-{0}", "(-{0})", "The negative.", binds=6),
    elementwise("power", 2, np.power, _power_gradient,
                "{0} ^ {1}", "{{{0}}}^{{{1}}}", "pow32({0}, {1})", "The power.", corners="{0} = 0", binds=7,
                pieces=_side_of_root),
)  # fmt: skip


# ---- functions of one value -------------------------------------------------------------------

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: np.ndarray) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _softplus(x: np.ndarray) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _sign_text() -> str:
    return "(f32(1.0) if {0} > f32(0.0) else (f32(-1.0) if {0} < f32(0.0) else {0}))"


FUNCTIONS = (
    elementwise("abs", 1, np.abs, lambda dy, y, x: (dy * x.apply("sign"),),
                "abs({0})", r"\left|{0}\right|", "abs({0})", "The absolute value.", corners="{0} = 0",
                pieces=np.sign),
    elementwise("sign", 1, np.sign, None,
                "sign({0})", r"\operatorname{{sign}}({0})", _sign_text(), "-1, 0 or 1.", corners="{0} = 0",
                pieces=np.sign),
    elementwise("exp", 1, np.exp, lambda dy, y, x: (dy * y,),
                "exp({0})", "e^{{{0}}}", "exp32({0})", "The exponential function."),
    elementwise("log", 1, np.log, lambda dy, y, x: (dy / x,),
                "log({0})", r"\ln({0})", "log32({0})", "The natural logarithm.", corners="{0} <= 0",
                pieces=np.sign),
    elementwise("log1p", 1, np.log1p, lambda dy, y, x: (dy / (x + 1.0),),
                "log1p({0})", r"\ln(1 + {0})", "log1p32({0})", "log(1 + x), precise near 0.",
                corners="{0} <= -1", pieces=lambda x: np.sign(x + 1)),
    elementwise("sqrt", 1, np.sqrt, lambda dy, y, x: (dy * 0.5 / y,),
                "sqrt({0})", r"\sqrt{{{0}}}", "sqrt32({0})", "The square root.", corners="{0} <= 0",
                pieces=np.sign),
    elementwise("sin", 1, np.sin, lambda dy, y, x: (dy * x.apply("cos"),),
                "sin({0})", r"\sin({0})", "sin32({0})", "The sine of radians."),
    elementwise("cos", 1, np.cos, lambda dy, y, x: (-(dy * x.apply("sin")),),
                "cos({0})", r"\cos({0})", "cos32({0})", "The cosine of radians."),
    elementwise("tanh", 1, np.tanh, lambda dy, y, x: (dy * (1.0 - y * y),),
                "tanh({0})", r"\tanh({0})", "tanh32({0})", "The hyperbolic tangent."),
    elementwise("arctan", 1, np.arctan, lambda dy, y, x: (dy / (x * x + 1.0),),
                "arctan({0})", r"\arctan({0})", "arctan32({0})", "The angle, in radians, with that tangent."),
    elementwise("erf", 1, _erf, lambda dy, y, x: (dy * (2 / math.sqrt(math.pi)) * (-(x * x)).apply("exp"),),
                "erf({0})", r"\operatorname{{erf}}({0})", "erf32({0})", "The error function."),
    elementwise("floor", 1, np.floor, None,
                "floor({0})", r"\lfloor {0} \rfloor", "floor32({0})", "The whole number below.",
                corners="whole numbers", pieces=np.floor),
    elementwise("ceil", 1, np.ceil, None,
                "ceil({0})", r"\lceil {0} \rceil", "ceil32({0})", "The whole number above.",
                corners="whole numbers", pieces=np.ceil),
    elementwise("round", 1, np.rint, None,
                "round({0})", r"\operatorname{{round}}({0})", "round32({0})",
                "The nearest whole number, of two the even one.", corners="halves", pieces=np.rint),
    elementwise("sigmoid", 1, _sigmoid, lambda dy, y, x: (dy * (y * (1.0 - y)),),
                "sigmoid({0})", r"\sigma({0})", "sigmoid32({0})", "1 / (1 + exp(-x)), for any x.",
                expand=lambda x: 1.0 / ((-x).apply("exp") + 1.0)),
    elementwise("softplus", 1, _softplus, lambda dy, y, x: (dy * x.apply("sigmoid"),),
                "softplus({0})", r"\operatorname{{softplus}}({0})", "softplus32({0})",
                "log(1 + exp(x)), for any x.",
                expand=lambda x: x.pointwise("maximum", 0.0) + (-x.apply("abs")).apply("exp").apply("log1p")),
    elementwise("stop_gradient", 1, lambda x: x, None,
                "stop_gradient({0})", "{0}", "{0}", "The value itself, through which no gradient flows."),
)  # fmt: skip


# ---- choices ----------------------------------------------------------------------------------


def _which_is_greater(a: np.ndarray, b: np.ndarray) -> Any:
    return np.sign(a - b)


def _maximum_gradient(dy: Value, y: Value, a: Value, b: Value) -> Gradients:
    if is_constant(b):
        return where(a.pointwise("greater", b), dy, 0.0), None
    if is_constant(a):
        return None, where(b.pointwise("greater", a), dy, 0.0)
    return _shared_at_ties(dy, a.pointwise("greater", b), a.pointwise("less", b))


def _minimum_gradient(dy: Value, y: Value, a: Value, b: Value) -> Gradients:
    if is_constant(b):
        return where(a.pointwise("less_equal", b), dy, 0.0), None
    if is_constant(a):
        return None, where(b.pointwise("less_equal", a), dy, 0.0)
    return _shared_at_ties(dy, a.pointwise("less", b), a.pointwise("greater", b))


def _shared_at_ties(dy: Value, a_wins: Value, b_wins: Value) -> Gradients:
    half = dy * 0.5
    return where(a_wins, dy, where(b_wins, 0.0, half)), where(b_wins, dy, where(a_wins, 0.0, half))


def _where_shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    expect_count("where", operands, 3)
    expect_kind("where", operands[0], "bool")
    expect_same("where", operands[1:])
    if operands[0].shape != operands[1].shape:
        raise ValueError("where takes a condition of the shape of its branches")
    return operands[1].shape, operands[1].dtype


def _where_meaning(node: Node, run: Run, condition: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(condition, a, b)


def _where_gradient(dy: Value, y: Value, condition: Value, a: Value, b: Value) -> Gradients:
    return None, where(condition, dy, 0.0), where(condition, 0.0, dy)


CHOICES = (
    elementwise("minimum", 2, np.minimum, _minimum_gradient,
                "min({0}, {1})", r"\min({0}, {1})",
                "({0} if ({0} < {1}) | ({0} != {0}) else {1})",
                "The smaller of two; NaN if one is.", corners="{0} = {1}", pieces=_which_is_greater),
    elementwise("maximum", 2, np.maximum, _maximum_gradient,
                "max({0}, {1})", r"\max({0}, {1})",
                "({0} if ({0} > {1}) | ({0} != {0}) else {1})",
                "The greater of two; NaN if one is.", corners="{0} = {1}", pieces=_which_is_greater),
    Operation("where", "elementwise", _where_shape, _where_meaning, _where_gradient,
              "where({0}, {1}, {2})", r"({1} \text{{ if }} {0} \text{{ else }} {2})",
              "({1} if {0} else {2})", doc="The first branch where the condition holds, else the second."),
)  # fmt: skip


# ---- comparisons and logic --------------------------------------------------------------------

COMPARISONS = tuple(
    elementwise(name, 2, evaluate, None,
                f"{{0}} {sign} {{1}}", f"{{0}} {latex} {{1}}", f"({{0}} {sign} {{1}})", doc,
                takes=None, gives="bool", binds=3)
    for name, evaluate, sign, latex, doc in (
        ("less", np.less, "<", "<", "Whether the first is smaller."),
        ("less_equal", np.less_equal, "<=", r"\le", "Whether the first is not greater."),
        ("greater", np.greater, ">", ">", "Whether the first is greater."),
        ("greater_equal", np.greater_equal, ">=", r"\ge", "Whether the first is not smaller."),
        ("equal", np.equal, "==", "=", "Whether both are equal."),
        ("not_equal", np.not_equal, "!=", r"\ne", "Whether they differ."),
    )
)  # fmt: skip

LOGIC = (
    elementwise("logical_and", 2, np.logical_and, None, "{0} and {1}", r"{0} \land {1}", "({0} & {1})",
                "Whether both hold.", takes="bool", gives="bool", binds=2),
    elementwise("logical_or", 2, np.logical_or, None, "{0} or {1}", r"{0} \lor {1}", "({0} | {1})",
                "Whether one holds.", takes="bool", gives="bool", binds=1),
    elementwise("logical_not", 1, np.logical_not, None, "not {0}", r"\lnot {0}", "(not {0})",
                "Whether it does not hold.", takes="bool", gives="bool", binds=3),
)  # fmt: skip


# ---- kinds ------------------------------------------------------------------------------------

_TYPES = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def _cast_shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    expect_count("cast", operands, 1)
    if settings["dtype"] not in _TYPES:
        raise ValueError(f"cast knows float, int and bool, not {settings['dtype']}")
    return operands[0].shape, settings["dtype"]


def _cast_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return x.astype(_TYPES[node.dtype])


def _cast_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (dy if x.dtype == y.dtype == "float" else None,)


CASTS = (
    Operation("cast", "elementwise", _cast_shape, _cast_meaning, _cast_gradient,
              "{dtype}({0})", r"\operatorname{{{dtype}}}({0})", "{dtype}_of({0})",
              doc="The same value as another kind; yes is 1, no is 0, a number becomes whole towards 0."),
)  # fmt: skip

OPERATIONS = (*ARITHMETIC, *FUNCTIONS, *CHOICES, *COMPARISONS, *LOGIC, *CASTS)
