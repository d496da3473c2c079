"""The order of groups, and which of them may write a weight's new value over the old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netdsl.graph import Graph
from netdsl.passes.fuse import MOVEMENTS
from netdsl.program import Group, Grouping


@dataclass(frozen=True, slots=True)
class Order:
    """Groups in order; `in_place` maps a node to the weight it is written over; `copies` are the updates
    (name, node) that are written elsewhere and copied when everything else is done."""

    groups: tuple[Group, ...]
    in_place: Mapping[int, str]
    copies: tuple[tuple[str, int], ...]


def in_order(grouping: Grouping) -> Order:
    """Order groups so that each comes after what it reads, and a weight is written after all who read its
    old value.

    An update is written in place unless someone needs both values: then it is copied at the end.
    """
    graph = grouping.graph
    after = _after(grouping)
    readers = _readers(grouping)
    leaves = {**graph.leaves("weight"), **graph.leaves("state")}
    makers = {index: number for number, group in enumerate(grouping.groups) for index in group.stores}
    in_place: dict[int, str] = {}
    copies: list[tuple[str, int]] = []
    for name, index in graph.updates.items():
        maker = makers.get(index)
        waits = readers.get(leaves[name], set()) - {maker} if name in leaves else set()
        given = leaves.get(name) in graph.outputs.values()
        if (
            maker is None
            or given
            or index in in_place
            or not _may_overwrite(graph, grouping.groups[maker], leaves.get(name))
            or any(_reaches(after, maker, reader) for reader in waits)
        ):
            copies.append((name, index))
        else:
            in_place[index] = name
            after[maker] |= waits
    return Order(tuple(grouping.groups[number] for number in _sorted(after)), in_place, tuple(copies))


def _after(grouping: Grouping) -> list[set[int]]:
    """Return for each group those that make what it reads."""
    makers = {index: number for number, group in enumerate(grouping.groups) for index in group.stores}
    result: list[set[int]] = []
    for number, group in enumerate(grouping.groups):
        read = {each for index in group.nodes for each in grouping.graph.operands(index)} | set(group.stores)
        result.append({makers[each] for each in read if each in makers} - {number})
    return result


def _readers(grouping: Grouping) -> dict[int, set[int]]:
    """Return the groups that read each leaf."""
    found: dict[int, set[int]] = {}
    for number, group in enumerate(grouping.groups):
        read = {each for index in group.nodes for each in grouping.graph.operands(index)}
        for each in read | set(group.stores):
            found.setdefault(each, set()).add(number)
    return found


def _may_overwrite(graph: Graph, group: Group, leaf: int | None) -> bool:
    """Tell whether a group reads the old value nowhere but where it writes the new one."""
    if leaf is None:
        return True
    reads = [index for index in group.nodes if leaf in graph.operands(index)]
    if not reads:
        return True
    return all(
        graph[index].operation.family == "elementwise" or _repeats_number(graph, index)
        for index in group.nodes
    )


def _repeats_number(graph: Graph, index: int) -> bool:
    return graph[index].operation.name in MOVEMENTS and graph[graph.operands(index)[0]].shape == ()


def _reaches(after: Sequence[set[int]], goal: int, start: int) -> bool:
    """Tell whether `start` must come after `goal` already."""
    seen: set[int] = set()
    todo = [start]
    while todo:
        number = todo.pop()
        if number == goal:
            return True
        if number not in seen:
            seen.add(number)
            todo.extend(after[number])
    return False


def _sorted(after: Sequence[set[int]]) -> list[int]:
    """Return the groups in an order that keeps `after`, else as they are numbered."""
    done: list[int] = []
    known: set[int] = set()

    def visit(number: int) -> None:
        if number in known:
            return
        known.add(number)
        for each in sorted(after[number]):
            visit(each)
        done.append(number)

    for number in range(len(after)):
        visit(number)
    return done
