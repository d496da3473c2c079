"""Which values of a graph are stored, and which are computed again where they are wanted."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from netdsl.graph import Graph, count, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.passes.contractions import is_flattening, is_view, product_form
from netdsl.program import Form

MOVEMENTS: Final = frozenset(
    {"reshape", "transpose", "broadcast", "slice", "stack", "unstack", "step", "stored"}
)
"""Movements that cost nothing: an index is read differently."""

REORDERINGS: Final = frozenset({"reshape", "transpose"})
"""Movements that only change the order of elements."""

REDUCTIONS: Final = frozenset({"sum", "maximum_over", "minimum_over", "argmax", "argmin"})
COSTS: Final = {
    "exp": 8, "log": 8, "log1p": 8, "tanh": 12, "sigmoid": 10, "softplus": 16, "power": 20, "sin": 12,
    "cos": 12, "arctan": 12, "erf": 12, "sqrt": 4, "divide": 4, "ratio": 4, "pick": 2, "gather": 2,
}  # fmt: skip
"""What an element of an operation costs, in additions; 1 where nothing is said."""

CHEAP: Final = 6
"""The cost up to which a value is computed again where it is used, rather than stored and read."""

FEW: Final = 3
"""The values that may be read in its place."""

LATE: Final = 2
"""The same for a value that only a later group has a use for: it is computed there, however dear it is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What nodes must share to be computed in one pass: a form, and what the pass goes over."""

    form: Form | None
    over: tuple[int | str, ...] = ()


LEAF: Final = Kind(None)


def is_of_any_strides(graph: Graph, index: int) -> bool:
    """Tell whether a product is of matrices of any strides."""
    return graph[index].operation.name == "matmul" and product_form(graph, index) == "any"


@dataclass(slots=True)
class Stored:
    """Decides which values are stored: what is asked for, what an operation reads in an order of its own,
    and what others need and is too dear to be computed again."""

    graph: Graph
    kinds: dict[int, Kind]
    parts: dict[int, int]
    late: dict[int, int] = field(default_factory=dict)
    """The part in which a value made of few others is computed: its own, or the only one that wants it."""

    stored: set[int] = field(default_factory=set)
    costs: dict[int, int] = field(default_factory=dict)
    reads: dict[int, frozenset[int]] = field(default_factory=dict)

    def decide(self) -> set[int]:
        """Return the nodes to be stored."""
        roots = set(self.graph.roots())
        needed = self._needed()
        self._put_off(roots | needed)
        for index, kind in self.kinds.items():
            if kind is LEAF:
                self.costs[index], self.reads[index] = 0, frozenset({index})
                continue
            self._measure(index)
            if self.late[index] != self.parts[index] and len(self.reads[index]) > LATE:
                self.late[index] = self.parts[index]
            outside = any(self.late[user] != self.late[index] for user in self.graph.users(index))
            dear = self.costs[index] > CHEAP or len(self.reads[index]) > FEW or self._is_repeated(index)
            dear = dear or self._ends_a_chain(index)
            inside = kind.form in ("product", "loop") and any(
                self.kinds.get(each) == kind for each in self.graph.users(index)
            )
            if inside and index not in roots:
                continue
            moved = kind.over[0] == "flat"
            if kind.form != "loops" or moved or index in needed or index in roots or (outside and dear):
                self.stored.add(index)
                self.costs[index], self.reads[index] = 0, frozenset({index})
        return self.stored

    def _is_repeated(self, index: int) -> bool:
        """Tell whether a vector of all examples is computed, and read for each of them."""
        shape = self.graph[index].shape
        is_vector = not is_batched(shape) and count(shape) > 1 and self.costs[index] > 0
        return is_vector and any(
            is_batched(self.graph[each].shape) and self.kinds.get(each, LEAF).form == "loops"
            for user in self.graph.users(index)
            for each in self._shown(user)
        )

    def _ends_a_chain(self, index: int) -> bool:
        """Tell whether a value is made of several, one of which nobody else wants: then this one is kept in
        its place, and whoever reads it reads one instead of several."""
        if not is_batched(self.graph[index].shape) or len(self.reads[index]) < LATE:
            return False
        return any(self._leads_to(each, index) for each in self.reads[index])

    def _leads_to(self, index: int, end: int) -> bool:
        """Tell whether a value of the size of another is read for that one alone."""
        if self.kinds[index].form != "windows" or self.graph[index].shape != self.graph[end].shape:
            return False
        while index != end:
            users = self.graph.users(index)
            if len(users) != 1:
                return False
            (index,) = users
        return True

    def _shown(self, index: int) -> list[int]:
        """Return a node, or what uses it if it only moves what it is given and is not batched."""
        if is_batched(self.graph[index].shape) or self.graph[index].operation.name not in MOVEMENTS:
            return [index]
        return [each for user in self.graph.users(index) for each in self._shown(user)]

    def _put_off(self, wanted: Container[int]) -> None:
        """Find values of which only one other part has any use: what a gradient needs of an activation."""
        for index, kind in reversed(self.kinds.items()):
            self.late[index] = self.parts[index]
            users = {self.late[user] for user in self.graph.users(index)}
            if kind.form == "loops" and index not in wanted and len(users) == 1 and self._is_simple(index):
                (only,) = users
                if self.kinds[only] == kind:
                    self.late[index] = only

    def _is_simple(self, index: int) -> bool:
        node = self.graph[index]
        return node.operation.family == "elementwise" or node.operation.name in MOVEMENTS

    def _measure(self, index: int) -> None:
        node = self.graph[index]
        name = node.operation.name
        operands = [each for each in self.graph.operands(index) if each in self.kinds]
        own = 0 if name in MOVEMENTS else COSTS.get(name, 1)
        if name in REDUCTIONS:
            own = CHEAP + 1
        self.costs[index] = own + sum(self.costs[each] for each in operands)
        self.reads[index] = frozenset().union(*(self.reads[each] for each in operands))

    def _needed(self) -> set[int]:
        """Find what must lie in memory: operands of products and of tables that are added to, tables that
        rows are gathered from."""
        found: set[int] = set()
        for index, kind in self.kinds.items():
            name, operands = self.graph[index].operation.name, self.graph.operands(index)
            if is_of_any_strides(self.graph, index):
                found.update(_behind_reorderings(self.graph, each) for each in operands)
            elif kind.form in {"product", "scatter", "rank", "windows", "loop", "part", "join"}:
                outside = (each for each in operands if self.kinds.get(each) != kind)
                found.update(_behind(self.graph, each) for each in outside)
            elif name == "gather":
                found.add(_behind(self.graph, operands[0]))
            elif name == "stored":
                found.add(index)
        return found


def _behind(graph: Graph, index: int) -> int:
    """Return the value that reshapes show: memory needs no copy for them."""
    while is_view(graph, index) or _is_shared_reshape(graph, index):
        index = graph.operands(index)[0]
    return index


def _behind_reorderings(graph: Graph, index: int) -> int:
    """Return the value that lies behind reshapes and transposes, unless one of them lies in memory itself."""
    while graph[index].operation.name in REORDERINGS and not is_flattening(graph, index):
        index = graph.operands(index)[0]
    return index


def _is_shared_reshape(graph: Graph, index: int) -> bool:
    return graph[index].operation.name == "reshape" and not is_batched(graph[index].shape)
