"""What the kernels of convolutions read: where windows lie in images, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from netdsl.program import LANES, Count

Plane = tuple[int, int]
Words = list[int | Count]

LANEWISE: Final = 64
"""The kind of tile that multiplies lane by lane."""

HEADER: Final = 16
PART: Final = 9
BLOCK: Final = 6
"""Words before the parts of a description, and of a part of each kind."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a convolution over images of `height` by `width` places.

    `space` are the extents of the images, `size` those of a window; `channels` go in, `outputs` come out.
    """

    space: Plane
    channels: int
    outputs: int
    size: Plane
    strides: Plane = (1, 1)
    before: Plane = (0, 0)
    after: Plane = (0, 0)
    dilation: Plane = (1, 1)
    lanewise: bool = False

    @property
    def counts(self) -> Plane:
        """How many windows there are, down and across."""
        down, across = (
            (self.space[i] + self.before[i] + self.after[i] - self._reach(i)) // self.strides[i] + 1
            for i in (0, 1)
        )
        return down, across

    @property
    def taps(self) -> int:
        """How many places a window has."""
        return self.size[0] * self.size[1]

    def _reach(self, axis: int) -> int:
        return self.dilation[axis] * (self.size[axis] - 1) + 1

    def border(self) -> tuple[Plane, Plane]:
        """Return the places before and after those of an image that its windows see."""
        counts = self.counts
        last = [(counts[i] - 1) * self.strides[i] + self._reach(i) for i in (0, 1)]
        down, across = (max(0, last[i] - self.before[i] - self.space[i]) for i in (0, 1))
        return self.before, (down, across)


@dataclass(frozen=True, slots=True)
class Images:
    """How images lie: `group` floats from panel to panel, or row-major with no `group`."""

    space: Plane
    channels: int
    group: Count | int | None

    @property
    def place(self) -> int:
        """Floats of a place."""
        return self.channels if self.group is None else LANES

    @property
    def channels_of_groups(self) -> list[int]:
        """How many channels each group has."""
        if self.group is None:
            return [self.channels]
        return [min(LANES, self.channels - start) for start in range(0, self.channels, LANES)]


@dataclass(frozen=True, slots=True)
class Packed:
    """Images between zeros, as windows see them: `top` and `left` places before the first."""

    images: Images
    before: Plane
    after: Plane

    @property
    def is_needed(self) -> bool:
        """Whether there are any zeros."""
        return any(self.before) or any(self.after)

    @property
    def pitch(self) -> int:
        """Floats from line to line."""
        return (self.images.space[1] + self.before[1] + self.after[1]) * self.images.place

    @property
    def group(self) -> int:
        """Floats from group to group."""
        return (self.images.space[0] + self.before[0] + self.after[0]) * self.pitch

    @property
    def size(self) -> int:
        """Floats of an image; none if it is read where it lies."""
        return self.group * len(self.images.channels_of_groups) if self.is_needed else 0

    def at(self, row: int, column: int) -> int:
        """Return where a place lies, counted from the first place of the image."""
        return (row + self.before[0]) * self.pitch + (column + self.before[1]) * self.images.place

    def words(self) -> Words:
        """Return the words of a description about X, up to `size`."""
        images = self.images
        places = images.space[0] * images.space[1]
        return [
            int(self.is_needed), len(images.channels_of_groups), images.space[0],
            images.space[1] * images.place, images.group or 0, places * images.place,
            self.at(0, 0), self.pitch, self.group, self.size,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Description:
    """What a kernel reads, and how many floats of memory of its own a thread needs."""

    words: Words
    scratch: int


Entry = tuple[int, int, int, int]


def forward(windows: Windows, x: Images, y_panel: Count | int) -> Description:
    """Describe the convolution of X."""
    packed = Packed(x, *windows.border())
    down, across = windows.strides
    part = (*windows.counts, down * packed.pitch, across * x.place, 0, windows.counts[1] * LANES, LANES)
    # Of 16 channels the taps of a row are neighbors too: one entry of a table for all of them, 3 % less time.
    one_group = windows.channels == LANES and not windows.lanewise
    lying = replace(packed, images=replace(x, group=None)) if one_group else packed
    entries = _windowed(windows, lying)
    return _described(windows, packed, y_panel, windows.counts, windows.channels, [(part, entries)])


def _windowed(windows: Windows, packed: Packed) -> list[Entry]:
    """Return where the numbers lie that are summed up: neighbors in memory go together."""
    channels = windows.channels
    x = packed.images
    top, left = (-each for each in windows.before)
    found = []
    if x.group is None and windows.dilation[1] == 1:
        for row in range(windows.size[0]):
            start = packed.at(top + row * windows.dilation[0], left)
            steps = windows.size[1] * channels
            found.append((start, 0, row * steps * LANES, steps))
        return found
    for tap, (row, column) in enumerate(product(*map(range, windows.size))):
        start = packed.at(top + row * windows.dilation[0], left + column * windows.dilation[1])
        if windows.lanewise:
            found.append((start, 0, tap * LANES, 1))
            continue
        for group, steps in enumerate(x.channels_of_groups):
            found.append((start, group, (tap * channels + LANES * group) * LANES, steps))
    return found


def backward(windows: Windows, dy_group: Count | int, x_panel: Count | int) -> Description:
    """Describe the way back from outputs to X, through turned weights.

    With strides, places of X that lie alike between windows are a part each: a window's taps are shared out
    among them.
    """
    dy = Images(windows.counts, windows.outputs, dy_group)
    phases = [each for each in product(*map(range, windows.strides)) if _is_there(each, windows.space)]
    rows, columns = (
        [_seen(windows, axis, phase) for phase in range(windows.strides[axis])] for axis in (0, 1)
    )
    before, after = zip(*(_beyond(windows, i, each) for i, each in ((0, rows), (1, columns))), strict=True)
    packed = Packed(dy, before, after)
    parts = []
    for down, across in phases:
        counts = [-(-(windows.space[i] - at) // windows.strides[i]) for i, at in ((0, down), (1, across))]
        start = (down * windows.space[1] + across) * LANES
        steps = windows.strides[0] * windows.space[1] * LANES, windows.strides[1] * LANES
        entries = []
        for (row, up), (column, back) in product(rows[down], columns[across]):
            tap = row * windows.size[1] + column
            if windows.lanewise:
                entries.append((packed.at(up, back), 0, tap * LANES, 1))
                continue
            for group, steps_in in enumerate(dy.channels_of_groups):
                at = (tap * windows.outputs + LANES * group) * LANES
                entries.append((packed.at(up, back), group, at, steps_in))
        parts.append(((*counts, packed.pitch, LANES, start, *steps), entries))
    return _described(windows, packed, x_panel, windows.space, windows.outputs, parts)


def _is_there(phase: tuple[int, ...], space: Plane) -> bool:
    return phase[0] < space[0] and phase[1] < space[1]


def _seen(windows: Windows, axis: int, phase: int) -> list[Plane]:
    """Return the taps by which windows see the places of a phase, and which window sees the first of them."""
    stride, dilation = windows.strides[axis], windows.dilation[axis]
    reached = [(tap, phase + windows.before[axis] - tap * dilation) for tap in range(windows.size[axis])]
    return [(tap, at // stride) for tap, at in reached if at % stride == 0]


def _beyond(windows: Windows, axis: int, phases: Sequence[list[Plane]]) -> Plane:
    """Return how far beyond the first and last window the places of X look."""
    before = after = 0
    for phase, seen in enumerate(phases):
        count = -(-(windows.space[axis] - phase) // windows.strides[axis])
        for _, window in seen if count > 0 else ():
            before = max(before, -window)
            after = max(after, window + count - windows.counts[axis])
    return before, after


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
    tables: Words = [windows.strides[1] * x.place, line]
    begins: dict[int, tuple[int, int]] = {}
    blocks: Words = []
    for start, group, w_start, lines in found:
        tap = w_start // LANES // windows.channels if bounded else 0
        if tap not in begins:
            rows = _rows_of_a_tap(windows, packed, tap) if bounded else _rows(windows, packed)
            begins[tap] = len(rows), HEADER + BLOCK * len(found) + len(tables)
            tables += [word for entry in rows for word in entry]
        blocks += [0 if bounded else start, group, lines, w_start // LANES, *begins[tap]]
    header = _header(windows, packed, dy_panel, windows.counts, windows.channels, len(found))
    return Description([*header, *blocks, *tables], packed.size)


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
    found = _windowed(windows, packed)
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


def _header(
    windows: Windows, packed: Packed, y_panel: Count | int, space: Plane, depth: int, parts: int
) -> Words:
    lines = windows.taps * (1 if windows.lanewise else depth)
    return [
        *packed.words(), int(windows.lanewise), lines * LANES, y_panel, space[0] * space[1] * LANES,
        LANEWISE * windows.lanewise, parts,
    ]  # fmt: skip


def _described(
    windows: Windows,
    packed: Packed,
    y_panel: Count | int,
    space: Plane,
    depth: int,
    parts: Sequence[tuple[tuple[int, ...], list[Entry]]],
) -> Description:
    words = _header(windows, packed, y_panel, space, depth, len(parts))
    table = HEADER + PART * len(parts)
    tables: Words = []
    for part, entries in parts:
        words += [*part, len(entries), table + len(tables)]
        tables += [word for entry in entries for word in entry]
    return Description([*words, *tables], packed.size)


POOL_FIELDS: Final = (
    *("height", "width", "down", "across", "rows", "columns", "stride_down", "stride_across"),
    *("top", "left", "x_panel", "y_panel", "channels"),
)
"""The words of a pool's description, as its kernels read them."""


def pool(windows: Windows, x_panel: Count | int, y_panel: Count | int) -> Words:
    """Describe a pool."""
    extents = (*windows.space, *windows.counts, *windows.size, *windows.strides, *windows.before)
    return [*extents, x_panel, y_panel, windows.channels]
