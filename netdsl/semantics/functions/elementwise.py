"""The functions on each number alone: of a number known when compiled a number, of a tensor a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from netdsl.semantics.frame import Site
from netdsl.semantics.functions.function import Function, Given
from netdsl.semantics.functions.reductions import REDUCING
from netdsl.semantics.items import Item, Now, Quantity, Tensor, is_number
from netdsl.semantics.operators import timed
from netdsl.semantics.tensors import derived, expected, lift, pointwise, real, truth

_STATIC: Final[dict[str, Callable[[float], float]]] = {
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "arctan": math.atan,
    "erf": math.erf,
    "sign": lambda x: (x > 0) - (x < 0),
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
}


def _unary(name: str) -> Function:
    def run(site: Site, given: Given) -> Item:
        item, span = given["x"]
        if isinstance(item, (int, float)) and is_number(item):
            return _static(name, item, site)
        tensor = real(lift(item, site, span), site)
        return derived(site.add(name, tensor.value), [tensor])

    return Function(name, ("x",), 1, run, elementwise=True)


def _static(name: str, number: float, site: Site) -> Item:
    try:
        return _STATIC[name](number)
    except (ValueError, OverflowError):
        raise site.mistake("E0208", f"{name}({number:g}) has no value", "not a number") from None


def _operands(site: Site, given: Given, *names: str) -> list[Tensor] | list[float]:
    """Return the arguments: all as numbers where they are, else as tensors."""
    items = [given[name][0] for name in names]
    if any(isinstance(each, Now) for each in items):
        quantity = next((each for each in items if isinstance(each, Quantity)), items[0])
        items = [timed(each, quantity, site)[0] if isinstance(each, Now) else each for each in items]
    items = [each.value if isinstance(each, Quantity) else each for each in items]
    numbers = [each for each in items if isinstance(each, (int, float)) and is_number(each)]
    if len(numbers) == len(items):
        return numbers
    return [real(lift(item, site, given[name][1]), site) for item, name in zip(items, names, strict=True)]


def _numbers(operands: list[Tensor] | list[float]) -> list[float] | None:
    return (
        None
        if any(isinstance(each, Tensor) for each in operands)
        else [x for x in operands if not isinstance(x, Tensor)]
    )


def _tensors(operands: list[Tensor] | list[float]) -> list[Tensor]:
    return [each for each in operands if isinstance(each, Tensor)]


def _extreme(name: str, node: str, static: Callable[[float, float], float]) -> Function:
    """`min`, `max`: of two, element by element; of one, over axes."""

    def run(site: Site, given: Given) -> Item:
        if "b" not in given:
            return REDUCING[name].run(
                site, {("x" if key == "a" else key): each for key, each in given.items()}
            )
        if len(given) > 2:
            raise site.mistake(
                "E0204", f"`{name}` of two values has no `over`", "compares element by element"
            )
        operands = _operands(site, given, "a", "b")
        numbers = _numbers(operands)
        return static(*numbers) if numbers else pointwise(node, site, *_tensors(operands))

    return Function(name, ("a", "b", "over", "drop"), 1, run)


def _clip(site: Site, given: Given) -> Item:
    operands = _operands(site, given, "x", "low", "high")
    numbers = _numbers(operands)
    if numbers:
        return min(max(numbers[0], numbers[1]), numbers[2])
    x, low, high = _tensors(operands)
    return pointwise("minimum", site, pointwise("maximum", site, x, low), high)


def _ratio(site: Site, given: Given) -> Item:
    operands = _operands(site, given, "a", "b")
    numbers = _numbers(operands)
    if numbers:
        return numbers[0] / numbers[1] if numbers[1] else 0
    return pointwise("ratio", site, *_tensors(operands))


def choose(condition: Item, a: Item, b: Item, site: Site) -> Item:
    """Take one branch for each element: `where(c, a, b)`."""
    if isinstance(condition, bool):
        return a if condition else b
    if not isinstance(condition, Tensor):
        raise expected("a condition", condition, "what is asked", site)
    branches = [real(lift(each, site), site) for each in (a, b)]
    return pointwise("where", site, truth(condition, site), *branches)


def _where(site: Site, given: Given) -> Item:
    return choose(given["condition"][0], given["a"][0], given["b"][0], site)


def _stop_gradient(site: Site, given: Given) -> Item:
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    return derived(site.add("stop_gradient", tensor.value), [tensor])


def _gradient(site: Site, given: Given) -> Item:
    y, x = (real(lift(*_placed(given, name, site)), site) for name in ("y", "x"))
    if y.shape != ():
        raise site.mistake(
            "E0307",
            "the gradient is of one number an example",
            "not one number",
            secondary=y.trail,
            help="reduce it first: `gradient(sum(y), x)`",
        )
    return Tensor(site.add("gradient_of", y.value, x.value), x.trail)


def _placed(given: Given, name: str, site: Site) -> tuple[Item, Site]:
    item, span = given[name]
    return item, site.frame.site(span)


FUNCTIONS: Final = (
    *(_unary(name) for name in _STATIC),
    _extreme("min", "minimum", min),
    _extreme("max", "maximum", max),
    Function("clip", ("x", "low", "high"), 3, _clip),
    Function("ratio", ("a", "b"), 2, _ratio),
    Function("where", ("condition", "a", "b"), 3, _where),
    Function("stop_gradient", ("x",), 1, _stop_gradient),
    Function("gradient", ("y", "x"), 2, _gradient),
)
