"""Lanes that read or write shared memory at once hit different banks, in the tiles of matrix units."""

from collections.abc import Iterator
from typing import Any

import pytest

from netdsl.graph import Precision
from netdsl.kernels.cuda.addressing import Axis, plain
from netdsl.kernels.cuda.reading import Reader
from netdsl.kernels.cuda.sharing import ByWarps
from netdsl.kernels.cuda.tiling import WARP_TILES, WarpTile

DEEP = plain("x", [("i", 1024), ("k", 1)])
FLAT = plain("x", [("i", 1), ("k", 1024)])


class Tile:
    """A tile of which reads are recorded."""

    def __init__(self, places: list[int]) -> None:
        self.places = places

    def __getitem__(self, place: int) -> float:
        self.places.append(place)
        return 0.0


def readers(tile: WarpTile, precision: Precision, deep: bool) -> tuple[Reader, Reader]:
    axes = (), (Axis("i", 1024),), (Axis("k", 1024),)
    operand = DEEP if deep else FLAT
    left = Reader("a", operand, axes, tile, tile.height, "m_begin", precision)
    return left, Reader("b", operand, axes, tile, tile.width, "n_begin", precision)


def accesses(lines: list[str], warp: int) -> Iterator[list[int]]:
    """Run lines by each lane of a warp; yield the places that all of them touch at once."""
    touched: list[list[int]] = []
    for lane in range(32):
        mine: list[int] = []

        def record(*told: Any, mine: list[int] = mine) -> Any:
            mine.append(told[1])
            return 0.0, 0.0, 0.0, 0.0

        tile = Tile(mine)
        names: dict[str, Any] = {"thread": 32 * warp + lane, "index": int, "tf32": float}
        names |= dict.fromkeys(("st4", "st4_bf16", "ldmatrix", "ldmatrix_turned"), record)
        names |= {"mma_tf32": lambda *each: each[-4:], "mma_bf16": lambda *each: each[-4:]}
        names |= dict.fromkeys(("m_begin", "n_begin", "a_to", "b_to", "a_now", "b_now"), 0)
        names |= {"a_tile": tile, "b_tile": tile}
        names |= {f"{letter}{load}_r{part}": 0.0 for letter in "ab" for load in range(8) for part in range(4)}
        names |= {f"c{i}_{j}": 0.0 for i in range(8) for j in range(8)}
        exec("\n".join(lines), names)  # noqa: S102 - our own text
        touched.append(mine)
    return map(list, zip(*touched, strict=True))


def most_in_a_bank(places: list[int], size: int, lanes: int, width: int) -> int:
    """Return how many words of one bank are wanted at once, by so many lanes that take so many elements."""
    worst = 0
    for first in range(0, 32, lanes):
        words = {
            (place + near) * size // 4 for place in places[first : first + lanes] for near in range(width)
        }
        banks = [word % 32 for word in words]
        worst = max(worst, *(banks.count(bank) for bank in set(banks)))
    return worst


TILES = [
    pytest.param(precision, tile, id=f"{precision} {tile.height} x {tile.width}")
    for precision, tiles in WARP_TILES.items()
    for tile in tiles
]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("precision", "tile"), TILES)
def test_matrices_are_read_without_a_conflict(precision: Precision, tile: WarpTile, deep: bool) -> None:
    sharing = ByWarps(tile, *readers(tile, precision, deep))
    size, lanes, width = (2, 8, 8) if precision == "bf16" else (4, 32, 1)
    found = list(accesses([*sharing.opening(), *sharing.multiply()], 0))
    assert found
    assert max(most_in_a_bank(places, size, lanes, width) for places in found) == 1


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("precision", "tile"), [TILES[0], TILES[1], TILES[4], TILES[5]])
def test_tiles_are_written_without_a_conflict(precision: Precision, tile: WarpTile, deep: bool) -> None:
    for side in readers(tile, precision, deep):
        size, lanes = (2, 16) if precision == "bf16" else (4, 8)
        found = list(accesses([*side.places(), *side.write()], 1))
        assert len(found) == len(side.loads)
        assert max(most_in_a_bank(places, size, lanes, 4) for places in found) == 1
