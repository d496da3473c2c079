"""Values as formulas of positions: what a thread computes of one element, from what lies in memory.

Each value is set where the outermost block stands that knows its position, so a loop computes only what
depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Final

from netdsl.graph import BATCH, Graph, Node, Shape, count, is_batched
from netdsl.kernels.cuda.kernel import Kind
from netdsl.lowering.cuda import words
from netdsl.lowering.cuda.draws import draw
from netdsl.lowering.cuda.folds import FOLDS, fold
from netdsl.lowering.cuda.lanes import add_up, of_row, read_lane
from netdsl.lowering.cuda.numbers import NumberSlots
from netdsl.lowering.cuda.text import DeviceText
from netdsl.lowering.cuda.windows import from_its_window, lie_apart
from netdsl.lowering.movements import joined, padded, source_of
from netdsl.lowering.numbers import read, written
from netdsl.lowering.position import ZERO, Position, Variables
from netdsl.operations.philox import stream_hash
from netdsl.program import Buffer, Count, address, count_of, rows_of, symbol

CASTS: Final = {
    "float": "f32({0})",
    "int": "i32({0})",
    "bool": "({0} < f32(0.0)) | ({0} > f32(0.0))",
}
"""Kinds of each other: what is no number is not true."""

CONTEXT: Final = "context"
"""Whole numbers that lie in device memory: see `netdsl.lowering.cuda.words`."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The buffers in which entries of a table are in the order of its rows, and where those of each row begin
    and end."""

    order: str
    begin: str
    end: str

    @property
    def buffers(self) -> tuple[str, ...]:
        """The names of all of them."""
        return self.order, self.begin, self.end


@dataclass(slots=True)
class Formulas:
    """Writes values. `places` tells where values lie that other launches stored; those of `own` are computed
    by this launch, so they are never read from memory."""

    graph: Graph
    places: Mapping[int, Buffer]
    own: frozenset[int]
    host: frozenset[int]
    numbers: NumberSlots
    fields: Mapping[str, str]
    pieces: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    """The scratch memory of products whose sums lie in pieces, and how many those are."""

    entries: Mapping[int, Entries] = field(default_factory=dict)
    """The entries of tables, sorted by their rows."""

    lanes: int = 1
    """How many neighboring elements a thread makes now."""

    text: DeviceText = field(default_factory=DeviceText)
    index: Variables = field(default_factory=lambda: Variables(forms=("quo({0}, {1})", "rem({0}, {1})")))
    depths: dict[str, int] = field(default_factory=dict)
    flats: dict[tuple[Position, Shape], Count] = field(default_factory=dict)
    """The places in row-major order that positions were made of."""

    # ---- loops and positions -------------------------------------------------------------------

    def open(self, stem: str, extent: int) -> Count:
        """Open a loop over an axis; return its index, 0 without a loop where there is nothing to repeat."""
        if extent == 1:
            return ZERO
        name = self.text.variable(stem)
        depth = self.text.open(f"for {name} in range({self.extent(extent)}):")
        return self.known(name, depth, extent)

    def known(self, name: str, depth: int, extent: int | None) -> Count:
        """Return the formula of a variable that is set at a depth and is below an extent."""
        self.depths[name] = depth
        return self.index.variable(name, None if extent is None or extent < 0 else extent)

    def extent(self, extent: int) -> str:
        """Return the text of an extent: a number, or a parameter for the rows of a batch or several."""
        return str(extent) if extent >= 0 else str(self.rows(extent))

    def rows(self, extent: int) -> Count:
        """Return the rows of a batch, or of several, as a formula of a parameter."""
        return -extent * symbol(self.text.parameter("rows", symbol("rows")))

    def batch(self) -> Count:
        """Return the rows of a batch."""
        return self.rows(BATCH)

    def unflattened(self, place: Count, shape: Shape) -> Position:
        """Return the position of a place in row-major order."""
        position = self.index.unflattened(place, shape) if shape else ()
        self.flats[position, shape] = place
        for axis in range(1, len(shape)):
            before, _ = self.index.split(place, prod(shape[axis:]))
            self.flats[position[:axis], shape[:axis]] = before
        return position

    def flat(self, position: Position, shape: Shape) -> Count:
        """Return the place of a position in row-major order."""
        known = self.flats.get((position, shape))
        return self.index.flat(position, shape) if known is None else known

    def depth(self, position: Position) -> int:
        """Return the depth of the block in which a position is known."""
        return self.index.depth(position, self.depths)

    # ---- values --------------------------------------------------------------------------------

    def value(self, index: int, position: Position) -> str:
        """Return the name of a value at a position, set in the outermost block that can."""
        key = index, position
        for block in self.text.blocks:
            if key in block.known:
                return block.known[key]
        depth = self.depth(position)
        with self.text.at(depth):
            name = self._made(index, self.graph[index], position)
            self.text.blocks[-1].known[key] = name
            self.depths.setdefault(name, depth)
        return name

    def set(self, stem: str, formula: str) -> str:
        """Set a new variable to a formula."""
        name = self.text.variable(stem)
        self.text.line(f"{name} = {formula}")
        self.depths[name] = len(self.text.blocks) - 1
        return name

    def _made(self, index: int, node: Node, position: Position) -> str:
        if index in self.host:
            return self._number(index, node)
        if index in self.places and index not in self.own:
            return self._load(self.places[index], node, position)
        if index in self.pieces:
            return self._added_up(index, node, position)
        operands = self.graph.operands(index)
        source = source_of(self, self.graph, index, position)
        if source is not None:
            return self.value(operands[0], source)
        match node.operation.name:
            case "input":
                return self._field(node, position)
            case "uniform" | "gaussian" as name:
                return self._drawn(name, index, node, position)
            case "reshape":
                return self.value(
                    operands[0], self._reshaped(position, node.shape, self.graph[operands[0]].shape)
                )
            case "pad":
                formula, value = padded(self, self.graph, index, position)
                return value if formula == value else self.set("pad", formula)
            case "concat":
                formula, _ = joined(self, self.graph, index, position)
                return self.set("concat", formula)
            case "one_hot":
                hit = f"{self.value(operands[0], position[:-1])} == {position[-1]}"
                return self.set("one_hot", f"f32(1.0) if {hit} else f32(0.0)")
            case "iota":
                return f"({position[0]})"
            case "put_window" | "spread_pool" if lie_apart(node):
                return from_its_window(self, index, position)
            case name if name in FOLDS:
                return fold(self, index, position)
        return self._computed(index, node, position)

    def _computed(self, index: int, node: Node, position: Position) -> str:
        if not node.operation.scalar:
            raise NotImplementedError(f"no device kernel is written for {node.operation.name}")
        texts = [self.value(each, position) for each in self.graph.operands(index)]
        if node.operation.name == "cast":
            return self.set("cast", CASTS[node.dtype].format(*texts))
        return self.set(node.operation.name, node.operation.scalar.format(*texts, **dict(node.settings)))

    def _added_up(self, index: int, node: Node, position: Position) -> str:
        """Add the pieces of a sum up, in order."""
        scratch, pieces = self.pieces[index]
        array, place = self.pointer(scratch), self.flat(position, node.shape)
        total: Count | int = count(node.shape)
        if is_batched(node.shape):
            total = self.rows(node.shape[0]) * total
        return add_up(self, array, place, pieces, count_of(total))

    # ---- memory --------------------------------------------------------------------------------

    def element(self, buffer: Buffer, shape: Shape, position: Position) -> str:
        """Return the text of an element of a buffer."""
        kind: Kind = "int" if buffer.dtype == "int" else "float"
        array, place = self.pointer(buffer.name, kind), self.flat(position, shape)
        return read_lane(self, array, place, count(shape)) if kind == "float" else f"{array}[{place}]"

    def pointer(self, buffer: str, kind: Kind = "float") -> str:
        """Return the parameter that a buffer is passed as."""
        key = "pointer", buffer
        known = self.text.blocks[0].known
        if key not in known:
            number = sum(1 for each in known if isinstance(each, tuple) and each[0] == "pointer")
            known[key] = self.text.parameter(f"b{number}", address(buffer), kind)
        return known[key]

    def _load(self, buffer: Buffer, node: Node, position: Position) -> str:
        element = self.element(buffer, node.shape, position)
        return self.set("x", f"{element} != f32(0.0)" if node.dtype == "bool" else element)

    def _number(self, index: int, node: Node) -> str:
        """Return a number of the host, read where the kernel begins unless all models share it."""
        text = written(node)
        if text is not None:
            return text
        with self.text.at(0):
            place = self.numbers.place(self.graph, index)
            slots = self.text.parameter("slots", symbol("slots"))
            table, base = self.pointer("numbers"), self.text.parameter(f"n{place}", count_of(place))
            return self.set("n", read(node, f"{table}[{self.word('CURSOR')} * {slots} + {base}]"))

    def word(self, name: str) -> str:
        """Return a word of the context, read where the kernel begins."""
        key = "word", name
        known = self.text.blocks[0].known
        if key not in known:
            with self.text.at(0):
                known[key] = self.set(
                    name.lower(), f"{self.pointer(CONTEXT, 'long')}[{getattr(words, name)}]"
                )
        return known[key]

    def _field(self, node: Node, position: Position) -> str:
        """Read a bound field: of a batch the rows that the order names."""
        by_order = is_batched(node.shape)
        place = of_row(self, position, node.shape) if by_order else self.flat(position, node.shape)
        kind: Kind = "int" if node.dtype == "int" else "float"
        field = self.pointer(self.fields[node.setting("name")], kind)
        element = read_lane(self, field, place, count(node.shape)) if kind == "float" else f"{field}[{place}]"
        return self.set("x", f"{element} != f32(0.0)" if node.dtype == "bool" else element)

    # ---- draws ---------------------------------------------------------------------------------

    def _drawn(self, name: str, index: int, node: Node, position: Position) -> str:
        hashed = stream_hash(node.setting("stream"))
        signed = hashed - 2**64 if hashed >= 2**63 else hashed
        stream = self.text.parameter(f"stream_{index}", count_of(signed))
        key = f"u64({self.word('SEED')} ^ {stream})"
        step = f"u64({self.word('FIRST_STEP')} + {self.word('CURSOR')})"
        return draw(self, name, (stream, key, step), self.flat(position, node.shape))

    def _reshaped(self, position: Position, shape: Shape, to: Shape) -> Position:
        place = self.flats.get((position, shape))
        return self.index.reshaped(position, shape, to) if place is None else self.unflattened(place, to)

    # ---- movements -----------------------------------------------------------------------------

    def row_of(self, index: int, position: Position, extent: int) -> Count:
        """Return the index that a value holds, never outside of a table of such an extent."""
        name = self.value(index, position)
        if not name.isidentifier():
            name = self.set("at", name)
        self.index.bounds.setdefault(name, None)
        self.depths.setdefault(name, len(self.text.blocks) - 1)
        return self.index.clamped(symbol(name), extent)


def total_of(shape: Shape, elements: int) -> Count:
    """Return how many elements a value has, those of all rows."""
    return elements * rows_of(shape)
