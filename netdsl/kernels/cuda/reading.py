"""How the threads of a block read a tile of one operand: from memory to registers, then to shared memory.

A thread reads some units, one or four neighbors each. They differ along one axis of the tile only, so what
the other makes of an address is worked out once: along the summed axes in each turn, along the result's
before the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netdsl.graph import Precision
from netdsl.kernels.cuda.addressing import (
    Axis,
    Coordinate,
    Operand,
    decomposed,
    is_near,
    is_vector,
    partial,
    scaled,
    sum_text,
    volume,
)
from netdsl.kernels.cuda.kernel import indented, text_of
from netdsl.kernels.cuda.tiling import Tile, WarpTile
from netdsl.program import count_of

_PADS: Final[Mapping[tuple[Precision, bool], int]] = {
    ("float32", False): 4,
    ("tf32", False): 8,
    ("tf32", True): 4,
    ("bf16", False): 8,
    ("bf16", True): 8,
}
"""Elements more in a line of a tile, by whether it goes along the depth: so lanes hit different banks. Of
float32, columns are written; of tf32, eight of four depths are read; of bf16, eight lines of 16 bytes."""

_BANKS: Final = 128
"""Bytes of shared memory that are read or written at once, one word of each bank."""

_ONE: Final[Mapping[Precision, str]] = {"float32": "{}", "tf32": "tf32({})", "bf16": "bf16({})"}
_FOUR: Final[Mapping[Precision, str]] = {
    "float32": "st4({}, {}, {}, {}, {})",
    "tf32": "st4({}, tf32({}), tf32({}), tf32({}), tf32({}))",
    "bf16": "st4_bf16({}, {}, {}, {}, {})",
}
"""How a number, or four, come into shared memory."""


class Reader:
    """Writes the lines of one side, all of whose variables begin with its letter.

    `outer` are the side's axes of the result, of which a tile has `extent`, from the variable `begin` on.
    """

    def __init__(
        self,
        letter: str,
        operand: Operand,
        axes: tuple[Sequence[Axis], Sequence[Axis], Sequence[Axis]],
        tile: Tile | WarpTile,
        extent: int,
        begin: str,
        precision: Precision,
    ) -> None:
        self.precision = precision
        self.letter, self.operand, self.begin = letter, operand, begin
        self.batch, self.outer, self.summed = axes
        deep, flat = is_vector(operand, self.summed), is_vector(operand, self.outer)
        self.lanes = 4 if deep or flat else 1
        self.deep = deep or (not flat and not is_near(operand, self.outer))
        # Matrix units take lines of either direction, so tiles lie as they are read.
        self.along_depth = precision != "float32" and self.deep
        length, lines = (tile.depth, extent) if self.along_depth else (extent, tile.depth)
        self.line = length + _PADS[precision, self.along_depth]
        self.room = self.line * lines
        self.loads = range(extent * tile.depth // self.lanes // tile.threads)
        self.units = (tile.depth if self.deep else extent) // self.lanes
        assert tile.threads % self.units == 0, "units of a thread would differ along both axes"
        self.apart = tile.threads // self.units

    def held(self, when: str, outer: str, depth: str) -> str:
        """Return where in shared memory an element of a tile lies."""
        line, place = (outer, depth) if self.along_depth else (depth, outer)
        return f"{self.letter}_{when} + ({line}) * {self.line} + {place}"

    def memory(self, slot: int) -> str:
        """Return the line that asks for shared memory, for two tiles."""
        kind = "halves" if self.precision == "bf16" else "floats"
        return f"{self.letter}_tile = shared_{kind}({slot}, {2 * self.room})"

    # ---- before the loop ----------------------------------------------------------------------

    def places(self) -> list[str]:
        """Return lines that find what of a tile a thread reads, and the parts of addresses that stay."""
        near, far = ("k", "o") if self.deep else ("o", "k")
        lines = [
            f"{self.letter}_{near} = index(thread % {self.units} * {self.lanes})",
            f"{self.letter}_{far} = index({self._line_of_thread()})",
        ]
        for load in self.loads if self.deep else (0,):
            lines += self._fixed(self._outer_tag(load), load)
        return lines

    def _line_of_thread(self) -> str:
        """Return the line of a tile that a thread reads first; neighbors write lines in other banks."""
        line = f"thread // {self.units}"
        written = _BANKS // (8 if self.precision == "bf16" else 16) // self.units
        if not self.along_depth or self.lanes == 1 or written not in (2, 4):
            return line
        # So many lines are written at once: of each eight, those that lie far apart.
        return f"{line} // 8 * 8 + {line} % {written} * {8 // written} + {line} // {written} % {8 // written}"

    def _outer_tag(self, load: int) -> str:
        return f"{self.letter}{load}" if self.deep else self.letter

    def _summed_tag(self, load: int) -> str:
        return self.letter if self.deep else f"{self.letter}{load}"

    def _along(self, word: str, load: int, *, moves: bool) -> str:
        """Return where a load is along an axis of the tile; only along one of them loads differ."""
        name = f"{self.letter}_{word}"
        return f"({name} + {load * self.apart})" if moves and load else name

    def _fixed(self, tag: str, load: int) -> list[str]:
        known = {axis.name: "z_" for axis in self.batch} | {axis.name: f"{tag}_" for axis in self.outer}
        lines = [
            f"{tag}_index = index({self.begin} + {self._along('o', load, moves=self.deep)})",
            *decomposed(f"{tag}_index", self.outer, f"{tag}_"),
            f"{tag}_there = {tag}_index < {text_of(volume(self.outer))}",
        ]
        lines += [
            f"{tag}_part{number} = signed({partial(each, known, offset=True)})"
            for number, each in self._checked()
        ]
        terms = [] if str(self.operand.offset) == "0" else [text_of(self.operand.offset)]
        return [*lines, f"{tag}_from = {sum_text([*terms, *self._plain_terms(known)])}"]

    def _checked(self) -> list[tuple[int, Coordinate]]:
        return [(number, each) for number, each in enumerate(self.operand.coordinates) if each.checked]

    def _plain_terms(self, prefixes: Mapping[str, str]) -> list[str]:
        """Return what known axes add to an address by coordinates that are always there."""
        return [
            scaled(prefixes[name] + name, count_of(each.stride) * factor)
            for each in self.operand.coordinates
            if not each.checked
            for name, factor in each.terms
            if name in prefixes
        ]

    # ---- in the loop --------------------------------------------------------------------------

    def read(self) -> list[str]:
        """Return lines that read a thread's units of the next tile; what is not there is 0."""
        lines: list[str] = []
        if self.deep:
            lines = self._depth(0)
        for load in self.loads:
            tag, outer = f"{self.letter}{load}", self._outer_tag(load)
            lines += [f"{tag}_r{lane} = f32(0.0)" for lane in range(self.lanes)]
            if self.deep:
                lines.append(f"if {outer}_there and {self.letter}_near:")
                lines += [f"    {line}" for line in self._unit(load)]
            else:
                depth, *axes = self._depth(load)
                lines += [depth, f"if {outer}_there and {self._summed_tag(load)}_deep < k_end:"]
                lines += [f"    {line}" for line in (*axes, *self._unit(load))]
        return lines

    def _depth(self, load: int) -> list[str]:
        tag = self._summed_tag(load)
        lines = [
            f"{tag}_deep = index(k_next + {self._along('k', load, moves=not self.deep)})",
            *decomposed(f"{tag}_deep", self.summed, f"{tag}_"),
        ]
        return [*lines, f"{tag}_near = {tag}_deep < k_end"] if self.deep else lines

    def _unit(self, load: int) -> list[str]:
        """Return lines that read a unit whose place along all axes is known."""
        tag, outer = f"{self.letter}{load}", self._outer_tag(load)
        summed = {axis.name: f"{self._summed_tag(load)}_" for axis in self.summed}
        lines: list[str] = []
        checks: list[str] = []
        terms = [f"{outer}_from", *self._plain_terms(summed)]
        for number, each in self._checked():
            name, moving = f"{tag}_spot{number}", partial(each, summed, offset=False)
            lines.append(f"{name} = signed({outer}_part{number} + {moving})")
            checks += [f"{name} >= 0", f"{name} < {each.extent * each.divide}"]
            checks += [f"{name} % {each.divide} == 0"] * (each.divide > 1)
            terms.append(scaled(f"({name} // {each.divide})" if each.divide > 1 else name, each.stride))
        registers = ", ".join(f"{tag}_r{lane}" for lane in range(self.lanes))
        name, at = self.operand.name, sum_text(terms)
        get = f"{registers} = " + (f"ld4({name}, {at})" if self.lanes == 4 else f"{name}[{at}]")
        return [*lines, f"if {' and '.join(checks)}:", indented(get)] if checks else [*lines, get]

    def write(self) -> list[str]:
        """Return lines that put what was read into shared memory, rounded."""
        lines: list[str] = []
        target, four = f"{self.letter}_tile", _FOUR[self.precision]
        near = self.deep == self.along_depth
        for load in self.loads:
            k = self._along("k", load, moves=not self.deep)
            o = self._along("o", load, moves=self.deep)
            registers = [f"{self.letter}{load}_r{lane}" for lane in range(self.lanes)]
            place = self.held("to", o, k)
            if self.lanes == 4 and near:
                lines.append(four.format(f"{target}, {place}", *registers))
            else:
                rounded = [_ONE[self.precision].format(each) for each in registers]
                lines += [
                    f"{target}[{place} + {lane * self.line}] = {each}" for lane, each in enumerate(rounded)
                ]
        return lines
