"""Whole numbers that are known only when a program is laid out: sums of products of named symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from netdsl.graph import Shape, batches, is_batched
from netdsl.lazy_dataclass import dataclass

Term: TypeAlias = tuple[int, tuple[str, ...]]
"""A coefficient and the symbols it is multiplied by, in order."""


@dataclass(frozen=True, slots=True)
class Count:
    """A polynomial with integer coefficients: `4*rows + 64`, `at(h) + 64*i*stride(h)`.

    The symbols of a launch's arguments: `rows` (examples in the batch), `i` and `j` (the item of a step),
    `lo` and `hi` (a thread's share of a range), `nth` and `many` (of items in groups), `t` and `odd` (the
    turn of a loop), `thread`, `context` (a thread's block), `at(name)` (the address of a buffer) and
    `stride(name)` (elements from one panel of a buffer to the next).
    """

    terms: tuple[Term, ...] = ()

    def __add__(self, other: Count | int) -> Count:
        return _collect((*self.terms, *count_of(other).terms))

    def __radd__(self, other: int) -> Count:
        return self + other

    def __mul__(self, other: Count | int) -> Count:
        if isinstance(other, int):
            return Count(tuple((a * other, symbols) for a, symbols in self.terms) if other else ())
        right = count_of(other).terms
        return _collect(
            tuple((a * b, tuple(sorted((*left, *symbols)))) for a, left in self.terms for b, symbols in right)
        )

    def __rmul__(self, other: int) -> Count:
        return self * other

    def where(self, known: Mapping[str, Count]) -> Count:
        """Return the count with some symbols replaced."""
        if not any(symbol in known for _, symbols in self.terms for symbol in symbols):
            return self
        total = Count()
        for coefficient, symbols in self.terms:
            product = count_of(coefficient)
            for each in symbols:
                product = product * known.get(each, Count(((1, (each,)),)))
            total = total + product
        return total

    def symbols(self) -> frozenset[str]:
        """Return the names of the symbols it depends on."""
        return frozenset(symbol for _, symbols in self.terms for symbol in symbols)

    def value(self, symbols: Mapping[str, Any]) -> Any:
        """Return its value; a symbol may stand for an array, and the value is an array then."""
        total: Any = 0
        for coefficient, names in self.terms:
            product: Any = coefficient
            for name in names:
                product = product * symbols[name]
            total = total + product
        return total

    def __str__(self) -> str:
        return " + ".join(_term_text(term) for term in self.terms) or "0"


def count_of(value: Count | int) -> Count:
    """Return a number as a count; a count as it is."""
    return value if isinstance(value, Count) else Count(((value, ()),) if value else ())


def symbol(name: str) -> Count:
    """Return the count that is one symbol."""
    return Count(((1, (name,)),))


def address(buffer: str) -> Count:
    """Return the address of a buffer, in bytes."""
    return symbol(f"at({buffer})")


def stride(buffer: str) -> Count:
    """Return the elements from one panel of a buffer to the next."""
    return symbol(f"stride({buffer})")


ROWS = symbol("rows")


def rows_of(shape: Shape) -> Count:
    """Return the rows of a value seen as a matrix: its examples, or 1 where it has none."""
    return ROWS * batches(shape) if is_batched(shape) else count_of(1)


def _collect(terms: tuple[Term, ...]) -> Count:
    sums: dict[tuple[str, ...], int] = {}
    for coefficient, symbols in terms:
        sums[symbols] = sums.get(symbols, 0) + coefficient
    return Count(tuple((value, symbols) for symbols, value in sorted(sums.items()) if value))


def _term_text(term: Term) -> str:
    coefficient, symbols = term
    factors = [str(coefficient)] if coefficient != 1 or not symbols else []
    return "*".join([*factors, *symbols])
