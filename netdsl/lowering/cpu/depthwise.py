"""What the kernels of depthwise convolutions read, and which convolutions they compute."""

from __future__ import annotations

from typing import Final

from netdsl.lowering.cpu.geometry import Plane, Windows, Words
from netdsl.program import LANES, Count

WIDTHS: Final = (3, 5)
"""The columns of windows that the kernels have tiles for."""

GRADIENT: Final = (3, 3)
"""The windows whose gradient they sum."""


def has_tiles(windows: Windows) -> bool:
    """Tell whether windows are of one channel, move one place at a time, have a width with tiles, and each
    reach a number of its line: the tiles look at the border for their first and last places alone."""
    steady = windows.strides == (1, 1) == windows.dilation
    near = max(windows.before[1], windows.after[1]) < windows.size[1]
    return windows.lanewise and steady and near and windows.size[1] in WIDTHS


def has_sums(windows: Windows) -> bool:
    """Tell whether the gradient of the weights is summed by the kernel for it."""
    return has_tiles(windows) and windows.size == GRADIENT


def forward(windows: Windows, x_panel: Count | int, y_panel: Count | int) -> Words:
    """Describe the convolution of images."""
    return _words(windows, (windows.space, windows.counts, windows.before), (x_panel, y_panel), (0, LANES))


def backward(windows: Windows, dy_panel: Count | int, dx_panel: Count | int) -> Words:
    """Describe the way back: windows over dY, with the taps in reverse order."""
    before = windows.size[0] - 1 - windows.before[0], windows.size[1] - 1 - windows.before[1]
    last = LANES * (windows.taps - 1)
    return _words(windows, (windows.counts, windows.space, before), (dy_panel, dx_panel), (last, -LANES))


def _words(
    windows: Windows,
    planes: tuple[Plane, Plane, Plane],
    panels: tuple[Count | int, Count | int],
    weights: tuple[int, int],
) -> Words:
    space, counts, before = planes
    return [
        *space, *counts, *windows.size, *before, *panels, LANES * windows.taps,
        -(-windows.outputs // LANES), *weights,
    ]  # fmt: skip
