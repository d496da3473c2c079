"""The derivation of each gradient, as formulas: what the compiler made of the model, step by step."""

from collections import Counter
from collections.abc import Iterator, Sequence
from string import digits
from typing import Final

from netdsl.graph import Graph, Node, Operation, Shape, shape_text
from netdsl.graph.formula import formula
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.operations import REGISTRY

_LEAVES: Final = {"input", "weight", "state", "scalar", "constant", "iota"}
_SEE_THROUGH: Final = {"broadcast", "reshape", "stop_gradient"}
_LONGEST: Final = 5
"""So many operations at most are written into one line."""


def derivations(graph: Graph) -> str:
    """Return the formulas of a differentiated graph: forward, backward, and the gradient of each weight.

    A value that is used more than once has a line and a name of its own: that of its use (`dense_1`), the
    gradient that flows back to it with a d before it.
    """
    view = _View(graph, _names(graph))
    roots = {
        name.removeprefix("gradient/"): index
        for name, index in graph.outputs.items()
        if name.startswith("gradient/")
    }
    needed = graph.ancestors(roots.values())
    named = [index for index in graph if index in needed and index in view.names]
    parts = [
        ("Forward", [row for index in named if graph[index].of != "gradient" for row in _lines(view, index)]),
        (
            "Backward",
            [row for index in named if graph[index].of == "gradient" for row in _lines(view, index)],
        ),
        ("Gradients", [_row(f"∂/∂ {path}", view, index) for path, index in roots.items()]),
    ]
    return "\n".join(line for title, rows in parts if rows for line in (*_section(title, rows), ""))


_Row = tuple[str, str, str]


def _section(title: str, rows: list[_Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    yield title
    for name, shape, text in rows:
        yield f"  {name:<{widths[0]}}  {shape:<{widths[1]}}  = {text}"


def _lines(view: "_View", index: int) -> Iterator[_Row]:
    """Yield the line of a value, and below that of a scan what a step of it does."""
    node = view.graph[index]
    yield _row(view.names[index], view, index)
    if node.operation.name == "scan":
        yield from _step(node.setting("body"), reverse=node.setting("reverse"))


def _step(body: Graph, *, reverse: bool) -> Iterator[_Row]:
    """Yield what the states of a scan become, and what is collected, at step t."""
    before = "[t+1]" if reverse else "[t-1]"
    places = {"state": before, "item": "[t]", "fixed": "", "out": "[t]"}
    names = {index: f"{name}{places[name.rstrip(digits)]}" for name, index in body.leaves("input").items()}
    view = _View(body, names)
    for name, index in body.outputs.items():
        text = names.get(index) or formula(view.opened(index), index, 1000)
        yield f"  {name}[t]", shape_text(body[index].shape), text


def _row(name: str, view: "_View", index: int) -> _Row:
    text = formula(view.opened(index), index, 1000)
    return name, shape_text(view.graph[index].shape), text


@dataclass(frozen=True, slots=True)
class _View:
    """A graph in which a named value, but for the one that is being written, is a leaf with that name."""

    graph: Graph
    names: dict[int, str]
    open: int | None = None

    def opened(self, index: int) -> "_View":
        return _View(self.graph, self.names, index)

    def __getitem__(self, index: int) -> Node:
        node = self.graph[index]
        if self._is_shut(index):
            return Node(REGISTRY["input"], (("name", self.names[index]),), node.shape)
        if node.operation.name in ("weight", "state"):
            short = str(node.setting("name")).split("/", 1)[-1]
            return Node(node.operation, (("name", short),), node.shape)
        if node.operation.name == "matmul":
            shapes = [self.graph[each].shape for each in self.graph.operands(index)]
            return replace(node, operation=_product(node, shapes))
        return node

    def operands(self, index: int) -> tuple[int, ...]:
        return () if self._is_shut(index) else self.graph.operands(index)

    def _is_shut(self, index: int) -> bool:
        return index in self.names and index != self.open


def _product(node: Node, shapes: Sequence[Shape]) -> Operation:
    """Return a product whose text says which of two matrices is transposed."""
    contract = node.setting("contract")
    if len(contract) != 1 or node.setting("align") or any(len(each) != 2 for each in shapes):
        return node.operation
    ((a, b),) = contract
    text = f"{{0}}{'' if a == 1 else 'ᵀ'} @ {{1}}{'' if b == 0 else 'ᵀ'}"
    return replace(node.operation, text=text)


def _names(graph: Graph) -> dict[int, str]:
    """Name the values that have a line of their own; a number tells those of one use apart."""
    chosen = list(_chosen(graph))
    stems = {index: _stem(graph[index]) for index in chosen}
    several = Counter(stems.values())
    counted: Counter[str] = Counter()
    names = {}
    for index in chosen:
        stem = stems[index]
        counted[stem] += 1
        names[index] = stem if several[stem] == 1 else f"{stem}.{counted[stem]}"
    return names


def _stem(node: Node) -> str:
    use = node.path.rsplit("/", 1)[-1] or "value"
    return f"d {use}" if node.of == "gradient" else use


def _chosen(graph: Graph) -> Iterator[int]:
    """Yield the values that are used more than once, and those whose formula would grow too long."""
    length: dict[int, int] = {}
    for index in graph:
        node = graph[index]
        inside = 1 + sum(length[each] for each in graph.operands(index))
        if node.operation.name in _LEAVES:
            length[index] = 0
        elif node.operation.name in _SEE_THROUGH:
            length[index] = inside - 1
        elif node.operation.name == "scan" or _uses(graph, index) > 1 or inside > _LONGEST:
            length[index] = 0
            yield index
        else:
            length[index] = inside


def _uses(graph: Graph, index: int) -> int:
    """Return how many operations use a value, looking through those that only move it."""
    return sum(
        _uses(graph, user) if graph[user].operation.name in _SEE_THROUGH else 1 for user in graph.users(index)
    )
