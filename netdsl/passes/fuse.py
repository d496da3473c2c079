"""Cut a graph into groups of nodes that are computed together, without storing what is between them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from netdsl.graph import Graph, batches, count, is_batched
from netdsl.passes.contractions import FEW as FEW_COLUMNS
from netdsl.passes.contractions import is_flattening, is_sum_over_places, is_view, product_form
from netdsl.program import Form, Group, Grouping
from netdsl.program.layout import columns, places

LEAVES: Final = frozenset({"input", "weight", "state", "constant", "iota"})
MOVEMENTS: Final = frozenset(
    {"reshape", "transpose", "broadcast", "slice", "stack", "unstack", "step", "stored"}
)
"""Movements that cost nothing: an index is read differently."""

REORDERINGS: Final = frozenset({"reshape", "transpose"})
"""Movements that only change the order of elements."""

WINDOWS: Final = frozenset({
    "convolve", "convolve_input", "convolve_kernel",
    "sum_pool", "spread_pool", "max_pool", "argmax_pool", "take_window", "put_window",
})  # fmt: skip
"""Convolutions and pools: each element of what they read is seen by several windows."""

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

_FORMS: Final[dict[str, Form]] = {
    "matmul": "product",
    "uniform": "draw",
    "gaussian": "draw",
    "scatter_add": "scatter",
    "rank_over": "rank",
    "loop": "loop",
    **dict.fromkeys(WINDOWS, "windows"),
}


def fuse(graph: Graph) -> Grouping:
    """Group what can be computed in one pass over the rows of a value.

    Groups are cut where an operation needs all rows at once: at products, draws and sums over the batch.
    Each node has a stage, the number of such cuts before it, and only neighbors of one stage and kind join,
    so that no two groups can wait for each other.
    """
    host = _host(graph)
    matrices = _matrices(graph)
    kinds = {index: _kind(graph, index, matrices) for index in graph if index not in host}
    kinds.update(_offsets(graph, kinds))
    kinds.update(_moved(graph, kinds))
    stages = _stages(graph, kinds)
    parts = _components(graph, kinds, stages)
    stored = _Stored(graph, kinds, parts)
    groups = list(_groups(graph, kinds, parts, stored.decide()))
    moved = [index for index in graph.roots() if kinds.get(index, LEAF) is LEAF]
    groups += [Group("copy", (), (index,)) for index in moved]
    stages.update(dict.fromkeys(moved, 0))
    groups.sort(key=lambda group: (max(stages[index] for index in group.stores), group.stores))
    return Grouping(graph, tuple(groups), host)


def _host(graph: Graph) -> frozenset[int]:
    """Find the numbers that depend on other numbers alone."""
    found: set[int] = set()
    for index in graph:
        node = graph[index]
        is_number = node.operation.family == "elementwise" or node.operation.name in {"scalar", "constant"}
        if node.shape == () and is_number and all(each in found for each in graph.operands(index)):
            found.add(index)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What nodes must share to be computed in one pass: a form, and what the pass goes over."""

    form: Form | None
    over: tuple[int | str, ...] = ()


LEAF: Final = _Kind(None)


def _kind(graph: Graph, index: int, matrices: Mapping[int, int]) -> _Kind:
    node = graph[index]
    name = node.operation.name
    if name in LEAVES:
        return LEAF
    if name in _FORMS:
        return _Kind(_FORMS[name], (index,))
    if name == "loop_part":
        return _Kind("loop", graph.operands(index))
    if is_flattening(graph, index):
        return _Kind("loops", ("flat", index))
    if is_sum_over_places(graph, index):
        return _Kind("loops", (index,))
    if is_batched(node.shape):
        return _Kind("loops", ("rows", batches(node.shape), matrices[index]))
    if name in REDUCTIONS or name in {"pick", "gather"}:
        return _Kind("loops", (index,))
    return _Kind("loops", ("shared", count(node.shape)))


def _matrices(graph: Graph) -> dict[int, int]:
    """Return the places of each batched value's matrix: its own, unless it has few columns or is transposed.
    Such ones go with what they are made of, or else with what is made of them, and so do all that hang
    together.
    """
    own = {index: places(graph[index].shape) for index in graph if _has_own_matrix(graph, index)}
    few = [index for index in graph if is_batched(graph[index].shape) and index not in own]
    first: dict[int, int] = {}

    def find(index: int) -> int:
        while first.setdefault(index, index) != index:
            index = first[index]
        return index

    for index in few:
        for each in graph.operands(index):
            if is_batched(graph[each].shape) and each not in own:
                first[find(index)] = find(each)
    beside: dict[int, int] = {}
    for around in (graph.operands, graph.users):
        for index in few:
            for each in around(index):
                if each in own:
                    beside.setdefault(find(index), own[each])
    return own | {index: beside.get(find(index), 1) for index in few}


def _has_own_matrix(graph: Graph, index: int) -> bool:
    shape = graph[index].shape
    if not is_batched(shape) or graph[index].operation.name == "transpose":
        return False
    return places(shape) == 1 or columns(shape) >= FEW_COLUMNS


def _offsets(graph: Graph, kinds: dict[int, _Kind]) -> dict[int, _Kind]:
    """Find the offsets that are added to products, and give them the product's own kind: it begins its sums
    with them."""
    found: dict[int, _Kind] = {}
    for index, kind in kinds.items():
        users = graph.users(index)
        if kind.form != "product" or product_form(graph, index) != "product" or len(users) != 1:
            continue
        (total,) = users
        others = [each for each in graph.operands(total) if each != index]
        if (
            graph[total].operation.name == "add"
            and len(others) == 1
            and _repeats_vector(graph, others[0], total)
        ):
            found.update({total: kind, others[0]: kind})
    return found


def _moved(graph: Graph, kinds: dict[int, _Kind]) -> dict[int, _Kind]:
    """Find what moves the results of products of any strides, and give it the product's own kind: the product
    stores them there."""
    found: dict[int, _Kind] = {}
    roots = set(graph.roots())
    for index, kind in kinds.items():
        if not _is_of_any_strides(graph, index):
            continue
        here = index
        while here not in roots and len(users := graph.users(here)) == 1:
            (here,) = users
            if graph[here].operation.name not in REORDERINGS:
                break
            found[here] = kind
    return found


def _is_of_any_strides(graph: Graph, index: int) -> bool:
    return graph[index].operation.name == "matmul" and product_form(graph, index) == "any"


def _repeats_vector(graph: Graph, index: int, user: int) -> bool:
    """Tell whether a value is a vector repeated for each row, for one user alone."""
    if graph[index].operation.name != "broadcast" or graph.users(index) != (user,):
        return False
    given = graph[graph.operands(index)[0]].shape
    return (
        bool(given) and not is_batched(given) and count(given) == given[-1] == columns(graph[index].shape) > 1
    )


def _stages(graph: Graph, kinds: dict[int, _Kind]) -> dict[int, int]:
    stages: dict[int, int] = {}
    for index, kind in kinds.items():
        stage = 0
        for each in graph.operands(index):
            if each in kinds and kinds[each] is not LEAF:
                stage = max(stage, stages[each] + (kinds[each] != kind))
        stages[index] = stage
    return stages


def _components(graph: Graph, kinds: dict[int, _Kind], stages: dict[int, int]) -> dict[int, int]:
    """Join neighbors of one kind and stage; return the component of each node, named by one of its nodes."""
    parent = {index: index for index in kinds}

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index, kind in kinds.items():
        for each in graph.operands(index):
            if each in kinds and kinds[each] == kind and kind is not LEAF and stages[each] == stages[index]:
                parent[find(each)] = find(index)
    return {index: find(index) for index in kinds}


@dataclass(slots=True)
class _Stored:
    """Decides which values are stored: what is asked for, what an operation reads in an order of its own,
    and what others need and is too dear to be computed again."""

    graph: Graph
    kinds: dict[int, _Kind]
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
            if _is_of_any_strides(self.graph, index):
                found.update(_behind_reorderings(self.graph, each) for each in operands)
            elif kind.form in {"product", "scatter", "rank", "windows", "loop"}:
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


def _groups(
    graph: Graph, kinds: dict[int, _Kind], parts: dict[int, int], stored: set[int]
) -> Iterable[Group]:
    members: dict[int, list[int]] = {}
    for index in sorted(stored):
        if index in kinds and kinds[index] is not LEAF:
            members.setdefault(parts[index], []).append(index)
    for stores in members.values():
        form = kinds[stores[0]].form
        assert form is not None
        yield Group(form, tuple(_inlined(graph, kinds, stored, stores)), tuple(stores))


def _inlined(graph: Graph, kinds: dict[int, _Kind], stored: set[int], stores: list[int]) -> list[int]:
    """List what a kernel computes: the values it stores, and what they need that lies in no memory."""
    found: set[int] = set()
    todo = list(stores)
    while todo:
        index = todo.pop()
        if index in found or index not in kinds or kinds[index] is LEAF:
            continue
        found.add(index)
        todo.extend(each for each in graph.operands(index) if each not in stored or each in stores)
    return sorted(found)
