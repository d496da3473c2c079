"""`unroll_scans`: a scan written out, each step after the other."""

from __future__ import annotations

from collections.abc import Callable

from netdsl.graph import Builder, Graph, Origin, Value, count, is_batched
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, outputs_of
from netdsl.operations.through_time import at_step, with_time


def unroll_scans(graph: Graph, which: Callable[[int], bool] = lambda index: True) -> Graph:
    """Return a graph of the same values without scans: as many copies of a body as it has steps.

    `which` tells those that are written out, by their node.
    """
    builder = Builder(REGISTRY)
    values: dict[int, Value] = {}
    for index in graph:
        operands = [values[each] for each in graph.operands(index)]
        if graph[index].operation.name == "scan" and which(index):
            values[index] = _written_out(builder, graph, index, operands)
        else:
            values[index] = builder.add(graph[index], operands)
    builder.take_roots(graph, values)
    return builder.finish(unused=False)


def _written_out(builder: Builder, graph: Graph, index: int, operands: list[Value]) -> Value:
    node = graph[index]
    body = unroll_scans(node.setting("body"))
    states, sequences, fixed = apart(dict(node.settings), operands)
    leaves, becomes, outs = body.leaves("input"), outputs_of(body, STATE), outputs_of(body, OUT)
    steps = range(node.setting("steps"))
    collected: dict[int, list[Value]] = {}
    for step in reversed(steps) if node.setting("reverse") else steps:
        given = {f"{STATE}{n}": each for n, each in enumerate(states)}
        given |= {f"{FIXED}{n}": each for n, each in enumerate(fixed)}
        for n, each in enumerate(sequences):
            if (leaf := leaves.get(f"{ITEM}{n}")) is not None:
                given[f"{ITEM}{n}"] = at_step(each, body[leaf].shape, step)
        values = builder.copy(body, {leaf: given[name] for name, leaf in leaves.items()})
        states = [values[each] for each in becomes]
        collected[step] = [values[each] for each in outs]
    with builder.within(Origin(node.span, node.path, node.repeat, node.of)):
        return _stacked(builder, [collected[step] for step in steps])


def _stacked(builder: Builder, collected: list[list[Value]]) -> Value:
    """Join what each step collected: along time, and then along the last axis."""
    parts: list[Value] = []
    for values in zip(*collected, strict=True):
        shape = values[0].shape
        flat = (*shape[: is_batched(shape)], count(shape))
        pieces = [each.reshape(with_time(flat, 1)) for each in values]
        parts.append(builder.apply("concat", *pieces, axis=len(flat) - 1))
    return builder.apply("concat", *parts, axis=len(parts[0].shape) - 1)
