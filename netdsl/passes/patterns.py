"""Formulas with holes, written with operators, and how a value is compared with one.

`1 / (exp(x) + 1)` is the pattern of a sigmoid. A number in a pattern stands for itself, also where it is
repeated; the operands of a sum or product match in either order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from netdsl.graph import Node, Value
from netdsl.lazy_dataclass import dataclass
from netdsl.passes.rewriting import COMMUTATIVE, Rewriter, Rule, number, operand

Found: TypeAlias = dict[str, Any]


class Pattern:
    """A formula with holes."""

    def match(self, value: Value, found: Found) -> Found | None:
        """Return what the holes hold, together with what was found before; None if the value is another."""
        raise NotImplementedError

    def __add__(self, other: Pattern | float) -> Pattern:
        return Applied("add", (self, lifted(other)))

    def __sub__(self, other: Pattern | float) -> Pattern:
        return Applied("subtract", (self, lifted(other)))

    def __rsub__(self, other: float) -> Pattern:
        return Applied("subtract", (lifted(other), self))

    def __mul__(self, other: Pattern | float) -> Pattern:
        return Applied("multiply", (self, lifted(other)))

    def __truediv__(self, other: Pattern | float) -> Pattern:
        return Applied("divide", (self, lifted(other)))

    def __rtruediv__(self, other: float) -> Pattern:
        return Applied("divide", (lifted(other), self))

    def __pow__(self, other: Pattern | float) -> Pattern:
        return Applied("power", (self, lifted(other)))

    def __neg__(self) -> Pattern:
        return Applied("negate", (self,))


@dataclass(frozen=True, slots=True)
class Hole(Pattern):
    """Any value; the same one wherever the hole stands."""

    name: str

    def match(self, value: Value, found: Found) -> Found | None:
        """Fill the hole."""
        before = found.get(self.name)
        if before is None:
            return {**found, self.name: value}
        return found if before.index == value.index else None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class AnyNumber(Pattern):
    """A number known to the graph; the hole holds the number, not the value."""

    name: str

    def match(self, value: Value, found: Found) -> Found | None:
        """Fill the hole."""
        known = number(value)
        if known is None or found.get(self.name, known) != known:
            return None
        return {**found, self.name: known}

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Exactly(Pattern):
    """One number."""

    value: float

    def match(self, value: Value, found: Found) -> Found | None:
        """Compare."""
        return found if number(value) == self.value else None

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class Applied(Pattern):
    """An operation on patterns, whatever its settings."""

    operation: str
    operands: tuple[Pattern, ...]

    def match(self, value: Value, found: Found) -> Found | None:
        """Compare the operation and its operands."""
        if value.node.operation.name != self.operation:
            return None
        return self.match_operands([operand(value, place) for place in range(len(self.operands))], found)

    def match_operands(self, values: Sequence[Value], found: Found) -> Found | None:
        """Compare operands, in either order where that is the same."""
        straight = _match_all(self.operands, values, found)
        if straight is None and self.operation in COMMUTATIVE:
            return _match_all(self.operands, values[::-1], found)
        return straight

    def __str__(self) -> str:
        if self.operation in SIGNS:
            left, right = self.operands
            return f"({left} {SIGNS[self.operation]} {right})"
        if self.operation == "negate":
            return f"-{self.operands[0]}"
        return f"{self.operation}({', '.join(map(str, self.operands))})"


SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "^"}


def _match_all(patterns: Sequence[Pattern], values: Sequence[Value], found: Found) -> Found | None:
    for pattern, value in zip(patterns, values, strict=True):
        more = pattern.match(value, found)
        if more is None:
            return None
        found = more
    return found


def lifted(pattern: Pattern | float) -> Pattern:
    """Return a pattern, a number being one too."""
    return pattern if isinstance(pattern, Pattern) else Exactly(float(pattern))


def call(operation: str) -> Callable[..., Pattern]:
    """Return what makes patterns of an operation."""
    return lambda *operands: Applied(operation, tuple(map(lifted, operands)))


def _unwrapped(pattern: Applied) -> str:
    """Write a pattern without the parentheses around the whole."""
    return str(pattern)[1:-1] if pattern.operation in SIGNS else str(pattern)


def rule(
    name: str,
    pattern: Pattern,
    replacement: Callable[..., Value | None],
    says: str,
    *,
    early: bool = False,
    quiet: bool = False,
) -> Rule:
    """Make a rule of a pattern; the replacement is given the holes by name, and may decline with None.

    `says` is what stands in the place of the pattern after.
    """
    assert isinstance(pattern, Applied)

    def attempt(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
        found = pattern.match_operands(operands, {})
        return None if found is None else replacement(**found)

    return Rule(name, (pattern.operation,), f"{_unwrapped(pattern)} -> {says}", attempt, early, quiet)
