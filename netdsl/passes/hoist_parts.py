"""`parts_of_products`: where only parts are read of what is made of a product, they are parts of the product.

The gates of a cell are columns of one product. Taken before all that is computed of it element by element,
they need no copy: panels are read where they lie, and their gradients written where one matrix has them, for
one product back and one gradient of the weights.
"""

from __future__ import annotations

from netdsl.graph import Builder, Graph, Origin, Value, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations import REGISTRY
from netdsl.operations.movement import part
from netdsl.passes.contractions import is_part


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
            if is_part(self.graph, index) and self._has_product(operands[0]):
                node = self.graph[index]
                bounds = node.setting("starts")[-1], node.setting("stops")[-1]
                self.values[index] = self._columns(operands[0], *bounds)
            else:
                self.values[index] = self.builder.add(
                    self.graph[index], [self.values[each] for each in operands]
                )
        self.builder.take_roots(self.graph, self.values)
        return self.builder.finish(unused=False)

    def _is_read_in_parts(self, index: int) -> bool:
        """Tell whether only parts are wanted of a value, and of what is made of it element by element."""
        if index not in self.in_parts:
            users = self.graph.users(index)
            self.in_parts[index] = not self.graph.is_root(index) and all(
                is_part(self.graph, user)
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

    def _is_taken_apart(self, index: int) -> bool:
        """Tell whether columns are computed of columns: a product with an offset stays whole."""
        elementwise = self.graph[index].operation.family == "elementwise"
        return elementwise and self._is_read_in_parts(index) and not self._is_with_offset(index)

    def _is_with_offset(self, index: int) -> bool:
        """Tell whether a node adds a vector to a product."""
        if self.graph[index].operation.name != "add":
            return False
        one, other = self.graph.operands(index)
        return any(self._is_product(a) and self._is_vector(b) for a, b in ((one, other), (other, one)))

    def _is_vector(self, index: int) -> bool:
        """Tell whether a node is a vector that is repeated for each row."""
        is_repeated = self.graph[index].operation.name == "broadcast"
        return is_repeated and len(self.graph[self.graph.operands(index)[0]].shape) == 1

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
            if self._is_taken_apart(index):
                parts = [self._columns(each, start, stop) for each in operands]
                return self.builder.apply(node.operation.name, *parts, **dict(node.settings))
            return part(self.values[index], last, start, stop)
