"""The operators of the language: on what is known when compiled, and on values of the graph."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from netdsl.graph import Value
from netdsl.operations import product
from netdsl.semantics.frame import Site
from netdsl.semantics.items import (
    Interval,
    Item,
    Now,
    Objective,
    Quantity,
    Recipe,
    Tensor,
    Tool,
    Word,
    describe,
    is_number,
    text_of,
)
from netdsl.semantics.tensors import derived, lift, pointwise, real, single, trails, truth

MOST: Final = 2**53

_NODES: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "^": "power",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "==": "equal",
    "!=": "not_equal",
    "and": "logical_and",
    "or": "logical_or",
}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def unary(sign: str, item: Item, site: Site) -> Item:
    """Apply `-`, `+` or `not`."""
    match item:
        case Tensor() if sign == "not":
            return derived(site.add("logical_not", truth(item, site).value), [item])
        case Tensor():
            tensor = real(item, site)
            return tensor if sign == "+" else derived(site.add("negate", tensor.value), [tensor])
        case bool() if sign == "not":
            return not item
        case int() | float() if sign != "not" and is_number(item):
            return item if sign == "+" else -item
        case Quantity(value, unit) if sign != "not":
            return item if sign == "+" else Quantity(-value, unit)
        case Objective(loss, penalty) if sign != "not":
            if sign == "+":
                return item
            return Objective(_negated(loss, site), _negated(penalty, site))
        case tuple() if sign == "-" and item:
            return tuple(unary(sign, each, site) for each in item)
        case _:
            raise site.mistake("E0211", f"`{sign}` cannot be applied to {describe(item)}", "not possible")


def _negated(tensor: Tensor | None, site: Site) -> Tensor | None:
    return tensor and derived(site.add("negate", tensor.value), [tensor])


def binary(sign: str, left: Item, right: Item, site: Site) -> Item:
    """Apply an operator to two items."""
    if isinstance(left, Objective) or isinstance(right, Objective):
        return _objective(sign, left, right, site)
    if isinstance(left, Now) or isinstance(right, Now):
        shifted = _shifted(sign, left, right)
        if shifted is not None:
            return shifted
        left, right = timed(left, right, site)
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return _tensors(sign, left, right, site)
    if sign in ("and", "or"):
        return _logic(sign, left, right, site)
    if sign in ("==", "!="):
        return same(left, right, site) == (sign == "==")
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _quantities(sign, left, right, site)
    if is_number(left) and is_number(right):
        assert isinstance(left, (int, float))
        assert isinstance(right, (int, float))
        return _COMPARE[sign](left, right) if sign in _COMPARE else arithmetic(sign, left, right, site)
    if isinstance(left, (tuple, Interval)) or isinstance(right, (tuple, Interval)):
        return _tensors(sign, left, right, site)
    raise site.mistake(
        "E0211", f"`{sign}` cannot join {describe(left)} and {describe(right)}", "not possible"
    )


# ---- what is known when compiled ----------------------------------------------------------------


def arithmetic(sign: str, left: float, right: float, site: Site) -> int | float:
    """Compute with two numbers; a quotient of integers that comes out even stays an integer."""
    try:
        result = _compute(sign, left, right)
    except ZeroDivisionError:
        raise site.mistake("E0208", "this divides by zero", f"{left} {sign} {right}") from None
    except OverflowError:
        raise site.mistake("E0208", "this number is too large", f"{left} {sign} {right}") from None
    if isinstance(result, complex) or (isinstance(result, float) and not math.isfinite(result)):
        raise site.mistake("E0208", f"{left} {sign} {right} has no value", "not a number")
    if isinstance(result, int) and abs(result) > MOST:
        return float(result)
    return result


def _compute(sign: str, left: float, right: float) -> int | float | complex:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            exact = isinstance(left, int) and isinstance(right, int) and right != 0 and left % right == 0
            return left // right if exact else left / right
        case "^":
            whole = isinstance(left, int) and isinstance(right, int) and 0 <= right <= 64
            power: int | float | complex = left**right if whole else float(left) ** float(right)
            return power
        case _:
            raise OverflowError


def _logic(sign: str, left: Item, right: Item, site: Site) -> bool:
    for each in (left, right):
        if not isinstance(each, bool):
            raise site.mistake("E0211", f"`{sign}` joins conditions, not {describe(each)}", "not a condition")
    return bool(left and right) if sign == "and" else bool(left or right)


def same(left: Item, right: Item, site: Site) -> bool:
    """Tell whether two static items are equal."""
    match left, right:
        case Recipe(), Recipe():
            return left.definition is right.definition
        case Tool(), Tool():
            return left.function is right.function
        case (Recipe(), Tool()) | (Tool(), Recipe()):
            return False
        case (Word(), _) | (_, Word()):
            return left == right
        case tuple(), tuple():
            return len(left) == len(right) and all(same(a, b, site) for a, b in zip(left, right, strict=True))
        case (Quantity(), _) | (_, Quantity()):
            return bool(_quantities("==", left, right, site))
    if type(left) is type(right) or (is_number(left) and is_number(right)):
        return left == right
    raise site.mistake(
        "E0211", f"{describe(left)} and {describe(right)} can never be equal", "cannot be compared"
    )


def _quantities(sign: str, left: Item, right: Item, site: Site) -> Item:
    match left, right:
        case Quantity(a, unit), Quantity(b, other) if unit == other:
            if sign in _COMPARE:
                return _COMPARE[sign](a, b)
            if sign == "/":
                return arithmetic(sign, a, b, site)
            if sign in "+-":
                return Quantity(arithmetic(sign, a, b, site), unit)
        case Quantity(a, unit), int() | float() as b if sign in "*/" and is_number(b):
            return Quantity(arithmetic(sign, a, b, site), unit)
        case int() | float() as a, Quantity(b, unit) if sign == "*" and is_number(a):
            return Quantity(arithmetic(sign, a, b, site), unit)
    raise units_differ(sign, left, right, site)


def units_differ(sign: str, left: Item, right: Item, site: Site) -> Exception:
    """Return the error for operands whose units do not fit."""
    return site.mistake(
        "E0207",
        f"`{sign}` cannot join {describe(left)} and {describe(right)}",
        "the units do not fit",
        help="write both with the same unit: `10 epochs`, `500 steps`",
    )


def timed(left: Item, right: Item, site: Site) -> tuple[Item, Item]:
    """Return the operands with `now` as the epoch or the step, by the unit of the other one."""
    unit = _unit(left) or _unit(right)
    if unit not in ("epochs", "steps"):
        other = right if isinstance(left, Now) else left
        raise site.mistake(
            "E0207",
            f"`now` meets {describe(other)}, so it could mean the epoch or the step",
            "needs a unit",
            help="give the number a unit, `10 epochs` or `500 steps`, or write `epoch` or `step` for `now`",
        )
    return _clock(left, unit, site), _clock(right, unit, site)


def _shifted(sign: str, left: Item, right: Item) -> Now | None:
    """Return `now` moved or stretched by a plain number: it still waits for a unit."""
    match sign, left, right:
        case "+", Now(times, plus), int() | float() as number:
            return Now(times, plus + number)
        case "+", int() | float() as number, Now(times, plus):
            return Now(times, plus + number)
        case "-", Now(times, plus), int() | float() as number:
            return Now(times, plus - number)
        case "-", int() | float() as number, Now(times, plus):
            return Now(-times, number - plus)
        case "*", Now(times, plus), int() | float() as number:
            return Now(times * number, plus * number)
        case "*", int() | float() as number, Now(times, plus):
            return Now(times * number, plus * number)
    return None


def _clock(item: Item, unit: str, site: Site) -> Item:
    if not isinstance(item, Now):
        return item
    clock = Tensor(site.add("scalar", name={"epochs": "epoch", "steps": "step"}[unit]), unit=unit)
    for sign, number, neutral in (("*", item.times, 1), ("+", item.plus, 0)):
        if number != neutral:
            clock = replace(pointwise(_NODES[sign], site, clock, lift(number, site)), unit=unit)
    return clock


def _unit(item: Item) -> str | None:
    return item.unit if isinstance(item, (Quantity, Tensor)) else None


# ---- values of the graph ------------------------------------------------------------------------


def _tensors(sign: str, left: Item, right: Item, site: Site) -> Item:
    unit = _joined_unit(sign, left, right, site)
    if sign in ("and", "or"):
        return pointwise(_NODES[sign], site, _condition(left, site), _condition(right, site))
    a, b = lift(_plain(left), site), lift(_plain(right), site)
    if sign == "@":
        return matmul(real(a, site), real(b, site), site)
    if sign not in ("==", "!=") or a.value.dtype != b.value.dtype or a.classes or b.classes:
        a, b = real(a, site), real(b, site)
    return replace(pointwise(_NODES[sign], site, a, b), unit=unit)


def _condition(item: Item, site: Site) -> Tensor:
    if isinstance(item, bool):
        return Tensor(site.add("constant", value=item))
    return truth(lift(item, site), site)


def _plain(item: Item) -> Item:
    return item.value if isinstance(item, Quantity) else item


def _joined_unit(sign: str, left: Item, right: Item, site: Site) -> str | None:
    units = [_unit(left), _unit(right)]
    known = {each for each in units if each}
    if len(known) > 1:
        raise units_differ(sign, left, right, site)
    if sign in ("+", "-"):
        return next(iter(known), None)
    if sign in ("*", "/") and None in units:
        return units[0] if sign == "/" else next(iter(known), None)
    return None


def matmul(left: Tensor, right: Tensor, site: Site) -> Tensor:
    """Multiply matrices: the last axis of the left with the first of a weight, or as NumPy between batches.

    Shapes: a vector [n] by a matrix [n, m] is [m]; [.., n] by [n, m] is [.., m]; between two values with
    more axes, the leading ones go together.
    Errors: E0302 when the axes that meet differ.
    """
    for each in (left, right):
        if not each.shape:
            raise site.mistake(
                "E0302", "`@` multiplies vectors and matrices", "this is a number", secondary=each.trail
            )
    middle = max(len(right.shape) - 2, 0)
    if left.shape[-1] != right.shape[middle]:
        raise site.mistake(
            "E0302",
            f"{text_of(left.shape)} @ {text_of(right.shape)}: axes of unlike extents meet",
            "these must be equal",
            secondary=trails([left, right]),
        )
    if not _leading_fit(left, right):
        raise site.mistake(
            "E0302",
            f"{text_of(left.shape)} @ {text_of(right.shape)}: the leading axes differ",
            "these must be equal",
            secondary=trails([left, right]),
        )
    return derived(_product(left, right, middle, site), [left, right])


def _leading_fit(left: Tensor, right: Tensor) -> bool:
    return len(right.shape) <= 2 or left.shape[:-2] == right.shape[:-2]


def _product(left: Tensor, right: Tensor, middle: int, site: Site) -> Value:
    shift_a, shift_b = int(left.batched), int(right.batched)
    align = [(0, 0)] if shift_a and shift_b else []
    align += [(axis + shift_a, axis + shift_b) for axis in range(middle)]
    contract = (len(left.value.shape) - 1, middle + shift_b)
    with site.building():
        return product(left.value, right.value, (contract,), tuple(align))


# ---- losses and penalties -----------------------------------------------------------------------


def _objective(sign: str, left: Item, right: Item, site: Site) -> Item:
    match sign, left, right:
        case (("+" | "-"), _, _):
            a, b = as_objective(left, site), as_objective(right, site)
            return Objective(_join(sign, a.loss, b.loss, site), _join(sign, a.penalty, b.penalty, site))
        case (("*" | "/"), Objective(loss, penalty), factor) if not isinstance(factor, Objective):
            return Objective(_scaled(sign, loss, factor, site), _scaled(sign, penalty, factor, site))
        case "*", factor, Objective(loss, penalty) if not isinstance(factor, Objective):
            return Objective(_scaled(sign, loss, factor, site), _scaled(sign, penalty, factor, site))
    raise site.mistake(
        "E0607",
        f"`{sign}` cannot join {describe(left)} and {describe(right)}",
        "losses are added, and multiplied by numbers",
        help="a sum such as `cross_entropy + 0.001 * l1(weights)`",
    )


def as_objective(item: Item, site: Site) -> Objective:
    """Return an item as an objective: a value for each example as a loss."""
    if isinstance(item, Objective):
        return item
    given = real(lift(item, site), site)
    tensor = single(given, site)
    if tensor is None:
        raise site.mistake(
            "E0307",
            f"a loss gives one number an example; this gives {text_of(given.shape)}",
            "not one number",
            secondary=given.trail,
            help="reduce it: `sum(…)` or `mean(…)`",
        )
    return Objective(tensor, None) if tensor.batched else Objective(None, tensor)


def _join(sign: str, left: Tensor | None, right: Tensor | None, site: Site) -> Tensor | None:
    if left is None or right is None:
        return left or (_negated(right, site) if sign == "-" else right)
    return pointwise(_NODES[sign], site, left, right)


def _scaled(sign: str, tensor: Tensor | None, factor: Item, site: Site) -> Tensor | None:
    if tensor is None:
        return None
    scale = real(lift(factor, site), site)
    if scale.shape != () or scale.batched:
        raise site.mistake("E0607", "a loss is multiplied by a number", describe(factor))
    return pointwise(_NODES[sign], site, tensor, scale)
