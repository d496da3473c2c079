"""The parts of a scan: what its operands and outputs stand for, and how a body is cut out of a graph."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Final, TypeVar

from netdsl.graph import Builder, Graph, Operation, Origin, Setting, Shape, Value, count
from netdsl.graph.formula import Nodes
from netdsl.graph.graph import all_below
from netdsl.operations.movement import part
from netdsl.operations.through_time import with_time

STATE: Final = "state"
ITEM: Final = "item"
FIXED: Final = "fixed"
OUT: Final = "out"

T = TypeVar("T")


def apart(settings: Mapping[str, Setting], operands: Sequence[T]) -> tuple[list[T], list[T], list[T]]:
    """Return the operands of a scan: the states at the start, the sequences, what is fixed."""
    first = settings["states"]
    second = first + settings["sequences"]
    return list(operands[:first]), list(operands[first:second]), list(operands[second:])


def outputs_of(body: Graph, kind: str) -> list[int]:
    """Return the outputs of a body of one kind, STATE or OUT, by number."""
    found: list[int] = []
    while (index := body.outputs.get(f"{kind}{len(found)}")) is not None:
        found.append(index)
    return found


def out_shapes(body: Graph) -> list[Shape]:
    """Return the shape of each value that a body collects of a step."""
    return [body[index].shape for index in outputs_of(body, OUT)]


def collected(scanned: Value, value: Value | None = None) -> list[Value]:
    """Return each value that a scan collects, for all steps: `[batch, time, ...]`.

    With `value`, return the parts of that instead, which lies as the result of the scan does.
    """
    whole = scanned if value is None else value
    parts: list[Value] = []
    start = 0
    for shape in out_shapes(scanned.node.setting("body")):
        columns = part(whole, len(whole.shape) - 1, start, start + count(shape))
        parts.append(columns.reshape(with_time(shape, scanned.node.setting("steps"))))
        start += count(shape)
    return parts


def apply_scan(
    body: Graph,
    states: Sequence[Value],
    sequences: Sequence[Value],
    fixed: Sequence[Value],
    *,
    steps: int,
    reverse: bool = False,
) -> Value:
    """Add a scan; at least one of its operands must be there."""
    return (*states, *sequences, *fixed)[0].builder.apply(
        "scan",
        *states,
        *sequences,
        *fixed,
        body=body,
        states=len(states),
        sequences=len(sequences),
        steps=steps,
        reverse=reverse,
    )


def cut(
    source: Nodes,
    registry: Mapping[str, Operation],
    leaves: Sequence[int],
    items: Sequence[int],
    states: Sequence[int],
    outs: Sequence[int],
) -> tuple[Graph, list[int], list[int]]:
    """Cut a body out of a graph.

    `leaves` are the nodes that are the states before a step, `items` those that are parts of sequences,
    `states` what the states become, `outs` what is collected. Return the body, the items that it reads, and
    the nodes that it reads as what is fixed, each in order. What depends neither on states nor on items
    stays outside, but for constants and what repeats or reshapes a value: that costs nothing inside.
    """
    inside = _inside(source, {*leaves, *items}, [*states, *outs])
    builder = Builder(registry)
    values: dict[int, Value] = {}
    names = {index: f"{STATE}{number}" for number, index in enumerate(leaves)}
    read = [index for index in items if index in inside]
    names |= {index: f"{ITEM}{number}" for number, index in enumerate(read)}
    fixed = [index for index in sorted(inside) if not inside[index] and index not in names]
    names |= {index: f"{FIXED}{number}" for number, index in enumerate(fixed)}
    for index in sorted(inside):
        node = source[index]
        if index in names:
            with builder.within(Origin(node.span, node.path, node.repeat, node.of)):
                values[index] = builder.apply("input", name=names[index], shape=node.shape, dtype=node.dtype)
        else:
            values[index] = builder.add(node, [values[each] for each in source.operands(index)])
    for kind, indices in ((STATE, states), (OUT, outs)):
        builder.outputs |= {f"{kind}{number}": values[index] for number, index in enumerate(indices)}
    return builder.finish(unused=False), read, fixed


def _inside(source: Nodes, leaves: Container[int], roots: Sequence[int]) -> dict[int, bool]:
    """Return the nodes that are in the body: whether they are computed there, or come in as they are."""
    below = all_below(roots, lambda index: () if index in leaves else source.operands(index))
    depends: set[int] = set()
    constant: set[int] = set()
    for index in sorted(below):
        operands = source.operands(index)
        if index in leaves or not depends.isdisjoint(operands):
            depends.add(index)
        elif source[index].operation.name in ("constant", "iota") or (
            operands and constant.issuperset(operands)
        ):
            constant.add(index)
    found: dict[int, bool] = {}
    todo = list(roots)
    while todo:
        index = todo.pop()
        if index in found:
            continue
        moved = source[index].operation.name in ("broadcast", "reshape")
        found[index] = moved or index in depends or index in constant
        if found[index] and index not in leaves:
            todo.extend(source.operands(index))
    return found
