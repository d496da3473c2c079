"""What the kernels of convolutions read: where windows lie in images, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Final

from netdsl.lazy_dataclass import dataclass, replace
from netdsl.program import LANES, Count

Plane = tuple[int, int]
Words = list[int | Count]

LANEWISE: Final = 64
"""The kind of tile that multiplies lane by lane."""

HALVED: Final = 256
"""The kind of tile whose lines are two places of 8 channels."""

HEADER: Final = 16
PART: Final = 9
BLOCK: Final = 6
HALVED_FIELDS: Final = 8
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

    @property
    def in_halves(self) -> bool:
        """Whether two neighboring places of so few channels share a line of 16: a tap more for each row, and
        half as many lines (LeNet's 5x5 windows to 6 channels: 1.7 times as fast)."""
        near = self.strides[1] == self.dilation[1] == 1
        return self.outputs <= LANES // 2 and near and not self.lanewise and self.counts[1] % 2 == 0

    @property
    def two_at_once(self) -> Windows:
        """The windows of two neighboring places."""
        return replace(self, size=(self.size[0], self.size[1] + 1), strides=(self.strides[0], 2))

    @property
    def mirrored(self) -> Windows | None:
        """The windows over what lies behind these whose sums are the way back, if there are such."""
        beyond = [(self.size[i] - 1 - self.before[i], self.size[i] - 1 - self.after[i]) for i in (0, 1)]
        if self.strides != (1, 1) or self.dilation != (1, 1) or any(min(each) < 0 for each in beyond):
            return None
        before, after = zip(*beyond, strict=True)
        return Windows(self.counts, self.outputs, self.channels, self.size, (1, 1), before, after)

    @property
    def back_in_halves(self) -> bool:
        """Whether two places share a line on the way back."""
        return not self.lanewise and self.mirrored is not None and self.mirrored.in_halves

    def inside(self, row: int) -> Plane:
        """Return the first row of taps by which a row of windows sees a place, and the first after those."""
        start = row * self.strides[0] - self.before[0]
        seen = [tap for tap in range(self.size[0]) if 0 <= start + tap * self.dilation[0] < self.space[0]]
        return (seen[0], seen[-1] + 1) if seen else (0, 0)

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
    seen = windows.two_at_once if windows.in_halves else windows
    packed = Packed(x, *seen.border())
    columns = seen.counts[1]
    width = windows.counts[1] // columns * LANES
    (down, across), line = seen.strides, windows.counts[1] * LANES
    # Of 16 channels the taps of a row are neighbors too: one entry of a table for all of them, 3 % less time.
    one_group = windows.channels == LANES and not windows.lanewise
    entries = neighbors(seen, replace(packed, images=replace(x, group=None)) if one_group else packed)
    parts = []
    for first, count, taps in _bands(seen):
        a_row, of_a_row = down * packed.pitch, len(entries) // seen.size[0]
        kept = entries[taps[0] * of_a_row : taps[1] * of_a_row]
        table = [(start + first * a_row, group, at, steps) for start, group, at, steps in kept]
        parts.append(((count, columns, a_row, across * x.place, first * line, line, width), table))
    return _described(seen, packed, y_panel, windows.counts, windows.channels, parts, _kind(windows))


def _bands(windows: Windows) -> list[tuple[int, int, Plane]]:
    """Return bands of rows of windows, the first and how many, and the rows of taps that see the image there.

    All of them are one band where the border is small: it takes a fifth of the work of LeNet's second
    convolution, on the way back.
    """
    rows, size = windows.counts[0], windows.size[0]
    inside = [windows.inside(row) for row in range(rows)]
    if 6 * sum(end - first for first, end in inside) > 5 * rows * size or rows == 0:
        return [(0, rows, (0, size))]
    starts = [row for row in range(rows) if row == 0 or inside[row] != inside[row - 1]]
    ends = [*starts[1:], rows]
    return [(start, end - start, inside[start]) for start, end in zip(starts, ends, strict=True)]


def _kind(windows: Windows) -> int:
    return LANEWISE if windows.lanewise else HALVED if windows.in_halves else 0


def neighbors(windows: Windows, packed: Packed) -> list[Entry]:
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
    if windows.back_in_halves and windows.mirrored is not None:
        return forward(windows.mirrored, dy, x_panel)
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
    kind = LANEWISE * windows.lanewise
    return _described(windows, packed, x_panel, windows.space, windows.outputs, parts, kind)


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


def header(
    windows: Windows, packed: Packed, y_panel: Count | int, space: Plane, depth: int, parts: int, kind: int
) -> Words:
    """Return the words of a description before its parts; `space` are the places of what an image makes."""
    lines = windows.taps * (1 if windows.lanewise else depth)
    return [
        *packed.words(), int(windows.lanewise), lines * LANES, y_panel, space[0] * space[1] * LANES,
        kind, parts,
    ]  # fmt: skip


def _described(
    windows: Windows,
    packed: Packed,
    y_panel: Count | int,
    space: Plane,
    depth: int,
    parts: Sequence[tuple[tuple[int, ...], list[Entry]]],
    kind: int,
) -> Description:
    words = header(windows, packed, y_panel, space, depth, len(parts), kind)
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
