"""Cut a graph into groups of nodes that are computed together, without storing what is between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from netdsl.graph import Graph, batches, count, is_batched
from netdsl.passes.contractions import FEW as FEW_COLUMNS
from netdsl.passes.contractions import (
    is_flattening,
    is_joining,
    is_matrix_part,
    is_sum_over_places,
    lies_side_by_side,
    product_form,
)
from netdsl.passes.storing import LEAF, REDUCTIONS, REORDERINGS, Kind, Stored, is_of_any_strides
from netdsl.program import Form, Group, Grouping
from netdsl.program.layout import columns, places

LEAVES: Final = frozenset({"input", "weight", "state", "constant", "iota"})
WINDOWS: Final = frozenset({
    "convolve", "convolve_input", "convolve_kernel",
    "sum_pool", "spread_pool", "max_pool", "argmax_pool", "take_window", "put_window",
})  # fmt: skip
"""Convolutions and pools: each element of what they read is seen by several windows."""

_FORMS: Final[dict[str, Form]] = {
    "matmul": "product",
    "uniform": "draw",
    "gaussian": "draw",
    "scatter_add": "scatter",
    "rank_over": "rank",
    "loop": "loop",
    **dict.fromkeys(WINDOWS, "windows"),
}


def fuse(graph: Graph, *, is_body: bool = False) -> Grouping:
    """Group what can be computed in one pass over the rows of a value.

    Groups are cut where an operation needs all rows at once: at products, draws and sums over the batch.
    Each node has a stage, the number of such cuts before it, and only neighbors of one stage and kind join,
    so that no two groups can wait for each other. In the body of a loop (`is_body`) the panels of a matrix
    are taken and put together where they lie.
    """
    host = host_numbers(graph)
    matrices = _matrices(graph)
    kinds = {index: _kind(graph, index, matrices, is_body) for index in graph if index not in host}
    kinds.update(_offsets(graph, kinds))
    kinds.update(_moved(graph, kinds))
    stages = _stages(graph, kinds)
    parts = _components(graph, kinds, stages)
    stored = Stored(graph, kinds, parts)
    groups = list(_groups(graph, kinds, parts, stored.decide()))
    moved = [index for index in graph.roots() if kinds.get(index, LEAF) is LEAF]
    groups += [Group("copy", (), (index,)) for index in moved]
    stages.update(dict.fromkeys(moved, 0))
    groups.sort(key=lambda group: (max(stages[index] for index in group.stores), group.stores))
    return Grouping(graph, tuple(groups), host)


def host_numbers(graph: Graph) -> frozenset[int]:
    """Find the numbers that depend on other numbers alone."""
    found: set[int] = set()
    for index in graph:
        node = graph[index]
        is_number = node.operation.family == "elementwise" or node.operation.name in {"scalar", "constant"}
        if node.shape == () and is_number and all(each in found for each in graph.operands(index)):
            found.add(index)
    return frozenset(found)


def _kind(graph: Graph, index: int, matrices: Mapping[int, int], is_body: bool) -> Kind:
    node = graph[index]
    name = node.operation.name
    if name in LEAVES:
        return LEAF
    if is_joining(graph, index) or (is_body and lies_side_by_side(graph, index)):
        return Kind("join", (index,))
    if is_body and is_matrix_part(graph, index):
        return Kind("part", (index,))
    if name in _FORMS:
        return Kind(_FORMS[name], (index,))
    if name == "loop_part":
        return Kind("loop", graph.operands(index))
    if is_flattening(graph, index):
        return Kind("loops", ("flat", index))
    if is_sum_over_places(graph, index):
        return Kind("loops", (index,))
    if is_batched(node.shape):
        return Kind("loops", ("rows", batches(node.shape), matrices[index]))
    if name in REDUCTIONS or name in {"pick", "gather"}:
        return Kind("loops", (index,))
    return Kind("loops", ("shared", count(node.shape)))


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


def _offsets(graph: Graph, kinds: dict[int, Kind]) -> dict[int, Kind]:
    """Find the offsets that are added to products, and give them the product's own kind: it begins its sums
    with them."""
    found: dict[int, Kind] = {}
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


def _moved(graph: Graph, kinds: dict[int, Kind]) -> dict[int, Kind]:
    """Find what moves the results of products of any strides, and give it the product's own kind: the product
    stores them there."""
    found: dict[int, Kind] = {}
    roots = set(graph.roots())
    for index, kind in kinds.items():
        if not is_of_any_strides(graph, index):
            continue
        here = index
        while here not in roots and len(users := graph.users(here)) == 1:
            (here,) = users
            if graph[here].operation.name not in REORDERINGS:
                break
            found[here] = kind
    return found


def _repeats_vector(graph: Graph, index: int, user: int) -> bool:
    """Tell whether a value is a vector repeated for each row, for one user alone."""
    if graph[index].operation.name != "broadcast" or graph.users(index) != (user,):
        return False
    given = graph[graph.operands(index)[0]].shape
    return (
        bool(given) and not is_batched(given) and count(given) == given[-1] == columns(graph[index].shape) > 1
    )


def _stages(graph: Graph, kinds: dict[int, Kind]) -> dict[int, int]:
    stages: dict[int, int] = {}
    for index, kind in kinds.items():
        stage = 0
        for each in graph.operands(index):
            if each in kinds and kinds[each] is not LEAF:
                stage = max(stage, stages[each] + (kinds[each] != kind))
        stages[index] = stage
    return stages


def _components(graph: Graph, kinds: dict[int, Kind], stages: dict[int, int]) -> dict[int, int]:
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


def _groups(graph: Graph, kinds: dict[int, Kind], parts: dict[int, int], stored: set[int]) -> Iterable[Group]:
    members: dict[int, list[int]] = {}
    for index in sorted(stored):
        if index in kinds and kinds[index] is not LEAF:
            members.setdefault(parts[index], []).append(index)
    for stores in members.values():
        form = kinds[stores[0]].form
        assert form is not None
        yield Group(form, tuple(_inlined(graph, kinds, stored, stores)), tuple(stores))


def _inlined(graph: Graph, kinds: dict[int, Kind], stored: set[int], stores: list[int]) -> list[int]:
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
