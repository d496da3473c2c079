"""`tables_inside`: rows of a table that a scan is given step after step are read from the table in its body.

`x[t] @ W` of a character is a row of W. Gathered for all steps before the scan, the rows are written to
memory and read back from there, 6.5 MB for an LSTM of 128 units over 50 characters of 64 examples; the table,
59 KB, stays in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.graph import Builder, Graph, Origin, Value, is_batched
from netdsl.operations import REGISTRY
from netdsl.operations.movement import part
from netdsl.operations.sub_graph import FIXED, ITEM, apart, apply_scan
from netdsl.passes.contractions import is_part
from netdsl.program import LANES


def tables_inside(graph: Graph) -> Graph:
    """Return a graph of the same values whose scans are given numbers of rows instead of rows."""
    builder = Builder(REGISTRY)
    values: dict[int, Value] = {}
    for index in graph:
        node = graph[index]
        if node.operation.name == "scan" and _tables(graph, index):
            with builder.within(Origin(node.span, node.path, node.repeat, node.of)):
                values[index] = _with_tables(graph, index, values)
        else:
            values[index] = builder.add(node, [values[each] for each in graph.operands(index)])
    builder.take_roots(graph, values)
    return builder.finish(unused=False)


def _tables(graph: Graph, index: int) -> list[int]:
    """Return the sequences of a scan that are rows of a table, and nobody else's."""
    _, sequences, _ = apart(dict(graph[index].settings), graph.operands(index))
    return [each for each in sequences if _is_of_a_table(graph, each) and graph.users(each) == (index,)]


def _is_of_a_table(graph: Graph, index: int) -> bool:
    if graph[index].operation.name != "gather":
        return False
    table, rows = (graph[each].shape for each in graph.operands(index))
    return len(table) == len(rows) == 2 and is_batched(rows) and table[-1] % LANES == 0


def _read(body: Graph, leaf: int, table: Value) -> list[tuple[int, Value]]:
    """Return what a body reads of the rows of a table: parts of them, each of a table of its own, or all."""
    parts = body.users(leaf)
    if body.is_root(leaf) or not all(is_part(body, each) for each in parts):
        return [(leaf, table)]
    bounds = ((body[each].setting("starts")[1], body[each].setting("stops")[1]) for each in parts)
    return [(each, part(table, 1, *bound)) for each, bound in zip(parts, bounds, strict=True)]


def _with_tables(graph: Graph, index: int, values: Mapping[int, Value]) -> Value:
    """Return a scan whose items are numbers of rows where they were rows."""
    node, body = graph[index], graph[index].setting("body")
    states, sequences, fixed = apart(dict(node.settings), graph.operands(index))
    inside, tables = Builder(REGISTRY), {*_tables(graph, index)}
    items: dict[int, Value] = {}
    given = [values[each] for each in fixed]
    known: dict[int, Value] = {}
    leaves = body.leaves("input")

    def item(sequence: int) -> Value:
        if sequence not in items:
            rows, _, *rest = graph[sequence].shape
            shape = rows, *rest
            name, dtype = f"{ITEM}{len(items)}", graph[sequence].dtype
            items[sequence] = inside.apply("input", name=name, shape=shape, dtype=dtype)
        return items[sequence]

    for number, each in enumerate(sequences):
        leaf = leaves.pop(f"{ITEM}{number}")
        if each in tables:
            table, rows = graph.operands(each)
            for index, columns in _read(body, leaf, values[table]):
                name = f"{FIXED}{len(given)}"
                given.append(columns)
                lying = inside.apply("input", name=name, shape=columns.shape, dtype="float")
                known[index] = lying.apply("gather", item(rows))
        else:
            known[leaf] = item(each)
    for name, leaf in leaves.items():
        shape, dtype = body[leaf].shape, body[leaf].dtype
        known[leaf] = inside.apply("input", name=name, shape=shape, dtype=dtype)
    inside.take_roots(body, inside.copy(body, known))
    return apply_scan(
        inside.finish(unused=False),
        [values[each] for each in states],
        [values[each] for each in items],
        given,
        steps=node.setting("steps"),
        reverse=node.setting("reverse"),
    )
