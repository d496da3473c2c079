"""What the calls of a step are for: a step that is joined from several keeps what each of them was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.graph import count
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.program import Access, Count, Group, Origin, Portion, Step, rows_of


def of_group(shop: Workshop, step: Step, group: Group) -> Step:
    """Return the step of a group with what it is for.

    Several lines of the `.net` text may be in a group: of each it is told how many operations it has.
    """
    origins = step.origins or shop.origins(group.stores)
    touched = tuple((each.buffer, size) for each, size in _sizes(shop, (*step.reads, *step.writes)))
    portion = Portion(len(step.calls), _shares(shop, origins, group), step.flops, touched)
    return replace(step, origins=origins, portions=(portion,))


def bytes_of(shop: Workshop, accesses: Sequence[Access]) -> Count:
    """Return how many bytes lie where a step reads and writes; a thread's own memory is not counted."""
    return sum((size for _, size in _sizes(shop, accesses)), Count())


def _sizes(shop: Workshop, accesses: Sequence[Access]) -> list[tuple[Access, Count]]:
    found = []
    for each in accesses:
        buffer = shop.buffers[each.buffer]
        if buffer.role != "scratch":
            found.append((each, 4 * count(buffer.shape) * rows_of(buffer.shape)))
    return found


def _shares(shop: Workshop, origins: Sequence[Origin], group: Group) -> tuple[Origin, ...]:
    """Return the places of the text that a group comes from, with the operations of each."""
    work: dict[Origin, int] = {}
    for index in group.nodes:
        node = shop.graph[index]
        if node.operation.family != "movement":
            of = (index, *shop.graph.operands(index))
            key = Origin("", node.path, node.span, node.of)
            work[key] = work.get(key, 0) + max(count(shop.graph[each].shape) for each in of)
    if not work:
        return tuple(origins)
    formulas = {(each.path, each.span, each.of): each.formula for each in origins}
    return tuple(
        replace(each, formula=formulas.get((each.path, each.span, each.of), ""), work=operations)
        for each, operations in work.items()
    )
