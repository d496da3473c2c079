"""Kernels that go along lanes: one formula for each element of a piece, in one loop or in rows of 16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.graph import Graph
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.kernel_text import INDEPENDENT, KernelText
from netdsl.lowering.cpu.numbers import read_number
from netdsl.lowering.cpu.pieces import Piece, Reach
from netdsl.passes.contractions import in_memory
from netdsl.passes.lanes import Domain, extent_of
from netdsl.program import Buffer, count_of
from netdsl.program.layout import columns

INDEX = {
    "full": "i", "number": "0", "vector": "lane", "column": "r",
    "place": "16*p + lane", "image": "16*b + lane", "example": "b",
}  # fmt: skip
REPEATED = {"place", "place spread", "image", "image spread", "example"}
"""What lies alike in all examples, or in all places of one."""


@dataclass(slots=True)
class Lanes:
    """Writes the kernel of a group along lanes.

    A value is one formula, whatever the place: where all lie alike, a single loop goes over a piece, and
    where there is one column over its rows. Where some are repeated along rows or columns, or lie row-major,
    it goes over rows and, within, over 16 lanes; where some are repeated in all examples, or in all places
    of one, over examples, places and lanes.
    """

    graph: Graph
    nodes: Sequence[int]
    stores: Mapping[int, Buffer]
    places: Mapping[int, Buffer]
    domain: Domain
    piece: Piece
    text: KernelText = field(default_factory=KernelText)
    pointers: dict[str, str] = field(default_factory=dict)
    reaches: dict[int, Reach] = field(init=False)
    """How each value that is read from memory is reached."""

    def __post_init__(self) -> None:
        read = {self._place(each) for index in self.nodes for each in self._along(index)}
        self.reaches = {
            index: self._reach(index) for index in read if index in self.places and index not in self.nodes
        }

    def _along(self, index: int) -> tuple[int, ...]:
        """Return the operands of a node that lie along the matrix: all but a table."""
        operands = self.graph.operands(index)
        return operands[1:] if self.graph[index].operation.name == "gather" else operands

    def write(self) -> None:
        """Write the kernel's text."""
        rows = self.piece.rows(self.domain.places)
        if self._is_by_examples():
            self._open_by_examples()
        elif self._is_in_places():
            self.text.parameter("examples", self.piece.rows())
            self.text.open("for b in range(examples):")
            self.text.open(f"for p in range({self.text.parameter('places', self.domain.places)}):")
            self.text.line("r = b*places + p")
            self.text.open("for lane in range(16):")
        elif self._is_one_column():
            self.text.parameter("rows", rows)
            self.text.open("for r in range(rows):")
        elif self._is_in_rows():
            self.text.parameter("rows", rows)
            self.text.open("for r in range(rows):")
            self.text.open("for lane in range(16):")
        else:
            self.text.parameter("count", 16 * rows)
            self.text.open("for i in range(count):")
        self.text.line(INDEPENDENT)
        values = {index: self.value(index) for index in self.stores}
        for index, value in values.items():
            element = self._element(self.stores[index], "full")
            yes = f"f32(1.0) if {value} else f32(0.0)"
            self.text.line(f"{element} = {yes if self.graph[index].dtype == 'bool' else value}")

    def _open_by_examples(self) -> None:
        """Open loops over places, columns and 16 examples, or one loop where columns are all alike."""
        places = self.text.parameter("places", self.domain.places)
        wide = self.text.parameter("width", self.domain.columns)
        self.text.line(f"rows = (({self.text.parameter('examples', self.piece.rows())} + 15) >> 4)*{places}")
        if "vector" not in self.reaches.values():
            self.text.open(f"for i in range(16*rows*{wide}):")
            return
        self.text.open("for r in range(rows):")
        self.text.open(f"for c in range({wide}):")
        self.text.line(f"row = r*{wide} + c")
        self.text.open("for lane in range(16):")

    def _is_by_examples(self) -> bool:
        """Tell whether values lie with an example in each lane."""
        return any(buffer.layout == "examples" for buffer in self.stores.values())

    def _is_in_places(self) -> bool:
        return any(reach in REPEATED for reach in self.reaches.values())

    def _is_one_column(self) -> bool:
        """Tell whether rows have one number, so that neighboring rows are the lanes of a register.

        Going over all 16 lanes of a panel instead takes ten times as long: half of a small network's step.
        """
        one = self.domain.batches > 0 and self.domain.columns == 1 and not self.domain.flat
        return one and not self._is_in_places()

    def _is_in_rows(self) -> bool:
        reaches = self.reaches.values()
        return self._is_in_places() or any(reach in ("vector", "column", "spread") for reach in reaches)

    def _place(self, index: int) -> int:
        return in_memory(self.graph, index, self.places)

    def _reach(self, index: int) -> Reach:
        extent = extent_of(self.graph[index].shape, self.domain)
        assert extent is not None
        buffer = self.places[index]
        if (
            buffer.layout in ("panels", "examples")
            or self.domain.flat
            or (buffer.role == "scratch" and extent == "full")
        ):
            return extent
        match extent:
            case "full":
                return "spread"
            case "place":
                return "place spread"
            case "image":
                return "image spread"
        return extent

    def value(self, index: int) -> str:
        """Return the text of a value."""
        place = self._place(index)
        if place not in self.nodes and place in self.places:
            return self._loaded(place)
        node = self.graph[index]
        if index not in self.nodes and node.shape == ():
            return read_number(self.graph, self.text, index)
        operands = self.graph.operands(index)
        if node.operation.name in ("broadcast", "reshape", "stored"):
            return self.value(operands[0])
        depth = self._depth(index)
        known = self.text.blocks[depth].known
        if index not in known:
            if node.operation.name == "gather":
                formula = self._gathered(*operands)
            else:
                texts = [self.value(each) for each in operands]
                formula = node.operation.scalar.format(*texts, **dict(node.settings))
            name = self.text.variable(node.operation.name)
            self.text.line(f"{name} = {formula}", depth)
            known[index] = name
        return known[index]

    def _gathered(self, table: int, rows: int) -> str:
        """Return the text of an element of a table, of the row that a number tells: never one outside."""
        depth, extent = self._depth(rows), self.graph[table].shape[0]
        known = self.text.blocks[depth].known
        if ("row", rows, extent) not in known:
            number, row = self.value(rows), self.text.variable("row")
            self.text.line(
                f"{row} = 0 if {number} < 0 else ({number} if {number} < {extent} else {extent - 1})", depth
            )
            known["row", rows, extent] = row
        buffer = self.places[self._place(table)]
        width = 16 if buffer.layout == "panels" else columns(buffer.shape)
        return f"{self._pointer(buffer, 'table')}[{width}*{known['row', rows, extent]} + lane]"

    def _depth(self, index: int) -> int:
        """Return the loop that a value changes in: none for a number, that over rows for a number a row, that
        over examples for a number of each."""
        innermost = len(self.text.blocks) - 1
        if self._is_by_examples():
            vectors = max(innermost - 1, 0)
            return {"number": 0, "vector": vectors}.get(
                str(extent_of(self.graph[index].shape, self.domain)), innermost
            )
        return {"number": 0, "column": innermost - 1, "example": innermost - 2}.get(
            str(extent_of(self.graph[index].shape, self.domain)), innermost
        )

    def _loaded(self, index: int) -> str:
        depth = self._depth(index)
        known = self.text.blocks[depth].known
        if ("load", index) not in known:
            name = self.text.variable("x")
            test = " != f32(0.0)" if self.graph[index].dtype == "bool" else ""
            self.text.line(f"{name} = {self._element(self.places[index], self._reach(index))}{test}", depth)
            known["load", index] = name
        return known["load", index]

    def _element(self, buffer: Buffer, reach: Reach) -> str:
        pointer = self._pointer(buffer, reach)
        if self._is_by_examples() and "vector" in self.reaches.values() and reach != "number":
            return f"{pointer}[c]" if reach == "vector" else f"{pointer}[16*row + lane]"
        if self._is_one_column() and reach in ("full", "spread"):
            return f"{pointer}[{'16*' if reach == 'full' else ''}r]"
        if reach in ("spread", "place spread", "image spread"):
            width = self.text.parameter("width", count_of(self.domain.columns))
            row = {"spread": "r", "place spread": "p", "image spread": "b"}[reach]
            return f"{pointer}[{row}*{width} + lane]"
        if reach == "full" and self._is_in_rows():
            return f"{pointer}[16*r + lane]"
        if reach in ("column", "example") and buffer.layout == "panels":
            return f"{pointer}[16*{INDEX[reach]}]"  # the first of the 16 numbers of a panel's row
        return f"{pointer}[{INDEX[reach]}]"

    def _pointer(self, buffer: Buffer, reach: Reach) -> str:
        if buffer.name not in self.pointers:
            name = self.pointers[buffer.name] = f"b{len(self.pointers)}"
            view = "at_int" if buffer.dtype == "int" else "at"
            argument = self.text.parameter(f"{name}_", self.piece.address(buffer, reach))
            self.text.line(f"{name} = {view}({argument})", 0)
        return self.pointers[buffer.name]
