"""Values of a group as formulas of positions: each is set where the outermost loop stands that it depends
on."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netdsl.graph import BATCH, Node, Shape
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.kernel_text import KernelText
from netdsl.lowering.cpu.nests import Plan
from netdsl.lowering.cpu.numbers import read_number
from netdsl.lowering.position import Position, Variables, repeated
from netdsl.lowering.taps import seen_by
from netdsl.program import LANES, Buffer, Count, address, rows_of, stride, symbol


@dataclass(slots=True)
class Values:
    """Writes values. `folded` has the variable of each fold's result, `written` the memory of what is stored
    or kept and complete, `depths` the block in which each variable is set."""

    plan: Plan
    text: KernelText = field(default_factory=KernelText)
    index: Variables = field(default_factory=Variables)
    depths: dict[str, int] = field(default_factory=dict)
    folded: dict[int, str] = field(default_factory=dict)
    written: dict[int, Buffer] = field(default_factory=dict)
    row_depth: int = 0

    def extent(self, extent: int) -> str:
        """Return the text of an extent: a number, or a parameter for the rows of a batch or several."""
        if extent > 0:
            return str(extent)
        return self.text.parameter("rows" if extent == BATCH else f"rows{-extent}", rows_of((extent,)))

    def value(self, index: int, position: Position) -> str:
        """Return the text of a value at a position: a variable, set in the outermost block that can."""
        known = self._known((index, position))
        if known is not None:
            return known
        node = self.plan.graph[index]
        if index in self.folded and self.plan.inner_count(index) == 1:
            return self.folded[index]
        if index in self.written:
            return self._load(self.written[index], node, position, self.row_depth)
        if index not in self.plan.nodes and index in self.plan.places:
            return self._load(self.plan.places[index], node, position, 0, key=(index, position))
        if node.shape == () and index not in self.plan.nodes:
            number = read_number(self.plan.graph, self.text, index)
            self.depths.setdefault(number, 0)
            return number
        return self._computed(index, node, position)

    def _computed(self, index: int, node: Node, position: Position) -> str:
        operands = self.plan.graph.operands(index)
        match node.operation.name:
            case "broadcast":
                return self.value(operands[0], repeated(position, self.plan.graph[operands[0]].shape))
            case "stored":
                return self.value(operands[0], position)
            case "stack" | "unstack" | "step":
                rows = symbol(self.extent(BATCH))
                return self.value(operands[0], self.index.restacked(node, position, rows))
            case "reshape":
                return self.value(
                    operands[0], self.index.reshaped(position, node.shape, self.plan.graph[operands[0]].shape)
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
                rank = len(self.plan.graph[operands[1]].shape)
                row = self.row_of(operands[1], position[:rank], self.plan.graph[operands[0]].shape[0])
                return self.value(operands[0], (row, *position[rank:]))
            case "pick":
                column = self.row_of(operands[1], position[:-1], self.plan.graph[operands[0]].shape[-1])
                return self.value(operands[0], (*position[:-1], column))
            case "take_window":
                return self.value(operands[0], self._taken(index, position))
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
        self, text: str, position: Position, operands: Sequence[int], key: tuple[int, object], *used: str
    ) -> str:
        """Set a variable to a formula, at the depth of the deepest thing that it is made of."""
        depth = max(
            [
                self.index.depth(position, self.depths),
                *(self.depths.get(each, self._text_depth(each)) for each in used),
            ]
        )
        if operands:
            depth = max(depth, len(self.text.blocks) - 1)
        name = self.text.variable(self.plan.graph[key[0]].operation.name)
        self.text.line(f"{name} = {text}", depth)
        self.text.blocks[depth].known[key] = name
        self.depths[name] = depth
        return name

    def kept(self, text: str, position: Position, key: tuple[int, object], *used: str) -> str:
        """Return a variable set to a formula of values at a position; the same one for the same key."""
        return self._known(key) or self._set(text, position, (), key, *used)

    def _text_depth(self, text: str) -> int:
        """Return the depth of a formula that is no variable: of a loop index, or of a number, which is set
        nowhere."""
        return 0 if text.startswith("f32(") or text.replace(".", "").isdigit() else len(self.text.blocks) - 1

    def _known(self, key: object) -> str | None:
        for block in self.text.blocks:
            if key in block.known:
                return block.known[key]
        return None

    def _load(self, buffer: Buffer, node: Node, position: Position, depth: int, key: object = None) -> str:
        element = self.element(buffer, node.shape, position)
        name = self.text.variable("x")
        depth = max(depth, self.index.depth(position, self.depths))
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
        return any(each.name == buffer.name for each in self.plan.stores.values())

    def element(self, buffer: Buffer, shape: Shape, position: Position) -> str:
        """Return the text of an element of a buffer."""
        if buffer.role == "scratch" and len(position) > len(buffer.shape):
            position, shape = position[len(self.plan.outer) :], shape[len(self.plan.outer) :]
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
        if len(position) < 2:
            return self.index.flat(position, shape) * LANES
        row = self.index.flat(position[:-1], shape[:-1])
        panel, lane = self.index.split(position[-1], LANES)
        step = self._panel_stride(buffer)
        return panel * step + row * LANES + lane

    def _panel_stride(self, buffer: Buffer) -> Count:
        name = f"{self._pointer(buffer)}_stride"
        return symbol(self.text.parameter(name, stride(buffer.name)))

    def row_of(self, index: int, position: Position, extent: int) -> Count:
        """Return the index that a value holds, as a formula of its own, never outside of the table."""
        value = self.value(index, position)
        self.depths.setdefault(value, len(self.text.blocks) - 1)
        self.index.bounds.setdefault(value, None)
        return self.index.clamped(symbol(value), extent)

    def _taken(self, index: int, position: Position) -> Position:
        """Return the place that a window takes: the counted one, which is never beside the value."""
        node, (source, taps) = self.plan.graph[index], self.plan.graph.operands(index)
        size: Shape = node.setting("size")
        tap = self.row_of(taps, position, prod(size))
        space = self.plan.graph[source].shape[1:-1]
        place = seen_by(self.index, node, space, position[1:-1], self.index.unflattened(tap, size))
        return (position[0], *place.at, position[-1])

    def _padded(self, index: int, node: Node, position: Position) -> str:
        (operand,) = self.plan.graph.operands(index)
        inside, test = self.index.padded(node, position, self.plan.graph[operand].shape)
        value = self.value(operand, inside)
        return self._set(
            f"({value} if {test or 'True'} else f32(0.0))",
            position,
            (),
            (index, position),
            value,
        )

    def _concatenated(self, index: int, node: Node, position: Position) -> str:
        axis = node.setting("axis")
        operands = self.plan.graph.operands(index)
        at, start = position[axis], 0
        result = ""
        used: list[str] = []
        for number, operand in enumerate(operands):
            extent = self.plan.graph[operand].shape[axis]
            inside = self.index.clamped(at + -start, extent) if len(operands) > 1 else at
            value = self.value(operand, (*position[:axis], inside, *position[axis + 1 :]))
            used.append(value)
            start += extent
            result += value if number == len(operands) - 1 else f"({value} if {at} < {start} else "
        return self._set(result + ")" * (len(operands) - 1), position, (), (index, position), *used)
