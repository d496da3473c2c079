"""Windows that slide over the spatial axes of a value: what convolution and pooling have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from netdsl.graph import BATCH, Setting, Shape, shape_text
from netdsl.lazy_dataclass import dataclass

Extents = tuple[int, ...]
"""One number for each spatial axis."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `size` that move by `strides` over a space with `before` and `after` around it.

    The places of a window are `dilation` apart. A place is called a tap, numbered in row-major order.
    """

    size: Extents
    strides: Extents
    before: Extents
    after: Extents
    dilation: Extents

    def count(self, space: Extents) -> Extents:
        """Return how many windows fit along each axis of a space; 0 or less where none does."""
        return tuple(
            (extent + before + after - dilation * (size - 1) - 1) // stride + 1
            for extent, size, stride, before, after, dilation in zip(
                space, self.size, self.strides, self.before, self.after, self.dilation, strict=True
            )
        )

    def padded(self, x: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Put the padding around the space of [lead, *space, c]; the value itself where there is none."""
        if not any((*self.before, *self.after)):
            return x
        around = [(0, 0), *zip(self.before, self.after, strict=True), (0, 0)]
        return np.pad(x, around, constant_values=fill)

    def cropped(self, x: np.ndarray, space: Extents) -> np.ndarray:
        """Take the padding away again: the adjoint of `padded`."""
        inner = tuple(
            slice(before, before + extent) for before, extent in zip(self.before, space, strict=True)
        )
        return x[(slice(None), *inner)]

    def room(self, space: Extents) -> Extents:
        """Return the extents of a space with its padding."""
        return tuple(
            before + extent + after
            for before, extent, after in zip(self.before, space, self.after, strict=True)
        )

    def taps(self, counts: Extents) -> Iterator[tuple[tuple[slice, ...], Extents]]:
        """Yield for each tap which part of a padded [lead, *space, c] it sees, and its position."""
        for position in np.ndindex(*self.size):
            part = tuple(
                slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
                for at, dilation, stride, count in zip(
                    position, self.dilation, self.strides, counts, strict=True
                )
            )
            yield (slice(None), *part), position


def windows_of(name: str, size: Extents, settings: Mapping[str, Setting]) -> Windows:
    """Read the settings of an operation. Raises ValueError, with a sentence, when they are no windows."""
    strides, before, after = settings["strides"], settings["before"], settings["after"]
    windows = Windows(size, strides, before, after, settings.get("dilation", (1,) * len(size)))
    ranks = {len(each) for each in (size, strides, before, after, windows.dilation)}
    if ranks - {1, 2, 3} or len(ranks) != 1:
        raise ValueError(f"{name} works over one to three axes, with one setting of each kind for each axis")
    if min(*size, *strides, *windows.dilation) < 1 or min(*before, *after) < 0:
        raise ValueError(f"{name} takes sizes, strides and dilations from 1, and padding from 0")
    return windows


def expect_places(name: str, shape: Shape, rank: int) -> Extents:
    """Check that a shape is [lead, *space, c] with so many spatial axes; return the space."""
    if len(shape) != rank + 2 or BATCH in shape[1:]:
        axes = "axis" if rank == 1 else "axes"
        raise ValueError(
            f"{name} over {rank} {axes} takes [lead, *places, channels], not {shape_text(shape)}"
        )
    return shape[1:-1]


def expect_fit(name: str, windows: Windows, space: Sequence[int]) -> Extents:
    """Check that a window fits into a padded space; return how many do along each axis."""
    counts = windows.count(tuple(space))
    if min(counts) < 1:
        reach = [(size - 1) * by + 1 for size, by in zip(windows.size, windows.dilation, strict=True)]
        room = windows.room(tuple(space))
        raise ValueError(
            f"{name} has windows of {shape_text(tuple(reach))}, and with its padding the space is "
            f"{shape_text(room)}"
        )
    return counts
