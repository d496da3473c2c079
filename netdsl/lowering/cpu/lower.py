"""From groups to a program: buffers, the texts of kernels, and steps in an order that is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netdsl.graph import BATCH, Graph, Shape, count, is_batched
from netdsl.lowering.cpu.loops import Loops
from netdsl.lowering.cpu.moves import ADD_ROWS, TAKE_NUMBERS
from netdsl.lowering.cpu.numbers import NumberTable
from netdsl.lowering.cpu.order import in_order
from netdsl.lowering.cpu.words import field_word, result_word
from netdsl.operations.philox import stream_hash
from netdsl.passes.fuse import REDUCTIONS
from netdsl.program import (
    ROWS,
    Access,
    Buffer,
    Call,
    Count,
    Each,
    Everyone,
    Group,
    Grouping,
    Input,
    Kernel,
    Origin,
    Output,
    Program,
    Range,
    Step,
    address,
    count_of,
    symbol,
)

CONTEXT = symbol("context")
DRAWN_TOGETHER = 64
"""Elements of a random draw that one thread makes in one go, at least: a multiple of the four of a counter.
"""


def lower(grouping: Grouping, name: str) -> tuple[Program, tuple[Step, ...]]:
    """Return a program without phases yet, and its steps in an order that is right on one thread."""
    lowering = _Lowering(grouping)
    steps = lowering.steps()
    graph = grouping.graph
    program = Program(
        name,
        lowering.buffers,
        lowering.kernels,
        (),
        {label: lowering.places[index].name for label, index in lowering.kept().items()},
        lowering.inputs,
        tuple(Output(each, graph[index].shape, graph[index].dtype) for each, index in graph.outputs.items()),
        lowering.numbers.scalars(),
    )
    return program, steps


@dataclass(slots=True)
class _Lowering:
    """Collects what the groups of one graph become."""

    grouping: Grouping
    buffers: dict[str, Buffer] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    places: dict[int, Buffer] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    numbers: NumberTable = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = NumberTable(self.graph)

    @property
    def graph(self) -> Graph:
        """The graph that the groups are of."""
        return self.grouping.graph

    def kept(self) -> dict[str, int]:
        """Return the leaves of weights and states by name."""
        return {**self.graph.leaves("weight"), **self.graph.leaves("state")}

    def steps(self) -> tuple[Step, ...]:
        """Make the steps."""
        self._place_leaves()
        ordered = in_order(self.grouping)
        taken = [*self._take_inputs()]
        computed = [step for group in ordered.groups for step in self._group(group, ordered.in_place)]
        copied = [self._copy_update(name, index) for name, index in ordered.copies]
        given = [self._give(number, name) for number, name in enumerate(self.graph.outputs)]
        numbers = [self._take_numbers()] if self.numbers.slots else []
        return (*numbers, *taken, *computed, *given, *copied)

    # ---- places -------------------------------------------------------------------------------

    def _place_leaves(self) -> None:
        for index in self.graph:
            node = self.graph[index]
            match node.operation.name:
                case "weight" | "state" as role:
                    label = node.setting("name")
                    self._place(index, Buffer(label, node.shape, role=role, label=label))
                case "input":
                    label = node.setting("name")
                    self._place(
                        index, Buffer(f"input {label}", node.shape, node.dtype, role="input", label=label)
                    )
                case "constant" if node.shape:
                    values = node.setting("value")
                    self._place(index, Buffer(f"c{index}", node.shape, role="constant", values=values))

    def _place(self, index: int, buffer: Buffer) -> Buffer:
        self.buffers[buffer.name] = self.places[index] = buffer
        return buffer

    # ---- groups -------------------------------------------------------------------------------

    def _group(self, group: Group, in_place: Mapping[int, str]) -> list[Step]:
        if group.form == "copy" and group.stores[0] in self.places:
            return []
        stores = {index: self._target(index, in_place) for index in group.stores}
        if group.form == "draw":
            ((index, target),) = stores.items()
            step = self._draw(index, target)
        elif group.form == "scatter":
            ((index, target),) = stores.items()
            step = self._scatter(index, target)
        else:
            step = self._loops(group.nodes, stores)
        self.places.update(stores)
        return [step]

    def _target(self, index: int, in_place: Mapping[int, str]) -> Buffer:
        if index in in_place:
            return self.buffers[in_place[index]]
        node = self.graph[index]
        buffer = Buffer(f"v{index}", node.shape, node.dtype, label=node.operation.name)
        self.buffers[buffer.name] = buffer
        return buffer

    def _loops(self, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Step:
        outer = _outer(self.graph, nodes, stores)
        loops = Loops(self.graph, tuple(nodes), stores, self.places, outer)
        loops.write()
        self.numbers.pass_to(loops.text)
        self.buffers.update({buffer.name: buffer for buffer in loops.scratch.values()})
        call = self._finish(loops, nodes or list(stores))
        reads = {
            self.places[each].name for index in (nodes or stores) for each in self._read(index, nodes, stores)
        }
        own = "rows" if outer == (BATCH,) else ""
        return Step(
            (call,),
            _work(outer),
            tuple(
                Access(each, own if is_batched(self.buffers[each].shape) else "") for each in sorted(reads)
            ),
            tuple(Access(each.name, own) for each in stores.values()),
            tuple(self._origin(index) for index in stores),
        )

    def _read(self, index: int, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Iterable[int]:
        if not nodes:
            return [index] if index in self.places else []
        return [each for each in self.graph.operands(index) if each in self.places and each not in nodes]

    def _finish(self, loops: Loops, nodes: Sequence[int]) -> Call:
        names = [self.graph[index].operation.name for index in nodes]
        kernel, arguments = loops.text.finish(_stem(names), tuple(self._formula(index) for index in nodes))
        self.kernels.setdefault(kernel.name, kernel)
        return Call(kernel.name, arguments)

    def _draw(self, index: int, target: Buffer) -> Step:
        node = self.graph[index]
        share = symbol("lo"), symbol("hi")
        total = count_of(count(node.shape)) * (ROWS if is_batched(node.shape) else 1)
        stream = count_of(signed(stream_hash(node.setting("stream"))))
        call = self._call(f"draw_{node.operation.name}", CONTEXT, stream, address(target.name), *share)
        return Step((call,), Range(total, DRAWN_TOGETHER), (), (Access(target.name),), (self._origin(index),))

    def _scatter(self, index: int, target: Buffer) -> Step:
        indices, updates = (
            self.places[_behind_reshapes(self.graph, each, self.places)]
            for each in self.graph.operands(index)
        )
        entries = count(indices.shape) * (ROWS if is_batched(indices.shape) else count_of(1))
        width = count_of(count(target.shape[1:]))
        addresses = (address(each.name) for each in (indices, updates, target))
        call = self._call(ADD_ROWS, *addresses, entries, width, symbol("lo"), symbol("hi"))
        reads = (Access(indices.name), Access(updates.name))
        return Step(
            (call,), Range(count_of(target.shape[0])), reads, (Access(target.name),), (self._origin(index),)
        )

    def _copy_update(self, name: str, index: int) -> Step:
        target = self.buffers[name]
        return self._loops((), {index: target})

    # ---- ways in and out ----------------------------------------------------------------------

    def _take_inputs(self) -> Iterable[Step]:
        leaves = self.graph.leaves("input")
        self.inputs = tuple(
            Input(name, self.graph[index].shape, self.graph[index].dtype, self.places[index].name)
            for name, index in leaves.items()
        )
        for number, each in enumerate(self.inputs):
            word = count_of(field_word(len(leaves), number))
            width = count_of(count(each.shape))
            target = address(each.buffer)
            writes = (Access(each.buffer, "rows"),)
            if is_batched(each.shape):
                share = (symbol("lo"), symbol("hi"))
                call = self._call("take_rows", CONTEXT, word, target, width, *share)
                yield Step((call,), Range(ROWS), (), writes, (Origin(f"rows of {each.name}"),))
            else:
                call = self._call("take_whole", CONTEXT, word, target, width)
                yield Step((call,), Each(()), (), writes, (Origin(each.name),))

    def _take_numbers(self) -> Step:
        length = count_of(len(self.numbers.slots))
        call = self._call(TAKE_NUMBERS, CONTEXT, symbol("numbers"), length)
        return Step((call,), Everyone(), (), (), (Origin("the numbers of this step"),))

    def _give(self, number: int, name: str) -> Step:
        index = self.graph.outputs[name]
        buffer = self.places[_behind_reshapes(self.graph, index, self.places)]
        word = count_of(result_word(len(self.inputs), number))
        width = count_of(count(buffer.shape))
        if is_batched(buffer.shape):
            share = (symbol("lo"), symbol("hi"))
            call = self._call("give_rows", CONTEXT, word, address(buffer.name), width, *share)
            return Step((call,), Range(ROWS), (Access(buffer.name, "rows"),), (), (Origin(name),))
        call = self._call("give_whole", CONTEXT, word, address(buffer.name), width)
        return Step((call,), Each(()), (Access(buffer.name),), (), (Origin(name),))

    def _call(self, named: Kernel | str, *arguments: Count) -> Call:
        kernel = named if isinstance(named, Kernel) else Kernel(named)
        self.kernels.setdefault(kernel.name, kernel)
        return Call(kernel.name, arguments)

    # ---- what people read ---------------------------------------------------------------------

    def _origin(self, index: int) -> Origin:
        node = self.graph[index]
        return Origin(self._formula(index), node.path, node.span, node.of)

    def _formula(self, index: int) -> str:
        node = self.graph[index]
        operands = ", ".join(f"v{each}" for each in self.graph.operands(index))
        return f"v{index} = {node.operation.name}({operands})"


def signed(word: int) -> int:
    """Return 64 bits as the signed number that a launch passes."""
    return word - 2**64 if word >= 2**63 else word


def _behind_reshapes(graph: Graph, index: int, places: Mapping[int, Buffer]) -> int:
    while index not in places and graph[index].operation.name == "reshape":
        index = graph.operands(index)[0]
    return index


def _outer(graph: Graph, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Shape:
    """Choose the axes that threads share out: the batch, or the first axis that every value of the group
    has."""
    shapes = [graph[index].shape for index in (*nodes, *stores)]
    if all(is_batched(graph[index].shape) for index in stores):
        return (BATCH,)
    (first, *others) = shapes
    same = all(each == first for each in others)
    reduced = any(graph[index].operation.name in REDUCTIONS for index in nodes)
    moved = any(
        graph[index].operation.name in {"transpose", "slice", "pad", "concat", "gather"} for index in nodes
    )
    if first and same and not reduced and not moved and not is_batched(first):
        return first[:1]
    return ()


def _work(outer: Shape) -> Range | Each:
    if not outer:
        return Each(())
    return Range(ROWS if outer == (BATCH,) else count_of(outer[0]))


def _stem(names: Sequence[str]) -> str:
    quiet = {"broadcast", "reshape", "constant", "cast"}
    told = list(dict.fromkeys(name for name in names if name not in quiet))
    return "_".join(told[:3]) or "copy"
