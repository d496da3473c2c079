"""The buffers and kernels of a program while it is made, and the names that a listing has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.graph import BATCH, Graph, Shape, is_batched
from netdsl.graph.formula import Formulas
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.lowering.cpu.numbers import NumberTable
from netdsl.passes.contractions import is_view
from netdsl.program import (
    LANES,
    ROWS,
    Access,
    Buffer,
    Call,
    Choice,
    Count,
    Cut,
    Examples,
    Kernel,
    Layout,
    Only,
    Origin,
    Panels,
    Step,
    Tiles,
    count_of,
    stride,
)
from netdsl.program.layout import columns, places


@dataclass(slots=True)
class Workshop:
    """What the writers of steps share. `places` tells in which buffer a value lies, by its node."""

    choice: Choice
    in_place: Mapping[int, str]
    numbers: NumberTable
    buffers: dict[str, Buffer] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    places: dict[int, Buffer] = field(default_factory=dict)
    views: dict[str, tuple[str, Count]] = field(default_factory=dict)
    """The buffers that are views of others: of which, and how many bytes behind its beginning."""

    states: dict[tuple[int, int], tuple[Buffer, Buffer]] = field(default_factory=dict)
    """For each loop and number of a state where it lies before a turn and after."""

    soon: list[Buffer] = field(default_factory=list)
    """What the next turn of a loop reads, as far as no product asks for it yet."""

    tiles: bool = False
    """Whether large products go by tiles of matrices."""

    split: set[tuple[str, int, Only]] = field(default_factory=set)
    """The buffers of factors in parts that steps fill already, of which nodes and for which rows: an
    updated weight lies where the old one was."""

    prefix: str = ""
    """What the names of a loop's own buffers begin with."""

    formulas: Formulas = field(init=False)

    def __post_init__(self) -> None:
        self.formulas = Formulas(self.graph)

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self.choice.graph

    def place_leaves(self) -> None:
        """Make a buffer for each leaf that lies in memory."""
        for index in self.graph:
            node = self.graph[index]
            layout = self.layout(index)
            match node.operation.name:
                case "weight" | "state" as role:
                    name = node.setting("name")
                    self.place(index, Buffer(name, node.shape, layout=layout, role=role, label=name))
                case "input":
                    name = node.setting("name")
                    self.place(index, Buffer(f"input {name}", node.shape, node.dtype, layout, "input", name))
        self.place_constants()

    def place_constants(self) -> None:
        """Make a buffer for each list of numbers."""
        for index in self.graph:
            node = self.graph[index]
            if node.operation.name == "constant" and node.shape:
                name, values = f"{self.prefix}constant {index}", node.setting("value")
                self.place(index, Buffer(name, node.shape, role="constant", values=values))

    def view(self, buffer: Buffer, shape: Shape, batch: Count) -> Buffer:
        """Return a view of a value that has several batches, from one of them on."""
        whole, offset = self.views.get(buffer.name, (buffer.name, count_of(0)))
        width = LANES if buffer.layout == "panels" else columns(shape)
        offset = offset + 4 * width * places(shape) * ROWS * batch
        name = f"{whole} + {offset}"
        self.views[name] = whole, offset
        return self.add(replace(buffer, name=name, shape=shape))

    def columns(self, buffer: Buffer, shape: Shape, first: int) -> Buffer:
        """Return a view of some columns of a value in panels, from one on that begins a panel."""
        whole, offset = self.views.get(buffer.name, (buffer.name, count_of(0)))
        offset = offset + 4 * (first // LANES) * stride(whole)
        name = f"{whole} + {offset}, {shape[-1]} columns"
        self.views[name] = whole, offset
        return self.add(replace(buffer, name=name, shape=shape))

    def place_side_by_side(self, index: int, cut: Cut) -> None:
        """Let values that a node joins lie in it, so that they are written there."""
        whole, first = self.target(index, cut), 0
        for each in self.graph.operands(index):
            shape = self.graph[each].shape
            self.place(each, self.columns(whole, shape, first))
            first += shape[1]

    def place_part(self, index: int) -> None:
        """Let some columns of a value lie where they are."""
        node, whole = self.graph[index], self.at(self.graph.operands(index)[0])
        self.place(index, self.columns(whole, node.shape, node.setting("starts")[1]))

    def layout(self, index: int) -> Layout:
        """Return the layout of a value."""
        if index in self.choice.examples:
            return "examples"
        return "panels" if index in self.choice.panels else "rows"

    def place(self, index: int, buffer: Buffer) -> Buffer:
        """Let a value lie in a buffer."""
        self.buffers[buffer.name] = self.places[index] = buffer
        return buffer

    def add(self, buffer: Buffer) -> Buffer:
        """Add a buffer that is no value of the graph."""
        self.buffers[buffer.name] = buffer
        return buffer

    def target(self, index: int, cut: Cut, *, at_once: int = 1) -> Buffer:
        """Return the buffer that a unit stores a value in, which is made if need be.

        Where several panels are made `at_once`, a thread's own memory has room for them."""
        node = self.graph[index]
        if index in self.places:
            return self.places[index]
        if index in self.in_place:
            self.places[index] = self.buffers[self.in_place[index]]
            return self.places[index]
        label = node.path or node.operation.name
        if index in self.choice.passing:
            layout: Layout = self.layout(index) if isinstance(cut, Examples) else "rows"
            shape = piece_shape(node.shape, cut)
            if at_once > 1:
                layout, shape = "panels", (*shape[:-1], at_once * LANES)
            return self.place(
                index, Buffer(f"{self.prefix}v{index}", shape, node.dtype, layout, "scratch", label)
            )
        layout = self.layout(index)
        name = f"{self.prefix}v{index}"
        return self.place(index, Buffer(name, node.shape, node.dtype, layout, label=label))

    def at(self, index: int) -> Buffer:
        """Return the buffer in which a value lies, or the value that it is a reshaped view of."""
        while index not in self.places and self._is_shown(index):
            index = self.graph.operands(index)[0]
        return self.places[index]

    def _is_shown(self, index: int) -> bool:
        shape = self.graph[index].shape
        return self.graph[index].operation.name == "reshape" and (
            not is_batched(shape) or is_view(self.graph, index)
        )

    def turned(self, index: int) -> Buffer:
        """Return the buffer in which a value lies turned, 16 rows at a time."""
        shape = self.places[index].shape
        name = f"{self.places[index].name} turned"
        return self.buffers.setdefault(name, Buffer(name, shape, layout="blocks", label=name))

    def call(
        self,
        kernel: Kernel | str,
        arguments: Sequence[Count],
        block: Sequence[Count] = (),
        only: Only | None = None,
    ) -> Call:
        """Return a call, and note its kernel."""
        found = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
        before = self.kernels.setdefault(found.name, found)
        told = tuple(dict.fromkeys((*before.about, *found.about)))
        self.kernels[found.name] = replace(before, about=told)
        return Call(found.name, tuple(arguments), tuple(block), only)

    def origins(self, nodes: Sequence[int]) -> tuple[Origin, ...]:
        """Return what a step computes, for people."""
        return tuple(self._origin(index) for index in nodes)

    def _origin(self, index: int) -> Origin:
        node = self.graph[index]
        return Origin(self.formulas(index, 3), node.path, node.span, node.of)


def piece_shape(shape: Shape, cut: Cut) -> Shape:
    """Return the shape of a thread's own piece of a value."""
    match cut:
        case Tiles(chunk=chunk):
            return chunk, LANES
        case Examples(size):
            return (size, *shape[1:])
        case Panels() if not is_batched(shape):
            return 1, LANES
    return shape[0] if is_batched(shape) else BATCH, places(shape), LANES


def together(calls: Sequence[Step]) -> tuple[tuple[Access, ...], tuple[Access, ...]]:
    """Return what several steps read and write, each access once."""
    reads = dict.fromkeys(access for step in calls for access in step.reads)
    writes = dict.fromkeys(access for step in calls for access in step.writes)
    return tuple(reads), tuple(writes)
