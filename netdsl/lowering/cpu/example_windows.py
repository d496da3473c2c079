"""What the kernels read whose lanes are examples: where windows lie in images, in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Final

from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.geometry import Plane, Windows
from netdsl.program import LANES

HEADER: Final = 5
PART: Final = 4
SUMS_HEADER: Final = 11
SUMS_PART: Final = 7
"""Words before the parts of a description, and of a part."""

AT_HAND: Final = 10 * 1024
"""Floats of X and of dY that a band of rows of windows may have, so that it stays in the first cache."""


Space = tuple[int, int, int]
"""Rows, columns and channels."""


@dataclass(frozen=True, slots=True)
class Band:
    """Positions along an axis that see places by the same taps: each position, and the place that it sees by
    the first of them; and how far the place seen by the next tap is from there."""

    taps: tuple[int, ...]
    step: int
    positions: list[tuple[int, int]] = field(default_factory=list)

    def runs(self) -> list[tuple[int, int]]:
        """Return taps that are neighbors in the image and among the weights: the number of the first, and how
        many they are."""
        if self.step == 1 and self.taps[1] - self.taps[0] == 1:
            return [(0, len(self.taps))]
        return [(number, 1) for number in range(len(self.taps))]


def bands(seen: Iterable[tuple[int, list[Plane]]]) -> list[Band]:
    """Return bands of positions, each given with the taps and places that it sees."""
    found: dict[tuple[int, ...], Band] = {}
    for position, pairs in seen:
        taps = tuple(tap for tap, _ in pairs)
        step = pairs[1][1] - pairs[0][1] if len(pairs) > 1 else 0
        found.setdefault(taps, Band(taps, step)).positions.append((position, pairs[0][1] if pairs else 0))
    return list(found.values())


def forward_bands(windows: Windows, axis: int) -> list[Band]:
    """Return the bands of windows, and the places of the image that they see."""
    stride, dilation, before = (each[axis] for each in (windows.strides, windows.dilation, windows.before))
    places = range(windows.space[axis])
    return bands(
        (at, [(tap, place) for tap in range(windows.size[axis])
              if (place := at * stride - before + tap * dilation) in places])
        for at in range(windows.counts[axis])
    )  # fmt: skip


def backward_bands(windows: Windows, axis: int) -> list[Band]:
    """Return the bands of places, and the windows that see them."""
    stride, dilation, before = (each[axis] for each in (windows.strides, windows.dilation, windows.before))
    return bands(
        (place, [(tap, from_start // stride) for tap in range(windows.size[axis])
                 if (from_start := place + before - tap * dilation) % stride == 0
                 and from_start // stride in range(windows.counts[axis])])
        for place in range(windows.space[axis])
    )  # fmt: skip


def forward(windows: Windows) -> list[int]:
    """Describe the convolution of X."""
    rows, columns = (forward_bands(windows, axis) for axis in (0, 1))
    seen, made = (*windows.space, windows.channels), (*windows.counts, windows.outputs)
    return _described(windows, rows, columns, seen, made)


def backward(windows: Windows) -> list[int]:
    """Describe the way back from outputs to X, through turned weights."""
    rows, columns = (backward_bands(windows, axis) for axis in (0, 1))
    seen, made = (*windows.counts, windows.outputs), (*windows.space, windows.channels)
    return _described(windows, rows, columns, seen, made)


def _described(
    windows: Windows, rows: list[Band], columns: list[Band], seen: Space, made: Space
) -> list[int]:
    (height, width, depth), (down, across, outputs) = seen, made
    words = [
        height * width * depth * LANES, down * across * outputs * LANES,
        windows.taps * depth * LANES, outputs, len(rows) * len(columns),
    ]  # fmt: skip
    begin = HEADER + PART * len(rows) * len(columns)
    tables: list[int] = []
    for row, column in product(rows, columns):
        positions = [*product(row.positions, column.positions)]
        places = [
            ((i_seen * width + j_seen) * depth * LANES, (i * across + j) * outputs * LANES)
            for (i, i_seen), (j, j_seen) in positions
        ]
        entries = [
            ((i * row.step * width + j * column.step) * depth * LANES,
             (row.taps[i] * windows.size[1] + column.taps[j]) * depth * LANES, steps * depth)
            for i in range(len(row.taps)) for j, steps in column.runs()
        ]  # fmt: skip
        words += [len(places), begin + len(tables), len(entries), begin + len(tables) + 2 * len(places)]
        tables += [word for each in (*places, *entries) for word in each]
    return [*words, *tables]


def gradient(windows: Windows) -> list[int]:
    """Describe the sums of X^T dY for each tap."""
    (down, across), channels, outputs = windows.counts, windows.channels, windows.outputs
    line, width = channels * LANES, windows.space[1]
    x_row, dy_row = windows.strides[0] * width * line, across * outputs * LANES
    parts: list[int] = []
    for band in forward_bands(windows, 1):
        runs = [band.taps[at : at + many] for at, many in band.runs()]
        (column, _), *_ = band.positions
        for tap, run in product(range(windows.size[0]), runs):
            first, last = _inside(windows, tap)
            if first >= last:
                continue
            up = tap * windows.dilation[0] - windows.before[0]
            left = column * windows.strides[1] + run[0] * windows.dilation[1] - windows.before[1]
            parts += [
                (up * width + left) * line, column * outputs * LANES,
                (tap * windows.size[1] + run[0]) * channels, len(run) * channels,
                first, last, len(band.positions),
            ]  # fmt: skip
    at_hand = -(-down // -(-down * (x_row + min(4, outputs) * across * LANES) // AT_HAND))
    return [
        windows.space[0] * width * line, down * dy_row, outputs, windows.taps * channels,
        len(parts) // SUMS_PART, down, at_hand,
        x_row, dy_row, windows.strides[1] * line, outputs * LANES, *parts,
    ]  # fmt: skip


def _inside(windows: Windows, tap: int) -> Plane:
    """Return the first row of windows in which a tap sees the image, and the first after those."""
    rows = [
        at for at in range(windows.counts[0])
        if 0 <= at * windows.strides[0] + tap * windows.dilation[0] - windows.before[0] < windows.space[0]
    ]  # fmt: skip
    return (rows[0], rows[-1] + 1) if rows else (0, 0)
