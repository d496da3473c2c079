"""The order of units, and which of them may write a weight's new value over the old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.graph import Graph
from netdsl.lazy_dataclass import dataclass
from netdsl.passes.joining import reads_of
from netdsl.passes.layouts import lying_in_memory
from netdsl.passes.storing import MOVEMENTS
from netdsl.passes.waiting import Waiting, in_turn
from netdsl.program import Choice, Unit


@dataclass(frozen=True, slots=True)
class Order:
    """Units in order; `in_place` maps a node to the weight it is written over; `copies` are the updates
    (name, node) that are written elsewhere and copied when everything else is done."""

    units: tuple[Unit, ...]
    in_place: Mapping[int, str]
    copies: tuple[tuple[str, int], ...]


def in_order(choice: Choice) -> Order:
    """Order units so that each comes after what it reads, and a weight is written after all who read its old
    value.

    An update is written in place unless someone needs both values: then it is copied at the end.
    """
    graph = choice.graph
    lying = lying_in_memory(graph, (unit.stores() for unit in choice.units))
    reads = [reads_of(graph, unit, lying) for unit in choice.units]
    makers = {index: number for number, unit in enumerate(choice.units) for index in unit.stores()}
    after = [
        {makers[index] for index in each if index in makers} - {number} for number, each in enumerate(reads)
    ]
    readers_of: dict[int, set[int]] = {}
    for number, each in enumerate(reads):
        for index in each:
            readers_of.setdefault(index, set()).add(number)
    leaves = graph.kept()
    users: list[set[int]] = [set() for _ in after]
    for number, needed in enumerate(after):
        for other in needed:
            users[other].add(number)
    waiting = Waiting(after.__getitem__, users.__getitem__, len(after))
    given = set(graph.outputs.values())
    in_place: dict[int, str] = {}
    copies: list[tuple[str, int]] = []
    for name, index in graph.updates.items():
        leaf, maker = leaves.get(name, -1), makers.get(index)
        readers = readers_of.get(leaf, set()) - {maker}
        if (
            maker is not None
            and leaf not in given
            and index not in in_place
            and (leaf in choice.panels) == (index in choice.panels)
            and _may_overwrite(graph, choice.units[maker], index, leaf)
            and not waiting.reaches(readers, maker)
        ):
            in_place[index] = name
            after[maker] |= readers
            for other in readers:
                users[other].add(maker)
            waiting.rise(maker)
        else:
            copies.append((name, index))
    return Order(
        tuple(choice.units[number] for number in in_turn(after.__getitem__, len(after))),
        in_place,
        tuple(copies),
    )


def _may_overwrite(graph: Graph, unit: Unit, index: int, leaf: int) -> bool:
    """Tell whether a unit reads the old value only until it writes the new one, element by element."""
    parts = [part for part in unit.parts if _is_read(graph, part.group.nodes, leaf)]
    writer = next(part for part in unit.parts if index in part.group.stores)
    if writer.template == "join":
        return False  # other units write what it joins, which may be before the old value is read
    if writer.template == "convolution" and parts:
        return False  # the first piece may write all of a kernel, of which those after it read the old value
    if any(unit.parts.index(part) > unit.parts.index(writer) for part in parts):
        return False
    return writer not in parts or writer.template == "lanes" or _is_pointwise(graph, writer.group.nodes)


def _is_read(graph: Graph, nodes: Sequence[int], leaf: int) -> bool:
    return any(leaf in graph.operands(index) for index in nodes)


def _is_pointwise(graph: Graph, nodes: Sequence[int]) -> bool:
    return all(
        graph[index].operation.family == "elementwise" or _repeats_number(graph, index) for index in nodes
    )


def _repeats_number(graph: Graph, index: int) -> bool:
    return graph[index].operation.name in MOVEMENTS and graph[graph.operands(index)[0]].shape == ()
