"""What the kernels of Winograd's convolutions read: where their tiles lie in images, in numbers."""

from __future__ import annotations

from typing import Final

from netdsl.lowering.cpu.geometry import Description, Images, Packed, Plane, Windows
from netdsl.program import LANES, Count

FREQUENCIES: Final = 16
"""Numbers of a transformed tile, or kernel, for each channel or pair of them."""

SPREAD: Final = (FREQUENCIES + 1) * LANES
"""Floats of a transformed tile."""

BLOCK_OF_TILES: Final = 64
"""Tiles of a block, at most: 32 take as long for 32 channels, and a tenth more for a gradient of 64."""


def forward(windows: Windows, x: Images, y_panel: Count | int) -> Description:
    """Describe the convolution of X, in panels."""
    (down, across), (groups, panels) = _blocks(_tiles(windows)), _panels(windows)
    rows, columns = windows.counts
    packed = _packed(windows, x)
    words = [
        *packed.words(), rows, columns, y_panel, rows * columns * LANES,
        windows.channels, panels, down, across,
    ]  # fmt: skip
    return Description(words, packed.size + (groups + panels) * SPREAD * down * across)


def gradient(windows: Windows, x: Images, dy: Images, images: int) -> Description:
    """Describe the gradient of the weights, summed over so many images: a block has tiles of several where
    they are small."""
    tiles, (groups, panels) = _tiles(windows), _panels(windows)
    down, across = _blocks((images * tiles[0], tiles[1]))
    described = forward(windows, x, 0)
    rows, columns = windows.counts
    packed = Packed(dy, (0, 0), (rows % 2, columns % 2))
    size = _packed(windows, x).size + packed.size + (groups + panels) * SPREAD * down * across
    sums = FREQUENCIES * groups * LANES * panels * LANES
    return Description([*described.words[:-2], down, across, *packed.words()], size + sums)


def multiplications(windows: Windows) -> int:
    """Return the multiplications of an image, of which each is added to a sum."""
    down, across = _tiles(windows)
    return FREQUENCIES * down * across * windows.channels * windows.outputs


def _panels(windows: Windows) -> Plane:
    return -(-windows.channels // LANES), -(-windows.outputs // LANES)


def _tiles(windows: Windows) -> Plane:
    down, across = windows.counts
    return (down + 1) // 2, (across + 1) // 2


def _blocks(tiles: Plane) -> Plane:
    """Return the rows of tiles of a block and how long they are: whole rows, or pieces of one."""
    down, across = tiles
    if across > BLOCK_OF_TILES:
        return 1, -(-across // -(-across // BLOCK_OF_TILES))
    many = -(-down // (BLOCK_OF_TILES // across))
    return -(-down // many), across


def _packed(windows: Windows, x: Images) -> Packed:
    """Return X between zeros, as far as its tiles reach."""
    down, across = (
        2 * count + 2 - before - places
        for count, before, places in zip(_tiles(windows), windows.before, windows.space, strict=True)
    )
    return Packed(x, windows.before, (max(0, down), max(0, across)))
