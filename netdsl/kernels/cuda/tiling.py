"""How a contraction is cut: the tile of a block, and pieces of the sum where there are few tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netdsl.graph import Precision
from netdsl.kernels.cuda.kernel import WARP


@dataclass(frozen=True, slots=True)
class Tile:
    """What a block makes at once: `height` by `width` in steps of `depth`, `own` by `own` by a thread."""

    height: int
    width: int
    depth: int
    own: int

    @property
    def threads(self) -> int:
        """Return the threads of a block."""
        return self.height * self.width // self.own**2


LARGE: Final = Tile(128, 128, 8, 8)
MIDDLE: Final = Tile(64, 64, 16, 4)
SMALL: Final = Tile(32, 32, 16, 4)
TINY: Final = Tile(16, 32, 8, 4)
TILES: Final = (LARGE, MIDDLE, SMALL, TINY)


@dataclass(frozen=True, slots=True)
class WarpTile:
    """What a block makes at once by matrix units: each of its warps `high` by `wide`."""

    height: int
    width: int
    depth: int
    high: int
    wide: int

    @property
    def threads(self) -> int:
        """Return the threads of a block."""
        return WARP * (self.height // self.high) * (self.width // self.wide)


def _warp_tiles(large: int, depth: int) -> tuple[WarpTile, ...]:
    return (
        WarpTile(128, 128, large, 64, 32),
        WarpTile(64, 64, depth, 32, 32),
        WarpTile(32, 32, depth, 16, 16),
        WarpTile(16, 32, depth, 16, 16),
    )


# A thread reads as much of the operands in each turn, 16 or 32 floats: what it reads lies in registers for a
# while, and with twice the depth the largest tile of bf16 would spill in a convolution that reads one by one.
WARP_TILES: Final[Mapping[Precision, tuple[WarpTile, ...]]] = {
    "tf32": _warp_tiles(16, 16),
    "bf16": _warp_tiles(16, 32),
}

PROCESSORS: Final = 132
"""Multiprocessors that a grid is to fill: those of an H100 or H200."""

_DEEP: Final = 256
"""Terms that are worth a piece of their own when a tile is chosen."""
_NARROW: Final = 4
"""Columns up to which a thread makes one element: a tile has 32 at least."""
_MOST: Final = 32
"""Pieces at most: a second kernel reads them all."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a contraction comes to: matrices of `high` by `wide`, each element a sum of `deep` terms."""

    matrices: int
    high: int
    wide: int
    deep: int

    def tiles(self, tile: Tile | WarpTile) -> int:
        """Return how many tiles all results have."""
        return self.matrices * -(-self.high // tile.height) * -(-self.wide // tile.width)


def tile_for(sizes: Sizes, precision: Precision = "float32") -> Tile | WarpTile:
    """Take the largest tile that fills a device and is not mostly empty, with pieces of sums counted in."""
    tiles: tuple[Tile | WarpTile, ...] = TILES if precision == "float32" else WARP_TILES[precision]
    *larger, small, tiny = tiles
    for tile in (*larger, small):
        fits = 2 * sizes.high > tile.height and 2 * sizes.wide > tile.width
        if fits and sizes.tiles(tile) * max(1, sizes.deep // _DEEP) >= PROCESSORS:
            return tile
    return small if sizes.high > tiny.height else tiny


def splits_for(sizes: Sizes, tile: Tile | WarpTile) -> int:
    """Return into how many pieces sums are cut, so that there are about as many blocks as processors."""
    blocks = sizes.tiles(tile)
    if 2 * blocks > PROCESSORS:
        return 1
    return max(1, min(PROCESSORS // blocks, sizes.deep // (8 * tile.depth), _MOST))


def is_narrow(sizes: Sizes) -> bool:
    """Tell whether there are many matrices of a column or two each, of which a tile would be mostly empty."""
    return sizes.matrices > 1 and sizes.wide <= _NARROW


def direct_splits(sizes: Sizes, first: int) -> int:
    """Return into how many pieces the `first` summed axis is cut where a thread makes one element."""
    blocks = -(-sizes.matrices * sizes.high * sizes.wide // 256)
    if 2 * blocks > PROCESSORS or sizes.deep < _DEEP:
        return 1
    return max(1, min(2 * PROCESSORS // blocks, first, sizes.deep // _DEEP))
