"""How what is done to sequences `[batch, time, ...]` is done to stacks `[time batches, ...]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from netdsl.graph import BATCH, Graph, Node, Shape, is_batched
from netdsl.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of the operation on stacks, and which of its operands are stacks."""

    settings: Mapping[str, Any]
    stacked: tuple[bool, ...]


def recipe_of(graph: Graph, index: int) -> Recipe | None:
    """Return how a sequence is computed as a stack of stacks; None where it is not computed step by step."""
    node = graph[index]
    shapes = [graph[each].shape for each in graph.operands(index)]
    if not shapes or not _is_sequence(node.shape):
        return None
    if node.operation.family == "elementwise":
        return Recipe(dict(node.settings), (True,) * len(shapes))
    rule = _RULES.get(node.operation.name)
    return rule(node, shapes) if rule else None


def total_of(graph: Graph, index: int) -> Recipe | None:
    """Return how a sum over batch and time is computed of stacks; None where a node is no such sum."""
    node = graph[index]
    shapes = [graph[each].shape for each in graph.operands(index)]
    match node.operation.name:
        case "matmul":
            contract = tuple(node.setting("contract"))
            both = _is_sequence(shapes[0]) and _is_sequence(shapes[1])
            if both and {(0, 0), (1, 1)} <= {*contract} and not node.setting("align"):
                pairs = ((0, 0), *((a - 1, b - 1) for a, b in contract if a > 1))
                return Recipe({"contract": pairs, "align": ()}, (True, True))
        case "sum":
            axes = node.setting("axes")
            if _is_sequence(shapes[0]) and axes[:2] == (0, 1):
                return Recipe({"axes": (0, *(axis - 1 for axis in axes[2:]))}, (True,))
        case "scatter_add":
            if _is_sequence(shapes[0]):
                return Recipe({"extent": node.setting("extent")}, (True, True))
    return None


def _is_sequence(shape: Shape) -> bool:
    return len(shape) > 1 and shape[0] == BATCH


def _alike(one: Shape, other: Shape) -> bool:
    """Tell whether two sequences are of one length."""
    return one[:2] == other[:2]


# ---- rules --------------------------------------------------------------------------------------

_Rule: TypeAlias = Callable[[Node, list[Shape]], Recipe | None]


def _stack_of(shape: Shape) -> Shape:
    return (-shape[1], *shape[2:])


def _reshape(node: Node, shapes: list[Shape]) -> Recipe | None:
    return Recipe({"shape": _stack_of(node.shape)}, (True,)) if _alike(shapes[0], node.shape) else None


def _broadcast(node: Node, shapes: list[Shape]) -> Recipe | None:
    (given,) = shapes
    settings = {"shape": _stack_of(node.shape)}
    if not is_batched(given):
        return Recipe(settings, (False,)) if len(given) <= len(node.shape) - 2 else None
    return Recipe(settings, (True,)) if _alike(given, node.shape) else None


def _transpose(node: Node, shapes: list[Shape]) -> Recipe | None:
    axes = node.setting("axes")
    return Recipe({"axes": (0, *(axis - 1 for axis in axes[2:]))}, (True,)) if axes[:2] == (0, 1) else None


def _slice(node: Node, shapes: list[Shape]) -> Recipe | None:
    starts, stops, steps = (node.setting(name) for name in ("starts", "stops", "steps"))
    if (starts[1], stops[1], steps[1]) != (0, shapes[0][1], 1):
        return None
    settings = {"starts": starts[1:], "stops": (-stops[1], *stops[2:]), "steps": steps[1:]}
    return Recipe(settings, (True,))


def _pad(node: Node, shapes: list[Shape]) -> Recipe | None:
    before, after = node.setting("before"), node.setting("after")
    return None if before[1] or after[1] else Recipe({"before": before[1:], "after": after[1:]}, (True,))


def _concat(node: Node, shapes: list[Shape]) -> Recipe | None:
    axis = node.setting("axis")
    return Recipe({"axis": axis - 1}, (True,) * len(shapes)) if axis > 1 else None


def _sum(node: Node, shapes: list[Shape]) -> Recipe | None:
    axes = node.setting("axes")
    return Recipe({"axes": tuple(axis - 1 for axis in axes)}, (True,)) if axes[0] > 1 else None


def _along(node: Node, shapes: list[Shape]) -> Recipe | None:
    axis = node.setting("axis")
    return Recipe({"axis": axis - 1}, (True,)) if axis > 1 else None


def _by_index(node: Node, shapes: list[Shape]) -> Recipe | None:
    if node.operation.name == "gather":
        return Recipe({}, (False, True)) if _is_sequence(shapes[1]) else None
    if not _is_sequence(shapes[-1]) or not _is_sequence(shapes[0]):
        return None
    return Recipe(dict(node.settings), (True,) * len(shapes))


def _matmul(node: Node, shapes: list[Shape]) -> Recipe | None:
    contract, align = node.setting("contract"), node.setting("align")
    left, right = shapes
    if not _is_sequence(left) or any(a < 2 for a, _ in contract):
        return None
    if not is_batched(right):
        pairs = tuple((a - 1, b) for a, b in contract)
        return None if align else Recipe({"contract": pairs, "align": ()}, (True, False))
    if align[:2] != ((0, 0), (1, 1)):
        return None
    shifted = [tuple((a - 1, b - 1) for a, b in pairs) for pairs in (contract, align[1:])]
    return Recipe({"contract": shifted[0], "align": shifted[1]}, (True, True))


_RULES: Final[Mapping[str, _Rule]] = {
    "reshape": _reshape,
    "broadcast": _broadcast,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "concat": _concat,
    "sum": _sum,
    "matmul": _matmul,
    **dict.fromkeys(
        (
            *("maximum_over", "minimum_over", "argmax", "argmin"),
            *("softmax", "log_softmax", "logsumexp"),
        ),
        _along,
    ),
    **dict.fromkeys(("gather", "one_hot", "pick"), _by_index),
}
