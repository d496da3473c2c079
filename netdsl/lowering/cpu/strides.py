"""Where the elements of a value lie: each axis of a view of it as strides in memory.

An axis is made of digits, as a number is: the place of an element is the sum of what each digit is worth
there. An axis of a row-major value is one digit; that of a reshaped view may be several, or a part of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

from netdsl.graph import Shape, is_batched
from netdsl.lazy_dataclass import dataclass
from netdsl.program import LANES, Buffer, Count, count_of, stride


@dataclass(frozen=True, slots=True)
class Digit:
    """Places in a row: `stride` floats from one to the next, `group` from each 16 to the next 16."""

    extent: int
    stride: Count
    group: Count

    @property
    def is_even(self) -> bool:
        """Tell whether the stride says it all."""
        return self.extent <= LANES or self.group == LANES * self.stride

    def at(self, place: int) -> Count:
        """Return where a place is, in floats."""
        return (
            self.stride * place
            if self.is_even
            else self.group * (place // LANES) + self.stride * (place % LANES)
        )

    def split(self, inner: int) -> tuple[Digits, Digit] | None:
        """Cut off an inner digit of some extent; return the digits around it, and it. None where it is no
        part."""
        if inner == self.extent:
            return (), self
        if self.extent % inner:
            return None
        if self.is_even:
            return (even(self.extent // inner, self.stride * inner),), even(inner, self.stride)
        if inner % LANES == 0:
            outer = even(self.extent // inner, self.group * (inner // LANES))
            return (outer,), Digit(inner, self.stride, self.group)
        if LANES % inner == 0 and self.extent % LANES == 0:
            groups, lanes = even(self.extent // LANES, self.group), even(LANES // inner, self.stride * inner)
            return (groups, lanes), even(inner, self.stride)
        return None


Digits: TypeAlias = tuple[Digit, ...]
"""An axis, or several: the outermost digit first."""


def even(extent: int, step: Count | int) -> Digit:
    """Return places that are one stride apart, however many."""
    return Digit(extent, count_of(step), LANES * count_of(step))


@dataclass(frozen=True, slots=True)
class View:
    """A value seen in some shape: floats from one example to the next (0 where it has no batch axis), and the
    digits of each further axis."""

    item: Count
    axes: tuple[Digits, ...]

    def transposed(self, order: Sequence[int]) -> View:
        """Return the view with its axes (the batch not counted) in another order."""
        return View(self.item, tuple(self.axes[axis] for axis in order))

    def reshaped(self, shape: Shape) -> View | None:
        """Return the view in another shape (the batch not counted), None where an axis has no digits of its
        own."""
        left = [digit for axis in self.axes for digit in axis if digit.extent != 1]
        found: list[Digits] = []
        for extent in reversed(shape):
            axis = _taken(left, extent)
            if axis is None:
                return None
            found.append(axis)
        return View(self.item, tuple(reversed(found)))


def _taken(left: list[Digit], extent: int) -> Digits | None:
    """Take the innermost digits that make up an extent."""
    axis: Digits = ()
    while extent != 1:
        digit = left.pop()
        if digit.extent > extent:
            if (parts := digit.split(extent)) is None:
                return None
            outer, digit = parts
            left.extend(outer)
        if extent % digit.extent:
            return None
        axis = (digit, *axis)
        extent //= digit.extent
    return axis


def view_of(buffer: Buffer) -> View:
    """Return a buffer's value in its own shape."""
    shape = buffer.shape
    inner = shape[1:] if is_batched(shape) else shape
    if buffer.layout == "rows":
        axes = tuple((even(extent, prod(inner[axis + 1 :])),) for axis, extent in enumerate(inner))
        return View(count_of(prod(inner) if is_batched(shape) else 0), axes)
    assert buffer.layout == "panels"
    places = prod(inner[:-1])
    axes = tuple(
        (even(extent, LANES * prod(inner[axis + 1 : -1])),) for axis, extent in enumerate(inner[:-1])
    )
    along = ((Digit(inner[-1], count_of(1), stride(buffer.name)),),) if inner else ()
    return View(count_of(LANES * places if is_batched(shape) else 0), (*axes, *along))


def merged(digits: Sequence[Digits]) -> list[Digits]:
    """Join neighbors among places that several values are read at, as far as all of them allow it.

    Each entry has a digit of the same extent for each of the values.
    """
    found: list[Digits] = []
    for entry in digits:
        if entry[0].extent == 1:
            continue
        joined = (
            [_joined(outer, inner) for outer, inner in zip(found[-1], entry, strict=True)] if found else []
        )
        if joined and all(joined):
            found[-1] = tuple(each for each in joined if each is not None)
        else:
            found.append(entry)
    return found


def _joined(outer: Digit, inner: Digit) -> Digit | None:
    """Return two digits as one, None where they are none."""
    if not outer.is_even:
        return None
    extent = outer.extent * inner.extent
    if inner.is_even and outer.stride == inner.stride * inner.extent:
        return even(extent, inner.stride)
    if inner.extent == LANES:
        return Digit(extent, inner.stride, outer.stride)
    if inner.extent % LANES == 0 and outer.stride == inner.group * (inner.extent // LANES):
        return Digit(extent, inner.stride, inner.group)
    return None


def common(axes: Sequence[Digits]) -> list[Digits] | None:
    """Cut the digits of one axis of several values alike; None where they cannot be."""
    left = [[digit for digit in axis if digit.extent != 1] for axis in axes]
    found: list[Digits] = []
    while any(left):
        if not all(left):
            return None
        extent = min(each[-1].extent for each in left)
        entry: list[Digit] = []
        for each in left:
            if (parts := each.pop().split(extent)) is None:
                return None
            outer, digit = parts
            each.extend(outer)
            entry.append(digit)
        found.append(tuple(entry))
    return found[::-1]
