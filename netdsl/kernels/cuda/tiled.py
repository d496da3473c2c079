"""The kernel of a contraction that makes tiles.

A block makes a tile of the result from tiles of the operands in shared memory. There are two of each: while
the block works on one, its threads have read the next from memory into registers. How its threads share the
work is told by `netdsl.kernels.cuda.sharing`; each element is one chain of sums in the order of its axes.
"""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.kernels.cuda.addressing import Axis, Operand, address, decomposed, is_vector, volume
from netdsl.kernels.cuda.contracted import Contraction, partial_sums
from netdsl.kernels.cuda.kernel import CudaKernel, Extent, Kind, make, text_of
from netdsl.kernels.cuda.reading import Reader
from netdsl.kernels.cuda.sharing import ByThreads, ByWarps, Sharing
from netdsl.kernels.cuda.tiling import Tile, WarpTile


def tiled_kernel(given: Contraction, tile: Tile | WarpTile, splits: int) -> CudaKernel:
    """Write the kernel; with several splits its sums go to scratch memory."""
    return _Writer(given, tile, splits).kernel()


class _Writer:
    def __init__(self, given: Contraction, tile: Tile | WarpTile, splits: int) -> None:
        self.given, self.tile, self.splits = given, tile, splits
        sides = (
            ("a", given.left, given.rows, tile.height, "m"),
            ("b", given.right, given.columns, tile.width, "n"),
        )
        self.left, self.right = (
            Reader(
                letter,
                operand,
                (given.batch, outer, given.summed),
                tile,
                extent,
                f"{begin}_begin",
                given.precision,
            )
            for letter, operand, outer, extent, begin in sides
        )
        self.sharing = _sharing(tile, self.left, self.right)
        self.deep = text_of(volume(given.summed))
        self.own = range(len(self.sharing.rows)), range(len(self.sharing.columns))

    def kernel(self) -> CudaKernel:
        given, tile = self.given, self.tile
        parameters: dict[str, Kind] = {given.left.name: "float", given.right.name: "float"}
        parameters["scratch" if self.splits > 1 else given.result.name] = "float"
        if self.splits == 1:
            parameters.update(given.finish_parameters)
        blocks: list[tuple[Extent, int]] = [
            (volume(given.rows), tile.height),
            (volume(given.columns), tile.width),
            (self.splits, 1),
            (volume(given.batch), 1),
        ]
        body = "\n".join([*self._opening(), *self._loop(), *self._closing()])
        family = given.family + ("" if given.precision == "float32" else f" {given.precision}")
        return make(family, parameters, body, tile.threads, tuple(blocks))

    # ---- where a block and its threads are ----------------------------------------------------

    def _opening(self) -> list[str]:
        given, tile = self.given, self.tile
        high, wide = text_of(volume(given.rows)), text_of(volume(given.columns))
        return [
            "thread = index(cuda.threadIdx.x)",
            "block = index(cuda.blockIdx.x)",
            f"tiles = index(({high} + {tile.height - 1}) // {tile.height})",
            f"m_begin = index(block % tiles * {tile.height})",
            "block = index(block // tiles)",
            f"tiles = index(({wide} + {tile.width - 1}) // {tile.width})",
            f"n_begin = index(block % tiles * {tile.width})",
            "block = index(block // tiles)",
            f"split = index(block % {self.splits})" if self.splits > 1 else "split = 0",
            f"z = index(block // {self.splits})" if self.splits > 1 else "z = block",
            *decomposed("z", given.batch, "z_"),
            f"steps = index(({self.deep} + {tile.depth - 1}) // {tile.depth})",
            *self._share(),
            self.left.memory(0),
            self.right.memory(1),
            *self.sharing.opening(),
            *self.left.places(),
            *self.right.places(),
            *(f"c{i}_{j} = f32(0.0)" for i in self.own[0] for j in self.own[1]),
        ]  # fmt: skip

    def _share(self) -> list[str]:
        if self.splits == 1:
            return ["k_begin = 0", f"k_end = index({self.deep})"]
        return [
            f"steps = index((steps + {self.splits - 1}) // {self.splits})",
            f"k_begin = index(split * steps * {self.tile.depth})",
            f"k_end = index(min(k_begin + steps * {self.tile.depth}, {self.deep}))",
        ]

    # ---- the loop -----------------------------------------------------------------------------

    def _loop(self) -> list[str]:
        reads = [*self.left.read(), *self.right.read()]
        writes = [*self.left.write(), *self.right.write()]
        a_room, b_room = self.left.room, self.right.room
        # A turn reads one tile and works on the one before. So what reads stands in the text once.
        return [
            "for step in range(steps + 1):",
            f"    k_next = index(k_begin + step * {self.tile.depth})",
            *(f"    {line}" for line in reads),
            f"    a_to = (step & 1) * {a_room}",
            f"    b_to = (step & 1) * {b_room}",
            "    if step > 0:",
            f"        a_now = {a_room} - a_to",
            f"        b_now = {b_room} - b_to",
            *(f"        {line}" for line in self.sharing.multiply()),
            *(f"    {line}" for line in writes),
            "    cuda.syncthreads()",
        ]

    # ---- storing ------------------------------------------------------------------------------

    def _closing(self) -> list[str]:
        given = self.given
        target = given.result if self.splits == 1 else partial_sums(given)
        lanes = self.sharing.neighbors if is_vector(target, given.columns) and not self._finish() else 1
        places = self.own[1][::lanes]
        lines = [line for j in places for line in self._column(target, j)]
        for i, row in enumerate(self.sharing.rows):
            lines += [
                f"m_index = index(m_begin + {row})",
                f"if m_index < {text_of(volume(given.rows))}:",
                *(f"    {line}" for line in decomposed("m_index", given.rows, "m_")),
                f"    m_at = {address(_only(target, given.rows), {axis.name: 'm_' for axis in given.rows})}",
                *(f"    {line}" for j in places for line in self._store(target, i, j, lanes)),
            ]
        return lines

    def _column(self, target: Operand, j: int) -> list[str]:
        """Return lines that find whether a column of a thread is there, and its part of an address."""
        given, tag = self.given, f"n{j}"
        fixed = _only(target, (*given.batch, *given.columns))
        prefixes = {axis.name: "z_" for axis in given.batch}
        prefixes |= {axis.name: f"{tag}_" for axis in given.columns}
        return [
            f"{tag}_index = index(n_begin + {self.sharing.columns[j]})",
            f"{tag}_there = {tag}_index < {text_of(volume(given.columns))}",
            *decomposed(f"{tag}_index", given.columns, f"{tag}_"),
            f"{tag}_at = {address(Operand(target.name, fixed.coordinates, target.offset), prefixes)}",
        ]

    def _store(self, target: Operand, i: int, j: int, lanes: int) -> list[str]:
        values = ", ".join(f"c{i}_{j + lane}" for lane in range(lanes))
        if lanes > 1:
            return [f"if n{j}_there:", f"    st{lanes}({target.name}, m_at + n{j}_at, {values})"]
        store = [f"v = {values}", *self._finish(), f"{target.name}[at] = v"]
        return [f"if n{j}_there:", f"    at = m_at + n{j}_at", *(f"    {line}" for line in store)]

    def _finish(self) -> tuple[str, ...]:
        return self.given.finish if self.splits == 1 else ()


def _sharing(tile: Tile | WarpTile, left: Reader, right: Reader) -> Sharing:
    return ByThreads(tile, left, right) if isinstance(tile, Tile) else ByWarps(tile, left, right)


def _only(operand: Operand, axes: Sequence[Axis]) -> Operand:
    """Return the coordinates of an operand that some axes make, without its offset."""
    names = {axis.name for axis in axes}
    return Operand(operand.name, tuple(each for each in operand.coordinates if each.terms[0][0] in names))
