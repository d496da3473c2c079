"""Values of a group as formulas of positions: each is set where the outermost loop stands that it depends
on."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import BATCH, Node, Shape
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.kernel_text import KernelText
from netdsl.lowering.cpu.nests import Plan
from netdsl.lowering.cpu.numbers import read_number
from netdsl.lowering.movements import joined, padded, source_of
from netdsl.lowering.position import Position, Variables
from netdsl.lowering.taps import Place
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

    def batch(self) -> Count:
        """Return the rows of a batch, as a formula of a parameter."""
        return symbol(self.extent(BATCH))

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
        graph = self.plan.graph
        operands, key = graph.operands(index), (index, position)
        source = source_of(self, graph, index, position)
        if source is not None:
            return self.value(operands[0], source)
        match node.operation.name:
            case "reshape":
                shape = graph[operands[0]].shape
                return self.value(operands[0], self.index.reshaped(position, node.shape, shape))
            case "pad":
                formula, padding = padded(self, graph, index, position)
                return self._set(formula, position, (), key, padding)
            case "concat":
                formula, parts = joined(self, graph, index, position)
                return self._set(formula, position, (), key, *parts)
            case "one_hot":
                hit = f"{self.value(operands[0], position[:-1])} == {position[-1]}"
                return self._set(f"(f32(1.0) if {hit} else f32(0.0))", position, operands, key)
            case "iota":
                return f"({position[0]})"
            case _:
                texts = [self.value(each, position) for each in operands]
                text = node.operation.scalar.format(*texts, **dict(node.settings))
                if not node.operation.scalar:
                    raise NotImplementedError(f"no loop is written for {node.operation.name}")
                return self._set(text, (), (), key, *texts)

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

    def guarded(self, index: int, position: Position, place: Place, other: str) -> str:
        """Return a value at a position, another where the tap of a window lands beside."""
        value = self.value(index, position)
        if not place.tests:
            return value
        key = index, ("guarded", other, position, place.tests)
        return self.kept(place.guarded(value, other), position, key, value)

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
