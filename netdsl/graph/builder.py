"""Builds a graph: `Value` handles with operators, one registry of operations, the origin of what is added."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from netdsl.diagnostics import Span
from netdsl.graph.graph import Graph, all_below
from netdsl.graph.node import Node, Operation, Setting
from netdsl.graph.shape import BATCH, DType, Shape, shape_text
from netdsl.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the nodes being added come from; see Node."""

    span: Span | None = None
    path: str = ""
    repeat: tuple[int, ...] = ()
    of: str = ""


class Builder:
    """Adds nodes to a graph that is not finished yet.

    `registry` has every operation by name. `origin` is stamped on each added node; set it for a while with
    `within(...)`.
    """

    def __init__(self, registry: Mapping[str, Operation]) -> None:
        self.registry = registry
        self.origin = Origin()
        self.outputs: dict[str, Value] = {}
        self.updates: dict[str, Value] = {}
        self._nodes: list[Node] = []
        self._operands: list[tuple[int, ...]] = []

    def within(self, origin: Origin) -> Within:
        """Stamp the nodes that are added inside with an origin."""
        return Within(self, origin)

    def apply(self, operation: str, *operands: Value, **settings: Setting) -> Value:
        """Add an operation by name. Raises ValueError, with a sentence, when the operands do not fit."""
        found = self.registry[operation]
        shape, dtype = found.shape([each.node for each in operands], settings)
        origin = self.origin
        node = Node(
            found,
            tuple(sorted(settings.items())),
            shape,
            dtype,
            origin.span,
            origin.path,
            origin.repeat,
            origin.of,
        )
        return self.add(node, operands)

    def add(self, node: Node, operands: Sequence[Value]) -> Value:
        """Add a node as it is (a pass that rebuilds a graph keeps the origin of what it copies)."""
        indices = []
        for each in operands:
            assert each.builder is self, "a value of another builder"
            indices.append(each.index)
        self._nodes.append(node)
        self._operands.append(tuple(indices))
        return Value(self, len(self._nodes) - 1)

    def copy(
        self, graph: Graph, known: Mapping[int, Value], needed: Container[int] | None = None
    ) -> dict[int, Value]:
        """Add every node of a finished graph but those already known; return the new value of each node.

        The origins are kept. Outputs and updates of the graph are not taken over. With `needed`, only these
        nodes are added.
        """
        values = dict(known)
        for index in graph:
            if index not in values and (needed is None or index in needed):
                values[index] = self.add(graph[index], [values[each] for each in graph.operands(index)])
        return values

    def take_roots(self, graph: Graph, values: Mapping[int, Value]) -> None:
        """Take over the outputs and updates of a graph that was copied."""
        self.outputs |= {name: values[index] for name, index in graph.outputs.items()}
        self.updates |= {name: values[index] for name, index in graph.updates.items()}

    def constant(self, value: float | Sequence[float]) -> Value:
        """Add a number, or a vector of numbers."""
        return self.apply("constant", value=float(value) if isinstance(value, (int, float)) else tuple(value))

    def node(self, index: int) -> Node:
        """Return a node added before."""
        return self._nodes[index]

    def __getitem__(self, index: int) -> Node:
        """Return a node added before, as a graph does."""
        return self._nodes[index]

    def operands(self, index: int) -> tuple[int, ...]:
        """Return the operands of a node added before."""
        return self._operands[index]

    def finish(self, *, unused: bool = True, keep: Iterable[Value] = ()) -> Graph:
        """Return the finished graph, without what no output or update needs unless `unused` is to stay.

        Values to `keep` stay in any case. The builder is not to be used after.
        """
        roots = [*self.outputs.values(), *self.updates.values(), *keep]
        kept = list(range(len(self._nodes))) if unused else sorted(self.ancestors(roots))
        place = {index: position for position, index in enumerate(kept)}
        return Graph(
            tuple(self._nodes[index] for index in kept),
            tuple(tuple(place[each] for each in self._operands[index]) for index in kept),
            {name: place[value.index] for name, value in self.outputs.items()},
            {name: place[value.index] for name, value in self.updates.items()},
        )

    def ancestors(self, values: Iterable[Value]) -> set[int]:
        """Return the indices of values and of all that they are computed from."""
        return all_below((each.index for each in values), self.operands)


class Within:
    """The time in which a builder has an origin. No generator: it is entered for each node of a pass."""

    __slots__ = "_before", "_builder", "_origin"

    def __init__(self, builder: Builder, origin: Origin) -> None:
        self._builder, self._origin = builder, origin

    def __enter__(self) -> None:
        self._before, self._builder.origin = self._builder.origin, self._origin

    def __exit__(self, *_: object) -> None:
        self._builder.origin = self._before


@dataclass(frozen=True, slots=True)
class Value:
    """A handle of a node in a builder. Operators broadcast as NumPy does, with explicit `broadcast` nodes."""

    builder: Builder
    index: int

    @property
    def node(self) -> Node:
        """Return the node."""
        return self.builder.node(self.index)

    @property
    def shape(self) -> Shape:
        """Return the shape, the batch axis as BATCH."""
        return self.node.shape

    @property
    def dtype(self) -> DType:
        """Return the kind of the elements."""
        return self.node.dtype

    def apply(self, operation: str, *others: Value | float, **settings: Setting) -> Value:
        """Apply an operation to this value and others, as they are (no broadcasting)."""
        return self.builder.apply(operation, self, *(self._lift(each) for each in others), **settings)

    def pointwise(self, operation: str, *others: Value | float, **settings: Setting) -> Value:
        """Apply an element-wise operation, with the operands broadcast to one shape."""
        operands = [self, *(self._lift(each) for each in others)]
        shape = broadcast_shapes([each.shape for each in operands])
        return self.builder.apply(operation, *(each.broadcast(shape) for each in operands), **settings)

    def broadcast(self, shape: Shape) -> Value:
        """Broadcast to a shape (trailing axes aligned); the value itself where it has that shape."""
        return self if self.shape == shape else self.builder.apply("broadcast", self, shape=shape)

    def reshape(self, shape: Shape) -> Value:
        """Reshape, the batch axis staying first; the value itself where it has that shape."""
        return self if self.shape == shape else self.builder.apply("reshape", self, shape=shape)

    def sum(self, axes: Sequence[int]) -> Value:
        """Sum over axes, which stay with extent 1."""
        axes = tuple(sorted(axes))
        return self if not axes else self.builder.apply("sum", self, axes=axes)

    def _lift(self, other: Value | float) -> Value:
        return other if isinstance(other, Value) else self.builder.constant(other)

    def __add__(self, other: Value | float) -> Value:
        return self.pointwise("add", other)

    def __radd__(self, other: float) -> Value:
        return self._lift(other).pointwise("add", self)

    def __sub__(self, other: Value | float) -> Value:
        return self.pointwise("subtract", other)

    def __rsub__(self, other: float) -> Value:
        return self._lift(other).pointwise("subtract", self)

    def __mul__(self, other: Value | float) -> Value:
        return self.pointwise("multiply", other)

    def __rmul__(self, other: float) -> Value:
        return self._lift(other).pointwise("multiply", self)

    def __truediv__(self, other: Value | float) -> Value:
        return self.pointwise("divide", other)

    def __rtruediv__(self, other: float) -> Value:
        return self._lift(other).pointwise("divide", self)

    def __pow__(self, other: Value | float) -> Value:
        return self.pointwise("power", other)

    def __neg__(self) -> Value:
        return self.pointwise("negate")


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that all broadcast to, trailing axes aligned. Raises ValueError when there is none."""
    rank = max(len(shape) for shape in shapes)
    result: list[int] = []
    for axis in range(-rank, 0):
        extents = {shape[axis] for shape in shapes if -axis <= len(shape)} - {1}
        if len(extents) > 1 or (BATCH in extents and axis != -rank):
            raise ValueError("shapes do not fit: " + " and ".join(map(shape_text, shapes)))
        result.append(extents.pop() if extents else 1)
    return tuple(result)
