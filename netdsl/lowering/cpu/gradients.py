"""What the kernels of convolutions read to sum up the gradient of the weights, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from netdsl.lowering.cpu.geometry import (
    BLOCK,
    HALVED_FIELDS,
    HEADER,
    LANEWISE,
    Description,
    Entry,
    Images,
    Packed,
    Plane,
    Windows,
    Words,
    header,
    neighbors,
)
from netdsl.program import LANES, Count

BAND: Final = 7 * 1024
"""Floats of X and dY that stay in the first cache while all taps go over them (28 KB: a tenth less time for
32 channels at 32x32)."""


def gradient(windows: Windows, x: Images, dy_panel: Count | int, chunk: int = 0) -> Description:
    """Describe the sums of X^T dY for each tap; lane by lane, of one panel of both. With a `chunk` no block
    of lines goes beyond a multiple of so many.

    What a tap sees beyond the border of panels is left out of its sum; other images are put between zeros.
    """
    if windows.lanewise:
        x = replace(x, channels=LANES)
    bounded = x.group is not None and not windows.lanewise
    packed = Packed(x, *(((0, 0), (0, 0)) if bounded else windows.border()))
    line = windows.dilation[1] * LANES if windows.lanewise else 1
    found = list(_cut(_blocks(windows, packed), chunk, line) if chunk else _blocks(windows, packed))
    row = (packed.pitch * windows.strides[0] * len(x.channels_of_groups)) + windows.counts[1] * LANES
    tables: Words = [windows.strides[1] * x.place, line, max(1, BAND // row), windows.counts[0]]
    begins: dict[int, tuple[int, int]] = {}
    blocks: Words = []
    for start, group, w_start, lines in found:
        tap = w_start // LANES // windows.channels if bounded else 0
        if tap not in begins:
            rows = _rows_of_a_tap(windows, packed, tap) if bounded else _rows(windows, packed)
            begins[tap] = len(rows), HEADER + BLOCK * len(found) + len(tables)
            tables += [word for entry in rows for word in entry]
        blocks += [0 if bounded else start, group, lines, w_start // LANES, *begins[tap]]
    kind = LANEWISE * windows.lanewise
    begin = header(windows, packed, dy_panel, windows.counts, windows.channels, len(found), kind)
    return Description([*begin, *blocks, *tables], packed.size)


def gradient_in_halves(windows: Windows, x: Images, dy_panel: Count | int) -> Description:
    """Describe the sums for windows to few channels, of which two share a line, over images row by row."""
    seen = windows.two_at_once
    packed = Packed(x, *seen.border())
    lines = seen.size[1] * x.place
    start, row = packed.at(-windows.before[0], -windows.before[1]), windows.dilation[0] * packed.pitch
    step = seen.strides[1] * x.place
    rows = _rows(windows, packed)
    words: Words = [start, windows.size[0], row, lines, x.place, step, len(rows), HEADER + HALVED_FIELDS]
    table = [word for at, _, right, across in rows for word in (at, 0, right, across // 2)]
    begin = header(windows, packed, dy_panel, windows.counts, windows.channels, 0, 0)
    return Description([*begin, *words, *table], packed.size + windows.size[0] * lines * LANES)


def _rows(windows: Windows, packed: Packed) -> list[Entry]:
    """Return where each row of outputs begins, in what its first window sees and in dY."""
    down, across = windows.counts
    return [(row * windows.strides[0] * packed.pitch, 0, row * across * LANES, across) for row in range(down)]


def _rows_of_a_tap(windows: Windows, packed: Packed, tap: int) -> list[Entry]:
    """Return the same for the outputs for which a tap sees a place of the image."""
    place = divmod(tap, windows.size[1])
    (top, bottom), (left, right) = (_inside(windows, axis, place[axis]) for axis in (0, 1))
    found = []
    for row in range(top, bottom) if left < right else ():
        seen = [
            at * windows.strides[axis] + place[axis] * windows.dilation[axis] - windows.before[axis]
            for axis, at in enumerate((row, left))
        ]
        output = row * windows.counts[1] + left
        found.append((packed.at(seen[0], seen[1]), 0, output * LANES, right - left))
    return found


def _inside(windows: Windows, axis: int, tap: int) -> Plane:
    """Return the first window whose tap sees a place of the image, and the first after those."""
    stride = windows.strides[axis]
    start = tap * windows.dilation[axis] - windows.before[axis]
    first = max(0, -(start // stride))
    end = min(windows.counts[axis], -((start - windows.space[axis]) // stride))
    return first, max(first, end)


def _blocks(windows: Windows, packed: Packed) -> list[Entry]:
    """Return blocks of rows of the weights whose numbers of X are neighbors, or neighboring lines."""
    found = neighbors(windows, packed)
    if not windows.lanewise or windows.dilation[1] != 1:
        return found
    return [(start, 0, at, windows.size[1]) for start, _, at, _ in found[:: windows.size[1]]]


def _cut(blocks: Iterable[Entry], chunk: int, line: int) -> Iterator[Entry]:
    """Cut blocks at multiples of so many lines, which are `line` floats of X apart."""
    for start, group, at, lines in blocks:
        first, end = at // LANES, at // LANES + lines
        while first < end:
            until = min(end, (first // chunk + 1) * chunk)
            yield start + (first - at // LANES) * line, group, first * LANES, until - first
            first = until
