"""Convolutions of [lead, *places, c] by kernels [*size, c / groups, out] and both ways back: contractions.

The matrix of all windows is never written: a thread works out where an element of it lies, or that it is
padding. Shapes are those of `netdsl.operations.convolution`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netdsl.graph import Precision
from netdsl.kernels.cuda.addressing import Axis, Coordinate, Operand, along
from netdsl.kernels.cuda.contracted import Contraction
from netdsl.kernels.cuda.contraction import contraction
from netdsl.kernels.cuda.kernel import Extent, Work
from netdsl.kernels.cuda.tiling import Tile, WarpTile

Extents = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution: its examples, the places before and after, channels in and out, and its windows."""

    lead: Extent
    space: Extents
    windows: Extents
    channels: int
    out: int
    size: Extents
    strides: Extents
    before: Extents
    dilation: Extents
    groups: int = 1


def _apart(extents: Sequence[int], inner: int) -> Iterator[tuple[int, int]]:
    """Yield each place's extent with its stride, in row-major order."""
    for place, extent in enumerate(extents):
        apart = inner
        for each in extents[place + 1 :]:
            apart *= each
        yield extent, apart


def _axes(word: str, extents: Sequence[int]) -> tuple[Axis, ...]:
    return tuple(Axis(f"{word}{number}", extent) for number, extent in enumerate(extents))


class _Parts:
    """The axes and operands of a geometry."""

    def __init__(self, geometry: Geometry) -> None:
        self.given = geometry
        self.in_group, self.out_of_group = (
            geometry.channels // geometry.groups,
            geometry.out // geometry.groups,
        )
        self.group = (Axis("group", geometry.groups),) if geometry.groups > 1 else ()
        self.example = Axis("example", geometry.lead)
        self.channel, self.feature = Axis("channel", self.in_group), Axis("feature", self.out_of_group)
        self.taps, self.outputs = _axes("tap", geometry.size), _axes("window", geometry.windows)
        self.inputs = _axes("place", geometry.space)

    def seen(self, name: str) -> Operand:
        """Return what windows see of the value."""
        given = self.given
        places = [
            Coordinate(
                ((f"window{number}", given.strides[number]), (f"tap{number}", given.dilation[number])),
                apart,
                offset=-given.before[number],
                extent=extent,
            )
            for number, (extent, apart) in enumerate(_apart(given.space, given.channels))
        ]
        return Operand(
            name, (*self._lead(given.space, given.channels), *places, *self._inner("channel", self.in_group))
        )

    def seeing(self, name: str) -> Operand:
        """Return what windows there are that see a place by a tap."""
        given = self.given
        places = [
            Coordinate(
                ((f"place{number}", 1), (f"tap{number}", -given.dilation[number])),
                apart,
                offset=given.before[number],
                divide=given.strides[number],
                extent=extent,
            )
            for number, (extent, apart) in enumerate(_apart(given.windows, given.out))
        ]
        return Operand(
            name, (*self._lead(given.windows, given.out), *places, *self._inner("feature", self.out_of_group))
        )

    def kernel(self, name: str) -> Operand:
        """Return the kernel, or its gradient."""
        given = self.given
        inner = self.in_group * given.out
        taps = [along(f"tap{number}", apart) for number, (_, apart) in enumerate(_apart(given.size, inner))]
        return Operand(name, (*taps, along("channel", given.out), *self._inner("feature", self.out_of_group)))

    def places(self, name: str) -> Operand:
        """Return the value itself."""
        given = self.given
        own = [
            along(f"place{number}", apart)
            for number, (_, apart) in enumerate(_apart(given.space, given.channels))
        ]
        return Operand(
            name, (*self._lead(given.space, given.channels), *own, *self._inner("channel", self.in_group))
        )

    def results(self, name: str) -> Operand:
        """Return what windows make."""
        given = self.given
        own = [
            along(f"window{number}", apart)
            for number, (_, apart) in enumerate(_apart(given.windows, given.out))
        ]
        return Operand(
            name, (*self._lead(given.windows, given.out), *own, *self._inner("feature", self.out_of_group))
        )

    def _lead(self, extents: Extents, inner: int) -> tuple[Coordinate, ...]:
        total = inner
        for extent in extents:
            total *= extent
        return (along("example", total),)

    def _inner(self, axis: str, of_group: int) -> tuple[Coordinate, ...]:
        own = (along(axis, 1),)
        return (along("group", of_group), *own) if self.group else own


def convolve(
    geometry: Geometry,
    rows: int,
    tile: Tile | WarpTile | None = None,
    splits: int | None = None,
    precision: Precision = "float32",
) -> Work:
    """Write result[lead, *windows, out] of `x` and the kernel `w`."""
    parts = _Parts(geometry)
    given = Contraction(
        "convolve",
        parts.group,
        (parts.example, *parts.outputs),
        (parts.feature,),
        (*parts.taps, parts.channel),
        parts.seen("x"),
        parts.kernel("w"),
        parts.results("result"),
        precision=precision,
    )
    return contraction(given, rows, tile, splits)


def convolve_input(
    geometry: Geometry,
    rows: int,
    tile: Tile | WarpTile | None = None,
    splits: int | None = None,
    precision: Precision = "float32",
) -> Work:
    """Write result[lead, *space, channels], what windows with gradients `x` send back by the kernel `w`."""
    parts = _Parts(geometry)
    given = Contraction(
        "convolve input",
        parts.group,
        (parts.example, *parts.inputs),
        (parts.channel,),
        (*parts.taps, parts.feature),
        parts.seeing("x"),
        parts.kernel("w"),
        parts.places("result"),
        precision=precision,
    )
    return contraction(given, rows, tile, splits)


def convolve_kernel(
    geometry: Geometry,
    rows: int,
    tile: Tile | WarpTile | None = None,
    splits: int | None = None,
    precision: Precision = "float32",
) -> Work:
    """Write result[*size, channels / groups, out], the gradient of the kernel, of `x` and gradients `w`."""
    parts = _Parts(geometry)
    given = Contraction(
        "convolve kernel",
        parts.group,
        (*parts.taps, parts.channel),
        (parts.feature,),
        (parts.example, *parts.outputs),
        parts.seen("x"),
        parts.results("w"),
        parts.kernel("result"),
        precision=precision,
    )
    return contraction(given, rows, tile, splits)
