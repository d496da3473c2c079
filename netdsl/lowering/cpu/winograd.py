"""What the kernels of Winograd's convolutions read: where their tiles lie in images, in numbers."""

from __future__ import annotations

from typing import Final

from netdsl.lowering.cpu.geometry import Description, Images, Packed, Plane, Windows, Words
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


def forward(windows: Windows, x: Images, y_panel: Count | int) -> Description:
    """Describe the convolution of X, in panels."""
    (down, across), (groups, panels) = _blocks(_tiles(windows)), _panels(windows)
    rows, columns = windows.counts
    packed = _packed(windows, x)
    words = [
        *_words_about_x(windows, packed), rows, columns, y_panel, rows * columns * LANES,
        windows.channels, panels, down, across,
    ]  # fmt: skip
    return Description(words, _zeros(packed) + (groups + panels) * SPREAD * down * across)


def gradient(windows: Windows, x: Images, dy: Images, images: int) -> Description:
    """Describe the gradient of the weights, summed over so many images: a block has tiles of several where
    they are small."""
    tiles, (groups, panels) = _tiles(windows), _panels(windows)
    down, across = _blocks((images * tiles[0], tiles[1]))
    described = forward(windows, x, 0)
    rows, columns = windows.counts
    packed = Packed(dy, (0, 0), (-rows % DOWN, -columns % ACROSS))
    size = _zeros(_packed(windows, x)) + packed.size + (groups + panels) * SPREAD * down * across
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
    return -(-down // DOWN), -(-across // ACROSS)


def _blocks(tiles: Plane) -> Plane:
    """Return the rows of tiles of a block and how long they are: whole rows, or pieces of one."""
    down, across = tiles
    if across > BLOCK_OF_TILES:
        return 1, -(-across // -(-across // BLOCK_OF_TILES))
    many = -(-down // (BLOCK_OF_TILES // across))
    return -(-down // many), across


def _packed(windows: Windows, x: Images) -> Packed:
    """Return X between zeros as far as its tiles reach, or as it lies, if only the first and the last tile of
    a row reach beyond it."""
    if windows.before[1] <= 2 and windows.after[1] <= 1:
        return Packed(x, (0, 0), (0, 0))
    down, across = (
        each * count + 2 - before - places
        for each, count, before, places in zip(
            (DOWN, ACROSS), _tiles(windows), windows.before, windows.space, strict=True
        )
    )
    return Packed(x, windows.before, (max(0, down), max(0, across)))


def _zeros(packed: Packed) -> int:
    """Return the floats of X between zeros, or those of a row of zeros."""
    return packed.size if packed.is_needed else packed.pitch


def _words_about_x(windows: Windows, packed: Packed) -> Words:
    space = packed.images.space
    seen = *windows.before, *space
    if packed.is_needed:
        seen = 0, 0, packed.group // packed.pitch, packed.pitch // LANES
    return [*packed.words()[:-1], _zeros(packed), *seen]
