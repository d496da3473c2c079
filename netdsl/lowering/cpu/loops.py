"""Loops for any group of nodes: values are written as formulas of positions, nested as deep as they have to
be.

A kernel goes over `outer` axes (rows, mostly), shared out to threads. Within one step of that loop the group
is cut into nests: a reduction must be complete before its result is used. What several nests need and is
dear to compute is kept in a thread's scratch memory; all else is written in place as a formula of what lies
in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Final

from netdsl.graph import BATCH, Graph, Node, Shape
from netdsl.lowering.cpu.kernel_text import KernelText
from netdsl.lowering.cpu.numbers import read_number
from netdsl.lowering.cpu.position import ZERO, Position, Variables
from netdsl.operations.linear import places as product_axes
from netdsl.passes.fuse import CHEAP, COSTS, MOVEMENTS, REDUCTIONS
from netdsl.program import LANES, Buffer, Count, address, count_of, stride, symbol

SHARE: Final = "lo", "hi"
FOLDS: Final = REDUCTIONS | {"matmul"}
BY_POSITION: Final = MOVEMENTS | {"pick", "gather", "pad", "concat"}

START: Final = {
    "sum": "f32(0.0)",
    "matmul": "f32(0.0)",
    "maximum_over": "f32(-1e999)",
    "minimum_over": "f32(1e999)",
}
COMBINE: Final = {
    "sum": "{acc} = {acc} + {x}",
    "matmul": "{acc} = {acc} + {x}",
    "maximum_over": "{acc} = maximum32({acc}, {x})",
    "minimum_over": "{acc} = minimum32({acc}, {x})",
}
IN_ONE_GO: Final = {"sum": "sum_of", "maximum_over": "maximum_of", "minimum_over": "minimum_of"}
"""Folds that the library has for neighbors in memory: many sums at a time, in an order that their count
fixes."""

MANY: Final = 32
"""Numbers from which on they are folded so."""

BETTER: Final = {"argmax": ">", "argmin": "<"}


@dataclass(frozen=True, slots=True)
class Scratch:
    """A value that one thread keeps while it computes one row."""

    buffer: Buffer


@dataclass(frozen=True, slots=True)
class Nest:
    """What is computed in one set of nested loops over the inner axes of a shape: stores and folds of one
    stage."""

    stage: int
    shape: Shape
    alone: int = -1
    """The node, for a fold that has loops of its own."""


@dataclass(slots=True)
class Loops:
    """Writes the kernel of one group.

    `places` tells where values lie: leaves, what other groups stored, and where this one is to store.
    """

    graph: Graph
    nodes: tuple[int, ...]
    stores: Mapping[int, Buffer]
    places: Mapping[int, Buffer]
    outer: Shape
    text: KernelText = field(default_factory=KernelText)
    index: Variables = field(default_factory=Variables)
    depths: dict[str, int] = field(default_factory=dict)
    scratch: dict[int, Buffer] = field(default_factory=dict)
    folded: dict[int, str] = field(default_factory=dict)
    """The variable that holds a fold's result."""
    written: dict[int, Buffer] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    row: Position = ()
    row_depth: int = 0
    whole_row: bool = True

    def write(self) -> None:
        """Write the kernel's text."""
        self._plan_scratch()
        self._open_rows()
        nests = self._nests()
        for nest in sorted(nests, key=lambda each: (each.stage, min(nests[each]))):
            self._write_nest(nest, nests[nest])

    # ---- the plan -----------------------------------------------------------------------------

    def stage(self, index: int, *, by_position: bool = False) -> int:
        """Return the first stage in which a value can be used."""
        if index not in self._stages:
            self._stages[index] = self._first_stage(index)
        kept = index in self.stores or index in self.scratch
        return self._stages[index] + (by_position and kept and not self._is_fold(index))

    _stages: dict[int, int] = field(default_factory=dict)

    def _first_stage(self, index: int) -> int:
        if index not in self.nodes:
            return 0
        by_position = self.graph[index].operation.name in BY_POSITION or self._is_in_one_go(index)
        operands = self.graph.operands(index)
        latest = max((self.stage(each, by_position=by_position) for each in operands), default=0)
        return latest + self._is_fold(index)

    def _is_fold(self, index: int) -> bool:
        return index in self.nodes and self.graph[index].operation.name in FOLDS

    def _nest_of(self, index: int) -> Nest:
        """Return the nest in which a stored value or a fold is computed."""
        node = self.graph[index]
        if not self._is_fold(index):
            return Nest(self.stage(index), node.shape[len(self.outer) :])
        shape = self._fold_shape(index)
        alone = index if self._kept_axes(index) or self._is_in_one_go(index) else -1
        return Nest(self.stage(index) - 1, shape, alone)

    def _fold_shape(self, index: int) -> Shape:
        """Return the extents that a fold goes over: the axes of its result, then what it sums up."""
        node = self.graph[index]
        if node.operation.name != "matmul":
            return self.graph[self.graph.operands(index)[0]].shape[len(self.outer) :]
        left = self.graph[self.graph.operands(index)[0]].shape
        return (*node.shape[len(self.outer) :], *(left[a] for a, _ in node.setting("contract")))

    def _kept_axes(self, index: int) -> tuple[int, ...]:
        """Return which of a fold's loops are axes of its result (counted within the inner axes)."""
        node = self.graph[index]
        inner = node.shape[len(self.outer) :]
        return tuple(axis for axis, extent in enumerate(inner) if extent != 1)

    def _nests(self) -> dict[Nest, list[int]]:
        found: dict[Nest, list[int]] = {}
        for index in sorted({*self.stores, *self.scratch, *filter(self._is_fold, self.nodes)}):
            found.setdefault(self._nest_of(index), []).append(index)
        return found

    def _plan_scratch(self) -> None:
        """Keep what is dear and needed by several nests, and folds that leave more than one number."""
        reach: dict[int, set[Nest]] = {}
        members = set(self.nodes)
        for index in sorted(members, reverse=True):
            nests: set[Nest] = set()
            for user in self.graph.users(index):
                if user in members:
                    nests |= {self._nest_of(user)} if self._is_kept(user) else reach.get(user, set())
            if self._is_fold(index):
                if self._kept_axes(index) and index not in self.stores:
                    self.scratch[index] = self._scratch_buffer(index)
                if self._is_in_one_go(index):
                    self._line_up(self.graph.operands(index)[0])
            elif len(nests) > 1 and self._is_worth_keeping(index):
                self.scratch[index] = self._scratch_buffer(index)
                self._stages.clear()
            reach[index] = nests

    def _is_in_one_go(self, index: int) -> bool:
        """Tell whether a fold is over neighbors in memory, and so many that they are lined up for it if need
        be."""
        if (
            not self._is_fold(index)
            or self.graph[index].operation.name not in IN_ONE_GO
            or self._kept_axes(index)
        ):
            return False
        shape = self._fold_shape(index)
        return BATCH in shape or prod(shape) >= MANY

    def _line_up(self, index: int) -> None:
        """Let a value lie in one line for a fold: where it does not already, in scratch memory."""
        buffer = self.stores.get(index) or self.places.get(index)
        if (buffer is None or buffer.layout != "rows" or index in self.scratch) and index not in self.scratch:
            self.scratch[index] = self._scratch_buffer(index)
            self._stages.clear()

    def _is_worth_keeping(self, index: int) -> bool:
        return index not in self.stores and self._inner_count(index) > 1 and self._cost(index) > CHEAP

    def _is_kept(self, index: int) -> bool:
        return index in self.stores or index in self.scratch or self._is_fold(index)

    def _inner_count(self, index: int) -> int:
        return prod(abs(extent) for extent in self.graph[index].shape[len(self.outer) :])

    def _cost(self, index: int) -> int:
        if index not in self.nodes or self._is_kept(index):
            return 0
        own = COSTS.get(self.graph[index].operation.name, 1)
        return own + sum(self._cost(each) for each in self.graph.operands(index))

    def _scratch_buffer(self, index: int) -> Buffer:
        node = self.graph[index]
        return Buffer(f"scratch{index}", node.shape[len(self.outer) :], node.dtype, role="scratch")

    # ---- loops --------------------------------------------------------------------------------

    def _open_rows(self) -> None:
        if prod(self.outer) == 1:
            self.row = tuple(ZERO for _ in self.outer)
            return
        low, high = (self.text.parameter(name, symbol(name)) for name in SHARE)
        bound = None if BATCH in self.outer else prod(self.outer)
        r = self.index.variable("r", bound)
        self.row_depth = self.depths["r"] = self.text.open(f"for r in range({low}, {high}):")
        self.row = self.index.unflattened(r, self.outer)

    def _write_nest(self, nest: Nest, members: list[int]) -> None:
        if nest.alone >= 0:
            write = self._fold_in_one_go if self._is_in_one_go(nest.alone) else self._write_fold
            write(nest.alone)
            return
        folds = [index for index in members if self._is_fold(index)]
        for index in folds:
            self._start(index)
        if not self._write_flat(nest, members):
            self._write_nested(nest, members)
        for index in folds:
            self._end(index)
        for index in members:
            if index not in folds:
                self.written[index] = self.stores.get(index) or self.scratch[index]

    def _write_flat(self, nest: Nest, members: list[int]) -> bool:
        """Go over all inner axes in one loop, or in panels of 16, if no index needs a division then."""
        count = prod(nest.shape)
        if BATCH in nest.shape or count == 1:
            return False
        before = [block.copy() for block in self.text.blocks], dict(self.text.arguments), self.text.variables
        for write in (self._write_line, self._write_panels):
            self.index.divided = False
            write(nest, members, count)
            if not self.index.divided:
                return True
            blocks, arguments, self.text.variables = before
            self.text.blocks, self.text.arguments = [block.copy() for block in blocks], dict(arguments)
        return False

    def _write_line(self, nest: Nest, members: list[int], count: int) -> None:
        i = self._open("i", count)
        self._write_body(self.index.unflattened(i, nest.shape), members)
        self._close()

    def _write_panels(self, nest: Nest, members: list[int], count: int) -> None:
        whole, rest = divmod(count, LANES)
        depth = len(self.text.blocks)
        for panels, lanes in ((whole, LANES), (1, rest)):
            if panels * lanes:
                panel = self._open("p", panels) if lanes == LANES else count_of(whole)
                lane = self._open("lane", lanes)
                self._write_body(self.index.unflattened(panel * LANES + lane, nest.shape), members)
                while len(self.text.blocks) > depth:
                    self._close()
                if self.index.divided:
                    return

    def _write_nested(self, nest: Nest, members: list[int]) -> None:
        depth = len(self.text.blocks)
        position = tuple(self._open(f"i{axis}", extent) for axis, extent in enumerate(nest.shape))
        self._write_body(position, members)
        while len(self.text.blocks) > depth:
            self._close()

    def _open(self, name: str, extent: int) -> Count:
        """Open a loop; return its index, 0 without a loop where there is nothing to repeat."""
        if extent == 1:
            return ZERO
        end = self.text.parameter("rows", symbol("rows")) if extent == BATCH else str(extent)
        self.depths[name] = self.text.open(f"for {name} in range({end}):")
        return self.index.variable(name, None if extent == BATCH else extent)

    def _close(self) -> None:
        self.text.lines(self.pending)
        self.pending.clear()
        self.text.close()

    def _write_body(self, inner: Position, members: list[int]) -> None:
        for index in members:
            if self._is_fold(index):
                self._combine(index, self._term(index, inner), inner)
            else:
                self._store(index, (*self.row, *inner))
        if self.text.blocks[-1].header == "" or len(self.text.blocks) - 1 == self.row_depth:
            self.text.lines(self.pending)
            self.pending.clear()

    def _store(self, index: int, position: Position) -> None:
        value = self.value(index, position)
        if self.graph[index].dtype == "bool":
            value = f"(f32(1.0) if {value} else f32(0.0))"
        buffer = self.stores.get(index) or self.scratch[index]
        self.pending.append(f"{self._element(buffer, self.graph[index].shape, position)} = {value}")

    # ---- folds --------------------------------------------------------------------------------

    def _start(self, index: int) -> None:
        name = self.graph[index].operation.name
        self.folded[index] = self.text.variable(self.graph[index].operation.name)
        if name in BETTER:
            self.text.line(f"{self.folded[index]} = 0")
            worst = "-1e999" if name == "argmax" else "1e999"
            self.text.line(f"{self.folded[index]}_best = f32({worst})")
        else:
            self.text.line(f"{self.folded[index]} = {START[name]}")

    def _combine(self, index: int, value: str, inner: Position) -> None:
        node = self.graph[index]
        name, accumulator = node.operation.name, self.folded[index]
        if name not in BETTER:
            self.text.line(COMBINE[name].format(acc=accumulator, x=value))
            return
        best = f"{accumulator}_best"
        here = inner[node.setting("axis") - len(self.outer)]
        self.text.line(f"if ({value} {BETTER[name]} {best}) | (({value} != {value}) & ({best} == {best})):")
        self.text.lines([f"    {accumulator} = {here}", f"    {best} = {value}"])

    def _end(self, index: int) -> None:
        self.depths[self.folded[index]] = self.row_depth
        if index in self.stores:
            zeros = tuple(ZERO for _ in self.graph[index].shape[len(self.outer) :])
            self._store(index, (*self.row, *zeros))
            self.text.lines(self.pending)
            self.pending.clear()

    def _write_fold(self, index: int) -> None:
        """Write a fold that leaves more than one number, in loops of its own.

        Where the last axis stays, the sums lie in memory and the innermost loop goes along them: it reads
        and writes neighbors. Else a variable holds one sum at a time.
        """
        shape = self._fold_shape(index)
        kept = set(self._kept_axes(index))
        summed = [axis for axis, extent in enumerate(shape) if axis not in kept and extent != 1]
        trailing = (
            [axis for axis in kept if all(axis > each for each in summed)]
            if not self._is_product(index)
            else []
        )
        if self._is_product(index) and self.graph[index].operation.name == "matmul":
            trailing = [axis for axis in kept if axis == max(kept)]
        if trailing and self.graph[index].operation.name in START:
            self._fold_in_memory(index, shape, sorted(kept - set(trailing)), summed, trailing)
        else:
            self._fold_in_variable(index, shape, sorted(kept), summed)
        self.written[index] = self.stores.get(index) or self.scratch[index]

    def _fold_in_one_go(self, index: int) -> None:
        """Write a call of the library that folds neighbors in memory."""
        node = self.graph[index]
        operand = self.graph.operands(index)[0]
        shape = self.graph[operand].shape
        buffer = self.written.get(operand) or self.places[operand]
        start = tuple(ZERO for _ in shape[len(self.outer) :])
        place = self._element(buffer, shape, (*self.row, *start))
        pointer, offset = place[:-1].split("[", 1)
        address_text = f"{pointer}_" if offset == "0" else f"{pointer}_ + 4*({offset})"
        count = "*".join(
            self.text.parameter("rows", symbol("rows")) if extent == BATCH else str(extent)
            for extent in self._fold_shape(index)
            if extent != 1
        )
        self.folded[index] = self.text.variable(self.graph[index].operation.name)
        self.text.line(f"{self.folded[index]} = {IN_ONE_GO[node.operation.name]}({address_text}, {count})")
        self._end(index)

    def _is_product(self, index: int) -> bool:
        return self.graph[index].operation.name == "matmul"

    def _fold_in_variable(self, index: int, shape: Shape, kept: Sequence[int], summed: Sequence[int]) -> None:
        depth = len(self.text.blocks)
        at = {axis: self._open(f"i{axis}", shape[axis]) for axis in kept}
        self._start(index)
        inside = len(self.text.blocks)
        at.update({axis: self._open(f"i{axis}", shape[axis]) for axis in summed})
        position = tuple(at.get(axis, ZERO) for axis in range(len(shape)))
        self._combine(index, self._term(index, position), position)
        while len(self.text.blocks) > inside:
            self._close()
        self._store_fold(index, position, self.folded[index])
        while len(self.text.blocks) > depth:
            self._close()

    def _fold_in_memory(
        self, index: int, shape: Shape, outside: Sequence[int], summed: Sequence[int], trailing: Sequence[int]
    ) -> None:
        name = self.graph[index].operation.name
        depth = len(self.text.blocks)
        at = {axis: self._open(f"i{axis}", shape[axis]) for axis in outside}
        inside = len(self.text.blocks)
        for start, axes in ((True, trailing), (False, [*summed, *trailing])):
            here = dict(at) | {axis: self._open(f"i{axis}", shape[axis]) for axis in axes}
            position = tuple(here.get(axis, ZERO) for axis in range(len(shape)))
            target = self._fold_element(index, position)
            if start:
                self.text.line(f"{target} = {START[name]}")
            else:
                self.text.line(COMBINE[name].format(acc=target, x=self._term(index, position)))
            while len(self.text.blocks) > inside:
                self._close()
        while len(self.text.blocks) > depth:
            self._close()

    def _fold_element(self, index: int, position: Position) -> str:
        shape = self.graph[index].shape
        inner = tuple(
            ZERO if extent == 1 else place
            for extent, place in zip(shape[len(self.outer) :], position, strict=False)
        )
        buffer = self.stores.get(index) or self.scratch[index]
        return self._element(buffer, shape, (*self.row, *inner))

    def _store_fold(self, index: int, position: Position, value: str) -> None:
        self.text.line(f"{self._fold_element(index, position)} = {value}")

    def _term(self, index: int, position: Position) -> str:
        """Return what a fold adds up at a position of its loops."""
        node = self.graph[index]
        operands = self.graph.operands(index)
        if node.operation.name != "matmul":
            return self.value(operands[0], (*self.row, *position))
        left, right = operands
        result = (*self.row, *position)[: len(node.shape)]
        summed = position[len(node.shape) - len(self.outer) :]
        contract = node.setting("contract")
        axes = product_axes(
            len(self.graph[left].shape), len(self.graph[right].shape), contract, node.setting("align")
        )
        of_left = {a: at for (a, _), at in zip(axes, result, strict=True) if a is not None}
        of_right = {b: at for (_, b), at in zip(axes, result, strict=True) if b is not None}
        of_left.update({a: at for (a, _), at in zip(contract, summed, strict=True)})
        of_right.update({b: at for (_, b), at in zip(contract, summed, strict=True)})
        factors = [
            self.value(each, tuple(of[axis] for axis in range(len(self.graph[each].shape))))
            for each, of in ((left, of_left), (right, of_right))
        ]
        return f"{factors[0]} * {factors[1]}"

    # ---- values -------------------------------------------------------------------------------

    def value(self, index: int, position: Position) -> str:
        """Return the text of a value at a position: a variable, set in the outermost block that can."""
        known = self._known((index, position))
        if known is not None:
            return known
        node = self.graph[index]
        if index in self.folded and self._inner_count(index) == 1:
            return self.folded[index]
        if index in self.written:
            return self._load(self.written[index], node, position, self.row_depth)
        if index not in self.nodes and index in self.places:
            return self._load(self.places[index], node, position, 0, key=(index, position))
        if node.shape == () and index not in self.nodes:
            number = read_number(self.graph, self.text, index)
            self.depths.setdefault(number, 0)
            return number
        return self._computed(index, node, position)

    def _computed(self, index: int, node: Node, position: Position) -> str:
        operands = self.graph.operands(index)
        match node.operation.name:
            case "broadcast":
                return self.value(operands[0], self._repeated(self.graph[operands[0]].shape, position))
            case "reshape":
                return self.value(
                    operands[0], self.index.reshaped(position, node.shape, self.graph[operands[0]].shape)
                )
            case "transpose":
                axes = node.setting("axes")
                return self.value(operands[0], tuple(position[axes.index(axis)] for axis in range(len(axes))))
            case "slice":
                bounds = zip(position, node.setting("starts"), node.setting("steps"), strict=True)
                return self.value(operands[0], tuple(at * step + start for at, start, step in bounds))
            case "pad":
                return self._padded(index, node, position)
            case "concat":
                return self._concatenated(index, node, position)
            case "gather":
                rank = len(self.graph[operands[1]].shape)
                row = self._row_of(operands[1], position[:rank], self.graph[operands[0]].shape[0])
                return self.value(operands[0], (row, *position[rank:]))
            case "pick":
                column = self._row_of(operands[1], position[:-1], self.graph[operands[0]].shape[-1])
                return self.value(operands[0], (*position[:-1], column))
            case "one_hot":
                hit = f"{self.value(operands[0], position[:-1])} == {position[-1]}"
                return self._set(f"(f32(1.0) if {hit} else f32(0.0))", position, operands, (index, position))
            case "iota":
                return f"({position[0]})"
            case _:
                texts = [self.value(each, position) for each in operands]
                text = node.operation.scalar.format(*texts, **dict(node.settings))
                if not node.operation.scalar:
                    raise NotImplementedError(f"no loop is written for {node.operation.name}")
                return self._set(text, (), (), (index, position), *texts)

    def _set(
        self, text: str, position: Position, operands: Sequence[int], key: tuple[int, Position], *used: str
    ) -> str:
        """Set a variable to a formula, at the depth of the deepest thing that it is made of."""
        depth = max(
            [self._depth(position), *(self.depths.get(each, self._text_depth(each)) for each in used)]
        )
        if operands:
            depth = max(depth, len(self.text.blocks) - 1)
        name = self.text.variable(self.graph[key[0]].operation.name)
        self.text.line(f"{name} = {text}", depth)
        self.text.blocks[depth].known[key] = name
        self.depths[name] = depth
        return name

    def _text_depth(self, text: str) -> int:
        """Return the depth of a formula that is no variable: of a loop index, or of a number, which is set
        nowhere."""
        return 0 if text.startswith("f32(") or text.replace(".", "").isdigit() else len(self.text.blocks) - 1

    def _known(self, key: object) -> str | None:
        for block in self.text.blocks:
            if key in block.known:
                return block.known[key]
        return None

    def _depth(self, position: Position) -> int:
        symbols = {name for at in position for name in at.symbols()}
        depth = 0
        while symbols:
            name = symbols.pop()
            symbols |= self.index.parts.get(name, frozenset())
            depth = max(depth, self.depths.get(name, 0))
        return depth

    def _load(self, buffer: Buffer, node: Node, position: Position, depth: int, key: object = None) -> str:
        element = self._element(buffer, node.shape, position)
        name = self.text.variable("x")
        depth = max(depth, self._depth(position))
        if self._is_overwritten(buffer):
            depth = len(self.text.blocks) - 1
        self.text.line(
            f"{name} = {element} != f32(0.0)" if node.dtype == "bool" else f"{name} = {element}", depth
        )
        self.depths[name] = depth
        if key is not None:
            self.text.blocks[depth].known[key] = name
        return name

    def _is_overwritten(self, buffer: Buffer) -> bool:
        return any(each.name == buffer.name for each in self.stores.values())

    def _element(self, buffer: Buffer, shape: Shape, position: Position) -> str:
        if buffer.role == "scratch" and len(position) > len(buffer.shape):
            position, shape = position[len(self.outer) :], shape[len(self.outer) :]
        return f"{self._pointer(buffer)}[{self._offset(buffer, shape, position)}]"

    def _pointer(self, buffer: Buffer) -> str:
        key = ("pointer", buffer.name)
        known = self.text.blocks[0].known
        if key not in known:
            number = sum(1 for each in known if isinstance(each, tuple) and each[0] == "pointer")
            name = known[key] = f"b{number}"
            view = "at_int" if buffer.dtype == "int" else "at"
            own = symbol("scratch") if buffer.role == "scratch" else Count()
            self.text.line(
                f"{name} = {view}({self.text.parameter(f'{name}_', address(buffer.name) + own)})", 0
            )
        return known[key]

    def _offset(self, buffer: Buffer, shape: Shape, position: Position) -> Count:
        if buffer.layout == "rows":
            return self.index.flat(position, shape)
        row = position[0] if position else ZERO
        panel, lane = self.index.split(self.index.flat(position[1:], shape[1:]), LANES)
        step = self._panel_stride(buffer)
        return panel * step + row * LANES + lane

    def _panel_stride(self, buffer: Buffer) -> Count:
        name = f"{self._pointer(buffer)}_stride"
        return symbol(self.text.parameter(name, stride(buffer.name)))

    def _repeated(self, shape: Shape, position: Position) -> Position:
        tail = position[len(position) - len(shape) :]
        return tuple(ZERO if extent == 1 else at for extent, at in zip(shape, tail, strict=True))

    def _row_of(self, index: int, position: Position, extent: int) -> Count:
        """Return the index that a value holds, as a formula of its own, never outside of the table."""
        value = self.value(index, position)
        self.depths.setdefault(value, len(self.text.blocks) - 1)
        self.index.bounds.setdefault(value, None)
        return self.index.clamped(symbol(value), extent)

    def _padded(self, index: int, node: Node, position: Position) -> str:
        (operand,) = self.graph.operands(index)
        shape = self.graph[operand].shape
        tests: list[str] = []
        inside: list[Count] = []
        for at, extent, before, after in zip(
            position, shape, node.setting("before"), node.setting("after"), strict=True
        ):
            moved = at + -before
            inside.append(self.index.clamped(moved, extent) if before or after else at)
            tests += [f"({at} >= {before})"] * bool(before) + [f"({at} < {before + extent})"] * bool(after)
        value = self.value(operand, tuple(inside))
        return self._set(
            f"({value} if {' & '.join(tests) or 'True'} else f32(0.0))",
            position,
            (),
            (index, position),
            value,
        )

    def _concatenated(self, index: int, node: Node, position: Position) -> str:
        axis = node.setting("axis")
        operands = self.graph.operands(index)
        at, start = position[axis], 0
        result = ""
        used: list[str] = []
        for number, operand in enumerate(operands):
            extent = self.graph[operand].shape[axis]
            inside = self.index.clamped(at + -start, extent) if len(operands) > 1 else at
            value = self.value(operand, (*position[:axis], inside, *position[axis + 1 :]))
            used.append(value)
            start += extent
            result += value if number == len(operands) - 1 else f"({value} if {at} < {start} else "
        return self._set(result + ")" * (len(operands) - 1), position, (), (index, position), *used)
