"""The kernel of a contraction that makes tiles.

A block makes a tile of the result from tiles of the operands in shared memory. There are two of each: while
the block works on one, its threads have read the next from memory into registers. A thread makes `own` by
`own` elements; each is one chain of multiply-adds in the order of the summed axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netdsl.kernels.cuda.addressing import (
    Axis,
    Operand,
    address,
    decomposed,
    is_near,
    is_vector,
    partial,
    scaled,
    sum_text,
    volume,
)
from netdsl.kernels.cuda.contracted import Contraction, partial_sums
from netdsl.kernels.cuda.kernel import CudaKernel, Extent, Kind, indented, make, text_of
from netdsl.kernels.cuda.tiling import Tile
from netdsl.program import count_of

PAD: Final = 4
"""Floats more in a line of a tile, so that lanes which write a column hit different banks."""


def tiled_kernel(given: Contraction, tile: Tile, splits: int) -> CudaKernel:
    """Write the kernel; with several splits its sums go to scratch memory."""
    return _Writer(given, tile, splits).kernel()


@dataclass(frozen=True, slots=True)
class _Side:
    """One operand's way into shared memory: its axes in the result, and how a tile of it is read."""

    letter: str
    operand: Operand
    outer: tuple[Axis, ...]
    prefix: str
    extent: int
    vector: bool
    deep: bool
    """Whether neighboring threads read neighbors along the summed axes, not along the result's."""

    @property
    def lanes(self) -> int:
        return 4 if self.vector else 1


class _Writer:
    def __init__(self, given: Contraction, tile: Tile, splits: int) -> None:
        self.given, self.tile, self.splits = given, tile, splits
        self.left = self._side("a", given.left, given.rows, "m_", tile.height)
        self.right = self._side("b", given.right, given.columns, "n_", tile.width)
        self.deep = text_of(volume(given.summed))
        self.across, self.down = tile.width // tile.own, tile.height // tile.own

    def _side(
        self, letter: str, operand: Operand, outer: tuple[Axis, ...], prefix: str, extent: int
    ) -> _Side:
        summed = self.given.summed
        deep_vector, flat_vector = is_vector(operand, summed), is_vector(operand, outer)
        deep = deep_vector or (not flat_vector and not is_near(operand, outer))
        return _Side(letter, operand, outer, prefix, extent, deep_vector or flat_vector, deep)

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
        return make(given.family, parameters, body, tile.threads, tuple(blocks))

    # ---- where a block and its threads are ----------------------------------------------------

    def _opening(self) -> list[str]:
        given, tile = self.given, self.tile
        high, wide = text_of(volume(given.rows)), text_of(volume(given.columns))
        return [
            "thread = cuda.threadIdx.x",
            "block = cuda.blockIdx.x",
            f"tiles = ({high} + {tile.height - 1}) // {tile.height}",
            f"m_begin = block % tiles * {tile.height}",
            "block = block // tiles",
            f"tiles = ({wide} + {tile.width - 1}) // {tile.width}",
            f"n_begin = block % tiles * {tile.width}",
            "block = block // tiles",
            f"split = block % {self.splits}" if self.splits > 1 else "split = 0",
            f"z = block // {self.splits}" if self.splits > 1 else "z = block",
            *decomposed("z", given.batch, "z_"),
            f"steps = ({self.deep} + {tile.depth - 1}) // {tile.depth}",
            *self._share(),
            *(f"{each.letter}_tile = shared_floats({slot}, {2 * self._room(each)})"
              for slot, each in enumerate((self.left, self.right))),
            f"tx = thread % {self.across}",
            f"ty = thread // {self.across}",
            *self._places(self.left),
            *self._places(self.right),
            *(f"c{i}_{j} = f32(0.0)" for i in range(tile.own) for j in range(tile.own)),
        ]  # fmt: skip

    def _share(self) -> list[str]:
        if self.splits == 1:
            return ["k_begin = 0", f"k_end = {self.deep}"]
        return [
            f"steps = (steps + {self.splits - 1}) // {self.splits}",
            f"k_begin = split * steps * {self.tile.depth}",
            f"k_end = min(k_begin + steps * {self.tile.depth}, {self.deep})",
        ]

    def _line(self, side: _Side) -> int:
        return side.extent + PAD

    def _room(self, side: _Side) -> int:
        return self._line(side) * self.tile.depth

    def _loads(self, side: _Side) -> int:
        return side.extent * self.tile.depth // side.lanes // self.tile.threads

    def _places(self, side: _Side) -> list[str]:
        """Return lines that find what of a tile a thread reads, and the parts of addresses that stay."""
        lines, near = [], self.tile.depth if side.deep else side.extent
        units = near // side.lanes
        for load in range(self._loads(side)):
            tag = f"{side.letter}{load}"
            unit = f"(thread + {load * self.tile.threads})" if load else "thread"
            first, second = ("k", "o") if side.deep else ("o", "k")
            lines += [
                f"{tag}_{first} = {unit} % {units} * {side.lanes}",
                f"{tag}_{second} = {unit} // {units}",
                f"{tag}_index = {side.prefix[0]}_begin + {tag}_o",
                *decomposed(f"{tag}_index", side.outer, f"{tag}_"),
                f"{tag}_there = {tag}_index < {text_of(volume(side.outer))}",
            ]
            known = self._known_prefixes(side, tag)
            for number, each in enumerate(side.operand.coordinates):
                if each.checked:
                    lines.append(f"{tag}_part{number} = {partial(each, known, offset=True)}")
            lines.append(f"{tag}_from = {self._fixed_address(side, known)}")
        return lines

    def _known_prefixes(self, side: _Side, tag: str) -> dict[str, str]:
        own = {axis.name: f"{tag}_" for axis in side.outer}
        return {**{axis.name: "z_" for axis in self.given.batch}, **own}

    def _fixed_address(self, side: _Side, known: dict[str, str]) -> str:
        terms = [] if str(side.operand.offset) == "0" else [text_of(side.operand.offset)]
        for each in side.operand.coordinates:
            if not each.checked:
                terms += [
                    scaled(known[name] + name, count_of(each.stride) * factor)
                    for name, factor in each.terms
                    if name in known
                ]
        return sum_text(terms)

    # ---- reading tiles ------------------------------------------------------------------------

    def _read(self, side: _Side, load: int) -> list[str]:
        """Return lines that read a unit of the next tile into registers; what is not there is 0."""
        tag = f"{side.letter}{load}"
        registers = [f"{tag}_r{lane}" for lane in range(side.lanes)]
        summed = {axis.name: f"{tag}_" for axis in self.given.summed}
        inside = [f"{tag}_at = {self._address(side, tag, summed)}"]
        checks: list[str] = []
        before: list[str] = []
        for number, each in enumerate(side.operand.coordinates):
            if not each.checked:
                continue
            moving = partial(each, summed, offset=False)
            name = f"{tag}_place{number}"
            before.append(f"{name} = {tag}_part{number}" + (f" + {moving}" if moving != "0" else ""))
            if each.divide > 1:
                checks += [
                    f"{name} >= 0",
                    f"{name} % {each.divide} == 0",
                    f"{name} < {each.extent * each.divide}",
                ]
            else:
                checks += [f"{name} >= 0", f"{name} < {each.extent}"]
        if side.vector:
            inside.append(f"{', '.join(registers)} = ld4({side.operand.name}, {tag}_at)")
        else:
            inside.append(f"{registers[0]} = {side.operand.name}[{tag}_at]")
        return [
            *(f"{register} = f32(0.0)" for register in registers),
            f"{tag}_deep = k_next + {tag}_k",
            f"if {tag}_there and {tag}_deep < k_end:",
            *(f"    {line}" for line in decomposed(f"{tag}_deep", self.given.summed, f"{tag}_")),
            *(f"    {line}" for line in before),
            *([f"    if {' and '.join(checks)}:"] if checks else []),
            *(indented(line, 2 if checks else 1) for line in inside),
        ]

    def _address(self, side: _Side, tag: str, summed: dict[str, str]) -> str:
        terms = [f"{tag}_from"]
        for number, each in enumerate(side.operand.coordinates):
            if each.checked:
                name = f"{tag}_place{number}"
                place = f"{name} // {each.divide}" if each.divide > 1 else name
                terms.append(scaled(f"({place})" if each.divide > 1 else place, each.stride))
            else:
                terms += [
                    scaled(summed[name] + name, count_of(each.stride) * factor)
                    for name, factor in each.terms
                    if name in summed
                ]
        return sum_text(terms)

    def _write(self, side: _Side, load: int) -> list[str]:
        """Return lines that put a unit into shared memory, whose lines go along the result's axes."""
        tag, line = f"{side.letter}{load}", self._line(side)
        target = f"{side.letter}_tile"
        place = f"{side.letter}_to + {tag}_k * {line} + {tag}_o"
        if side.vector and not side.deep:
            registers = ", ".join(f"{tag}_r{lane}" for lane in range(4))
            return [f"st4({target}, {place}, {registers})"]
        return [f"{target}[{place} + {lane * line}] = {tag}_r{lane}" for lane in range(side.lanes)]

    # ---- the loop -----------------------------------------------------------------------------

    def _loop(self) -> list[str]:
        sides = (self.left, self.right)
        reads = [
            line for side in sides for load in range(self._loads(side)) for line in self._read(side, load)
        ]
        writes = [
            line for side in sides for load in range(self._loads(side)) for line in self._write(side, load)
        ]
        a_room, b_room = self._room(self.left), self._room(self.right)
        # A turn reads one tile and works on the one before. So what reads stands in the text once.
        return [
            "for step in range(steps + 1):",
            f"    k_next = k_begin + step * {self.tile.depth}",
            *(f"    {line}" for line in reads),
            f"    a_to = (step & 1) * {a_room}",
            f"    b_to = (step & 1) * {b_room}",
            "    if step > 0:",
            f"        a_now = {a_room} - a_to",
            f"        b_now = {b_room} - b_to",
            f"        for k in range({self.tile.depth}):",
            *(f"            {line}" for line in self._multiply()),
            *(f"    {line}" for line in writes),
            "    cuda.syncthreads()",
        ]

    def _fragment(self, side: _Side, thread: str, count: int) -> list[str]:
        """Return lines that read what a thread needs of a line of a tile, four at a time, far apart."""
        lines = []
        for quarter in range(self.tile.own // 4):
            registers = ", ".join(f"{side.letter}{4 * quarter + lane}" for lane in range(4))
            place = f"{side.letter}_now + k * {self._line(side)} + {thread} * 4 + {quarter * 4 * count}"
            lines.append(f"{registers} = ld4({side.letter}_tile, {place})")
        return lines

    def _multiply(self) -> list[str]:
        own = range(self.tile.own)
        return [
            *self._fragment(self.left, "ty", self.down),
            *self._fragment(self.right, "tx", self.across),
            *(f"c{i}_{j} += a{i} * b{j}" for i in own for j in own),
        ]

    # ---- storing ------------------------------------------------------------------------------

    def _closing(self) -> list[str]:
        given = self.given
        target = given.result if self.splits == 1 else partial_sums(given)
        lanes = 4 if is_vector(target, given.columns) and not self._finish() else 1
        places = range(0, self.tile.own, lanes)
        lines = [line for j in places for line in self._column(target, j)]
        for i in range(self.tile.own):
            lines += [
                f"m_index = m_begin + ty * 4 + {i % 4 + i // 4 * 4 * self.down}",
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
            f"{tag}_index = n_begin + tx * 4 + {j % 4 + j // 4 * 4 * self.across}",
            f"{tag}_there = {tag}_index < {text_of(volume(given.columns))}",
            *decomposed(f"{tag}_index", given.columns, f"{tag}_"),
            f"{tag}_at = {address(Operand(target.name, fixed.coordinates, target.offset), prefixes)}",
        ]

    def _store(self, target: Operand, i: int, j: int, lanes: int) -> list[str]:
        values = ", ".join(f"c{i}_{j + lane}" for lane in range(lanes))
        if lanes == 4:
            return [f"if n{j}_there:", f"    st4({target.name}, m_at + n{j}_at, {values})"]
        store = [f"v = {values}", *self._finish(), f"{target.name}[at] = v"]
        return [f"if n{j}_there:", f"    at = m_at + n{j}_at", *(f"    {line}" for line in store)]

    def _finish(self) -> tuple[str, ...]:
        return self.given.finish if self.splits == 1 else ()


def _only(operand: Operand, axes: Sequence[Axis]) -> Operand:
    """Return the coordinates of an operand that some axes make, without its offset."""
    names = {axis.name for axis in axes}
    return Operand(operand.name, tuple(each for each in operand.coordinates if each.terms[0][0] in names))
