"""How the threads of a block share a tile: what each makes of it, and how it multiplies.

Either a thread makes `own` by `own` elements by multiply-adds, or a warp makes its part by matrix units,
whose lanes hold it as `netdsl.kernels.cuda.matrix_units` tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final, Protocol

from netdsl.kernels.cuda.reading import Reader
from netdsl.kernels.cuda.tiling import Tile, WarpTile

_DEPTHS: Final = {8: 4, 4: 8}
"""Depths whose multiply-adds stand in the text, by what a thread owns; NVVM leaves the rest in a loop. Of 100
instructions in it 90 and 84 are multiply-adds so, of one depth 78 and 53. More take long to compile."""


class Sharing(Protocol):
    """What writes a thread's part: its element `ci_j` lies in `rows[i]` and `columns[j]` of the tile."""

    neighbors: int
    """So many columns, from each multiple of it on, are neighbors: they are stored at once."""

    @property
    def rows(self) -> list[str]:
        """Return the rows of a thread's elements, as terms."""
        ...

    @property
    def columns(self) -> list[str]:
        """Return the columns of a thread's elements, as terms."""
        ...

    def opening(self) -> list[str]:
        """Return lines before the loop."""
        ...

    def multiply(self) -> list[str]:
        """Return lines that add the products of the tiles at `a_now` and `b_now`."""
        ...


@dataclass(frozen=True)
class ByThreads:
    """A thread makes `own` by `own` elements, in squares of 4 x 4 that lie far apart."""

    tile: Tile
    left: Reader
    right: Reader
    neighbors = 4

    @property
    def rows(self) -> list[str]:
        """Return the rows of a thread's elements, as terms."""
        return self._far_apart("ty", self.tile.height)

    @property
    def columns(self) -> list[str]:
        """Return the columns of a thread's elements, as terms."""
        return self._far_apart("tx", self.tile.width)

    def _far_apart(self, thread: str, extent: int) -> list[str]:
        own = self.tile.own
        return [f"{thread} * 4 + {i % 4 + i // 4 * 4 * (extent // own)}" for i in range(own)]

    def opening(self) -> list[str]:
        """Return lines before the loop."""
        across = self.tile.width // self.tile.own
        return [f"tx = index(thread % {across})", f"ty = index(thread // {across})"]

    def multiply(self) -> list[str]:
        """Return lines that add the products of the tiles at `a_now` and `b_now`."""
        depths = _DEPTHS[self.tile.own]
        lines = [line for depth in range(depths) for line in self._depth(f"k + {depth}")]
        return [f"for k in range(0, {self.tile.depth}, {depths}):", *(f"    {line}" for line in lines)]

    def _depth(self, depth: str) -> list[str]:
        own = range(self.tile.own)
        return [
            *self._fragment(self.left, self.rows, depth),
            *self._fragment(self.right, self.columns, depth),
            *(f"c{i}_{j} += a{i} * b{j}" for i in own for j in own),
        ]

    def _fragment(self, side: Reader, places: list[str], depth: str) -> list[str]:
        """Return lines that read what a thread needs of a line of a tile, four at a time."""
        lines = []
        for first in range(0, self.tile.own, 4):
            registers = ", ".join(f"{side.letter}{first + lane}" for lane in range(4))
            lines.append(f"{registers} = ld4({side.letter}_tile, {side.held('now', places[first], depth)})")
        return lines


@dataclass(frozen=True)
class ByWarps:
    """A warp makes `high` by `wide` elements, in matrices of 16 x 8."""

    tile: WarpTile
    left: Reader
    right: Reader
    neighbors = 2

    @property
    def rows(self) -> list[str]:
        """Return the rows of a thread's elements, as terms."""
        return [f"warp_row + group + {8 * i}" for i in range(self.tile.high // 8)]

    @property
    def columns(self) -> list[str]:
        """Return the columns of a thread's elements, as terms."""
        pairs = range(self.tile.wide // 8)
        return [f"warp_column + 2 * place + {8 * pair + lane}" for pair in pairs for lane in range(2)]

    def opening(self) -> list[str]:
        """Return lines before the loop."""
        across = self.tile.width // self.tile.wide
        return [
            f"warp_row = index(thread // 32 // {across} * {self.tile.high})",
            f"warp_column = index(thread // 32 % {across} * {self.tile.wide})",
            "lane = index(thread % 32)",
            "group = index(lane // 4)",
            "place = index(lane % 4)",
            "near = index(lane % 8)",
            "odd = index(lane // 8 % 2 * 8)",
            "far = index(lane // 16 * 8)",
        ]

    def multiply(self) -> list[str]:
        """Return lines that add the products of the tiles at `a_now` and `b_now`."""
        halves = self.left.precision == "bf16"
        fragments = self._halves() if halves else self._floats()
        matrices = product(range(self.tile.high // 16), range(self.tile.wide // 8))
        lines = [*fragments, *(self._matrix(i, j) for i, j in matrices)]
        step = 16 if halves else 8
        return [f"for k in range(0, {self.tile.depth}, {step}):", *(f"    {line}" for line in lines)]

    def _matrix(self, i: int, j: int) -> str:
        sums = ", ".join(
            f"c{row}_{column}" for row, column in product((2 * i, 2 * i + 1), (2 * j, 2 * j + 1))
        )
        factors = [*(f"a{i}_{part}" for part in range(4)), *(f"b{j}_{part}" for part in range(2))]
        return f"{sums} = mma_{self.left.precision}({', '.join(factors)}, {sums})"

    def _floats(self) -> Iterable[str]:
        for i, (depth, half) in product(range(self.tile.high // 16), product(range(2), range(2))):
            at = self.left.held("now", f"warp_row + group + {16 * i + 8 * half}", f"k + place + {4 * depth}")
            yield f"a{i}_{2 * depth + half} = a_tile[{at}]"
        for j, depth in product(range(self.tile.wide // 8), range(2)):
            at = self.right.held("now", f"warp_column + group + {8 * j}", f"k + place + {4 * depth}")
            yield f"b{j}_{depth} = b_tile[{at}]"

    def _halves(self) -> Iterable[str]:
        # Four matrices at once: their lines begin where `near`, `odd` and `far` of a lane tell.
        for i in range(self.tile.high // 16):
            registers = [f"a{i}_{part}" for part in range(4)]
            yield self._four(self.left, registers, f"warp_row + odd + {16 * i}", "far")
        for j in range(0, self.tile.wide // 8, 2):
            registers = [f"b{j + pair}_{part}" for pair in range(2) for part in range(2)]
            yield self._four(self.right, registers, f"warp_column + far + {8 * j}", "odd")

    def _four(self, side: Reader, registers: list[str], outer: str, depth: str) -> str:
        if side.along_depth:
            word, at = "ldmatrix", side.held("now", f"{outer} + near", f"k + {depth}")
        else:
            word, at = "ldmatrix_turned", side.held("now", outer, f"k + {depth} + near")
        return f"{', '.join(registers)} = {word}({side.letter}_tile, {at})"
