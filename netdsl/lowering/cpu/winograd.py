"""What the kernels of Winograd's convolutions read: where their tiles lie in images, in numbers."""

from __future__ import annotations

from typing import Final

from netdsl.lowering.cpu.geometry import Description, Images, Plane, Windows
from netdsl.program import LANES, Count

DOWN: Final = 2
ACROSS: Final = 4
"""Outputs of a tile along each axis."""

FREQUENCIES: Final = (DOWN + 2) * (ACROSS + 2)
"""Numbers of a transformed tile, or kernel, for each channel or pair of them."""

SPREAD: Final = (FREQUENCIES + 1) * LANES
"""Floats of a transformed tile."""

BLOCK_OF_TILES: Final = 32
"""Tiles of a block, at most: with 24 or 56 all takes the same time within a twentieth."""


def convolution(windows: Windows, x: Images, y_panel: Count | int) -> Description:
    """Describe the convolution of X, in panels, to Y."""
    return _described(windows, x, y_panel, _blocks(_tiles(windows)))


def gradient(windows: Windows, x: Images, dy_panel: Count | int, images: int) -> Description:
    """Describe the gradient of the weights, summed over so many images: a block has tiles of several where
    they are small."""
    (down, across), (groups, panels) = _tiles(windows), _panels(windows)
    described = _described(windows, x, dy_panel, _blocks((images * down, across)))
    sums = FREQUENCIES * groups * LANES * panels * LANES
    return Description(described.words, described.scratch + sums)


def multiplications(windows: Windows) -> int:
    """Return the multiplications of an image, of which each is added to a sum."""
    down, across = _tiles(windows)
    return FREQUENCIES * down * across * windows.channels * windows.outputs


def _described(windows: Windows, x: Images, y_panel: Count | int, block: Plane) -> Description:
    """Describe X, the outputs, and blocks of tiles. A thread needs a row of zeros and room for a block, of an
    even number of tiles, before and behind the products."""
    assert x.group is not None
    (high, wide), (rows, columns), (groups, panels) = windows.space, windows.counts, _panels(windows)
    row, room = max(wide, columns) * LANES, block[0] * block[1] + block[0] * block[1] % 2
    words = [
        x.group, high * wide * LANES, high, wide, *windows.before,
        y_panel, rows * columns * LANES, rows, columns,
        windows.channels, panels, *block, row, room,
    ]  # fmt: skip
    return Description(words, row + (groups + panels) * SPREAD * room)


def _panels(windows: Windows) -> Plane:
    return -(-windows.channels // LANES), -(-windows.outputs // LANES)


def _tiles(windows: Windows) -> Plane:
    down, across = windows.counts
    return -(-down // DOWN), -(-across // ACROSS)


def _blocks(tiles: Plane) -> Plane:
    """Return the rows of tiles of a block and how long they are: whole rows, or pieces of one."""
    down, across = tiles
    if across > BLOCK_OF_TILES:
        return 1, -(-across // -(-across // BLOCK_OF_TILES))
    many = -(-down // (BLOCK_OF_TILES // across))
    return -(-down // many), across
