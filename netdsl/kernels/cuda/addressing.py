"""Where an element of an operand lies: axes, coordinates made of them, and the text that works them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netdsl.kernels.cuda.kernel import Extent, text_of
from netdsl.program import count_of


@dataclass(frozen=True, slots=True)
class Axis:
    """A variable of a loop, named by one word, and how far it goes."""

    name: str
    extent: Extent


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A sum of axes with their coefficients and an offset, divided by a number, as far apart as `stride`.

    With an `extent` it may lie outside of 0 to before it, and where a division leaves a rest no element is
    there either: such elements count as 0.
    """

    terms: tuple[tuple[str, int], ...]
    stride: Extent
    offset: int = 0
    divide: int = 1
    extent: int = 0

    @property
    def checked(self) -> bool:
        """Tell whether an element may not be there."""
        return self.extent > 0


@dataclass(frozen=True, slots=True)
class Operand:
    """An array of floats, the parameter `name`, and the coordinates of its elements."""

    name: str
    coordinates: tuple[Coordinate, ...]
    offset: Extent = 0


def along(axis: str, stride: Extent) -> Coordinate:
    """Return the coordinate that is an axis itself."""
    return Coordinate(((axis, 1),), plain_number(stride))


def plain_number(extent: Extent) -> Extent:
    """Return an extent that depends on nothing as a number."""
    return extent if isinstance(extent, int) or extent.symbols() else int(extent.value({}))


def plain(name: str, strides: Iterable[tuple[str, Extent]], offset: Extent = 0) -> Operand:
    """Return an operand whose coordinates are axes."""
    return Operand(name, tuple(along(axis, stride) for axis, stride in strides), offset)


def volume(axes: Sequence[Axis]) -> Extent:
    """Return how many elements axes have."""
    total: Extent = 1
    for axis in axes:
        total = count_of(axis.extent) * total
    return plain_number(total)


def is_multiple(extent: Extent, number: int) -> bool:
    """Tell whether an extent is a multiple of a number whatever its symbols are."""
    return all(coefficient % number == 0 for coefficient, _ in count_of(extent).terms)


def is_vector(operand: Operand, axes: Sequence[Axis]) -> bool:
    """Tell whether four neighbors along the last of some axes lie in one aligned piece of memory."""
    if not axes or not is_multiple(axes[-1].extent, 4) or not is_multiple(operand.offset, 4):
        return False
    last = axes[-1].name
    own = [each for each in operand.coordinates if any(name == last for name, _ in each.terms)]
    others = [each for each in operand.coordinates if each not in own]
    return own == [along(last, 1)] and all(is_multiple(each.stride, 4) for each in others)


def is_near(operand: Operand, axes: Sequence[Axis]) -> bool:
    """Tell whether neighbors along the last of some axes are neighbors in memory."""
    return bool(axes) and along(axes[-1].name, 1) in operand.coordinates


def decomposed(index: str, axes: Sequence[Axis], prefix: str) -> list[str]:
    """Return lines that set `prefix` + name of each axis from an index in row-major order.

    Numbers of axes have 32 bits, which divide in a third of the time that 64 bits take; addresses, which are
    made of them, have 64.
    """
    lines, rest = [], index
    for place, axis in reversed(list(enumerate(axes))):
        if place == 0:
            lines.append(f"{prefix}{axis.name} = {rest}")
            break
        extent = text_of(axis.extent)
        if extent == "1":
            lines.append(f"{prefix}{axis.name} = 0")
            continue
        lines.append(f"{prefix}{axis.name} = index({rest} % {extent})")
        following = f"{prefix}{axis.name}_up"
        lines.append(f"{following} = index({rest} // {extent})")
        rest = following
    return lines


def sum_text(terms: Sequence[str]) -> str:
    """Return a sum; 0 of nothing."""
    return " + ".join(terms) or "0"


def scaled(term: str, factor: Extent) -> str:
    """Return a term times a factor."""
    text = text_of(factor)
    return term if text == "1" else f"{term} * {text}"


def partial(coordinate: Coordinate, prefixes: dict[str, str], *, offset: bool) -> str:
    """Return the part of a coordinate that some axes make, each named with a prefix."""
    terms = [scaled(prefixes[name] + name, factor) for name, factor in coordinate.terms if name in prefixes]
    if offset and coordinate.offset:
        terms.append(str(coordinate.offset))
    return sum_text(terms)


def address(operand: Operand, prefixes: dict[str, str]) -> str:
    """Return the text of an address whose coordinates are all there."""
    terms = [] if str(operand.offset) == "0" else [text_of(operand.offset)]
    for each in operand.coordinates:
        terms += [
            scaled(prefixes[name] + name, count_of(each.stride) * factor) for name, factor in each.terms
        ]
    return sum_text(terms)
