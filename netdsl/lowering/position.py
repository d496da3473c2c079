"""Positions of elements as formulas of loop variables, simplified while they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from netdsl.graph import Node, Shape, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.program.count import Count, count_of, symbol

Position: TypeAlias = tuple[Count, ...]
"""An index for each axis."""


@dataclass(slots=True)
class Variables:
    """The loop variables of a kernel: how far each goes, and whether a division had to be left in a formula.

    The bound of the row of a batch is not known (None), and need not be: its axis is never merged with
    another.
    """

    bounds: dict[str, int | None] = field(default_factory=dict)
    parts: dict[str, frozenset[str]] = field(default_factory=dict)
    """The variables that a formula with a name of its own is made of."""
    divided: bool = False
    forms: tuple[str, str] = ("(({0}) // {1})", "(({0}) % {1})")
    """How quotient and remainder of a number that is not negative are written."""
    outside: frozenset[str] = frozenset()
    """The variables of the rows, by which a division does not count: it is made once for each."""

    def variable(self, name: str, bound: int | None) -> Count:
        """Return the formula of a loop variable that is below `bound`."""
        if bound == 1:
            return Count()
        self.bounds[name] = bound
        return symbol(name)

    def split(self, value: Count, divisor: int) -> tuple[Count, Count]:
        """Return quotient and remainder, without a division where the terms allow it."""
        if divisor == 1:
            return value, Count()
        high = Count(tuple((c // divisor, names) for c, names in value.terms if c % divisor == 0))
        low = Count(tuple((c, names) for c, names in value.terms if c % divisor))
        largest = self.largest(low)
        if largest is not None and largest < divisor:
            return high, low
        return self._divided(value, divisor)

    def largest(self, value: Count) -> int | None:
        """Return the largest value that a formula without negative terms takes, None if it is not known."""
        total = 0
        for coefficient, names in value.terms:
            product = coefficient
            for name in names:
                bound = self.bounds.get(name)
                if bound is None or coefficient < 0:
                    return None
                product *= bound - 1
            total += product
        return total

    def _divided(self, value: Count, divisor: int) -> tuple[Count, Count]:
        self._note_division(value)
        largest = self.largest(value)
        quotient, remainder = (form.format(value, divisor) for form in self.forms)
        bound = None if largest is None else largest // divisor + 1
        return self._named(quotient, value, bound), self._named(remainder, value, divisor)

    def quotient(self, value: Count, divisor: int) -> Count:
        """Return the quotient of a formula that may be negative, rounded down."""
        return self._named(f"(({value}) // {divisor})", value, None)

    def clamped(self, value: Count, extent: int) -> Count:
        """Return an index that is surely one of an axis: the nearest to the formula's value."""
        name = f"(0 if {value} < 0 else ({value} if {value} < {extent} else {extent - 1}))"
        return self._named(name, value, extent)

    def _named(self, name: str, of: Count, bound: int | None) -> Count:
        self.bounds[name] = bound
        self.parts[name] = of.symbols()
        return symbol(name)

    def divided_by(self, index: Count, rows: Count) -> tuple[Count, Count]:
        """Return the quotient and the rest of an index by a number that is known when a program runs."""
        self._note_division(index)
        quotient = self._named(self.forms[0].format(index, rows), index, None)
        return quotient, index + -1 * quotient * rows

    def _note_division(self, value: Count) -> None:
        names = value.symbols()
        while hidden := {part for name in names for part in self.parts.get(name, ())} - names:
            names |= hidden
        self.divided |= any(name not in self.outside for name in names if name not in self.parts)

    def flat(self, position: Position, shape: Shape) -> Count:
        """Return the place of a position in row-major order."""
        total = Count()
        for index, extent in zip(position, shape, strict=True):
            total = total * (1 if extent < 0 else extent) + index
        return total

    def unflattened(self, flat: Count, shape: Sequence[int]) -> Position:
        """Return the position of a place in row-major order; the first axis takes what is left."""
        indices: list[Count] = []
        for extent in reversed(shape[1:]):
            flat, index = self.split(flat, extent)
            indices.append(index)
        return (flat, *reversed(indices)) if shape else ()

    def reshaped(self, position: Position, shape: Shape, to: Shape) -> Position:
        """Return where an element of a value of `shape` stands once it has the shape `to`."""
        if is_batched(to):
            inner = self.flat(position[1:], shape[1:])
            return (position[0], *self._inner(inner, to[1:]))
        return self._inner(self.flat(position, shape), to)

    def restacked(self, node: Node, position: Position, rows: Count) -> Position:
        """Return the place in a sequence of a place in a stack of batches of so many rows, or the other way
        round."""
        match node.operation.name:
            case "stack":
                step, row = self.divided_by(position[0], rows)
                return row, step, *position[1:]
            case "unstack":
                return position[1] * rows + position[0], *position[2:]
        return position[0] + node.setting("number") * rows, *position[1:]

    def padded(self, node: Node, position: Position, shape: Shape) -> tuple[Position, str]:
        """Return the nearest place in a value of `shape` to one of that value with padding, and the text that
        tells whether it is the same: nothing where nothing is padded."""
        tests: list[str] = []
        inside: list[Count] = []
        sides = zip(position, shape, node.setting("before"), node.setting("after"), strict=True)
        for at, extent, before, after in sides:
            inside.append(self.clamped(at + -before, extent) if before or after else at)
            tests += [f"({at} >= {before})"] * bool(before) + [f"({at} < {before + extent})"] * bool(after)
        return tuple(inside), " & ".join(tests)

    def depth(self, position: Position, depths: Mapping[str, int]) -> int:
        """Return the depth of the block in which a position is known, by those that variables are set in."""
        names = {name for at in position for name in at.symbols()}
        depth = 0
        while names:
            name = names.pop()
            names |= self.parts.get(name, frozenset())
            depth = max(depth, depths.get(name, 0))
        return depth

    def _inner(self, flat: Count, shape: Shape) -> Position:
        if not shape:
            return ()
        first, *rest = self.unflattened(flat, shape)
        return (first if shape[0] != 1 else Count(), *rest)


ZERO = Count()


def repeated(position: Position, shape: Shape) -> Position:
    """Return the place in a value of `shape` of a place in what it is broadcast to."""
    tail = position[len(position) - len(shape) :]
    return tuple(ZERO if extent == 1 else at for extent, at in zip(shape, tail, strict=True))


def constant(value: int) -> Count:
    """Return a fixed index."""
    return count_of(value)
