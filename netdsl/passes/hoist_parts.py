"""`parts_of_products`: a product of which only parts are read is made part by part.

The gates of a cell are columns of one product. As products of their own they are computed beside what is made
of them, and no gate has to be cut out of a wider value, nor its gradient put back into one.
"""

from __future__ import annotations

from typing import Final

from netdsl.graph import Builder, Graph, Origin, Value, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations import REGISTRY
from netdsl.operations.movement import part

WIDE: Final = 16
"""Parts are whole numbers of so many columns: what a product computes side by side."""


def parts_of_products(graph: Graph) -> Graph:
    """Return a graph of the same values without parts along the last axis of sums and products."""
    return _Parts(graph).rebuilt()


@dataclass(slots=True)
class _Parts:
    """Rebuilds a graph."""

    graph: Graph
    builder: Builder = field(default_factory=lambda: Builder(REGISTRY))
    values: dict[int, Value] = field(default_factory=dict)
    known: dict[tuple[int, int, int], Value] = field(default_factory=dict)
    in_parts: dict[int, bool] = field(default_factory=dict)

    def rebuilt(self) -> Graph:
        """Return the rebuilt graph."""
        for index in self.graph:
            operands = self.graph.operands(index)
            if self._is_part(index) and self._has_product(operands[0]):
                node = self.graph[index]
                bounds = node.setting("starts")[-1], node.setting("stops")[-1]
                self.values[index] = self._columns(operands[0], *bounds)
            else:
                self.values[index] = self.builder.add(
                    self.graph[index], [self.values[each] for each in operands]
                )
        self.builder.take_roots(self.graph, self.values)
        return self.builder.finish(unused=False)

    def _is_part(self, index: int) -> bool:
        """Tell whether a node takes some columns of a value, all its rows."""
        node = self.graph[index]
        if node.operation.name != "slice":
            return False
        given = self.graph[self.graph.operands(index)[0]].shape
        starts, stops, steps = (node.setting(name) for name in ("starts", "stops", "steps"))
        whole = zip(starts[:-1], stops[:-1], given[:-1], strict=True)
        at_lines = starts[-1] % WIDE == 0 and (stops[-1] - starts[-1]) % WIDE == 0
        return all((start, stop) == (0, end) for start, stop, end in whole) and {*steps} == {1} and at_lines

    def _is_read_in_parts(self, index: int) -> bool:
        """Tell whether only parts are wanted of a value, and of what is made of it element by element."""
        if index not in self.in_parts:
            users = self.graph.users(index)
            self.in_parts[index] = not self.graph.is_root(index) and all(
                self._is_part(user)
                or (self.graph[user].operation.family == "elementwise" and self._is_read_in_parts(user))
                for user in users
            )
        return self.in_parts[index]

    def _has_product(self, index: int) -> bool:
        """Tell whether a value is made, element by element, of a product of which only parts are wanted."""
        if not self._is_read_in_parts(index):
            return False
        if self.graph[index].operation.family == "elementwise":
            return any(self._has_product(each) for each in self.graph.operands(index))
        return self._is_product(index)

    def _is_product(self, index: int) -> bool:
        """Tell whether a node is a value times a matrix that all examples share."""
        node = self.graph[index]
        if node.operation.name != "matmul" or node.setting("align"):
            return False
        left, right = (self.graph[each].shape for each in self.graph.operands(index))
        contract = node.setting("contract")
        return len(right) == 2 and not is_batched(right) and contract == ((len(left) - 1, 0),)

    def _columns(self, index: int, start: int, stop: int) -> Value:
        """Return some columns of a value: computed by themselves, where only parts of it are wanted."""
        key = index, start, stop
        if key not in self.known:
            self.known[key] = self._made(index, start, stop)
        return self.known[key]

    def _made(self, index: int, start: int, stop: int) -> Value:
        node, operands = self.graph[index], self.graph.operands(index)
        last = len(node.shape) - 1
        shape = (*node.shape[:-1], stop - start)
        with self.builder.within(Origin(node.span, node.path, node.repeat, node.of)):
            if node.operation.name == "broadcast" and operands:
                given = self.graph[operands[0]].shape
                wide = bool(given) and given[-1] == node.shape[-1]
                source = self._columns(operands[0], start, stop) if wide else self.values[operands[0]]
                return source.broadcast(shape)
            if self._is_read_in_parts(index) and node.operation.family == "elementwise":
                parts = [self._columns(each, start, stop) for each in operands]
                return self.builder.apply(node.operation.name, *parts, **dict(node.settings))
            if self._is_read_in_parts(index) and self._is_product(index):
                left, right = operands
                factor = part(self.values[right], 1, start, stop)
                return self.values[left].apply("matmul", factor, **dict(node.settings))
            return part(self.values[index], last, start, stop)
