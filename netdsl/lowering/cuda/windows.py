"""The way back of pools whose windows lie apart, one element at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdsl.graph import Node
from netdsl.lowering.position import Position
from netdsl.lowering.taps import Place, geometry
from netdsl.program import Count

if TYPE_CHECKING:
    from netdsl.lowering.cuda.formulas import Formulas

APART: Final = frozenset({"put_window", "spread_pool"})


def lie_apart(node: Node) -> bool:
    """Tell whether windows share no element: on the way back of a pool each element has one of them then."""
    if node.operation.name not in APART:
        return False
    axes = zip(node.setting("size"), *geometry(node), strict=True)
    return all(size <= stride and dilation == 1 for size, stride, _, dilation in axes)


def from_its_window(of: Formulas, index: int, position: Position) -> str:
    """Return what an element gets from the one window that it is in, 0 where it is in none."""
    node, (source, *counted) = of.graph[index], of.graph.operands(index)
    at: list[Count] = []
    taps: list[Count] = []
    tests: list[str] = []
    counts, size = of.graph[source].shape[1:-1], node.setting("size")
    axes = zip(position[1:-1], counts, size, *geometry(node), strict=True)
    for place, count, extent, stride, before, _ in axes:
        window, tap = of.index.split(place + before, stride)
        last = of.index.largest(window)
        beyond = last is None or last >= count
        tests += [f"({tap} < {extent})"] * (extent < stride) + [f"({window} < {count})"] * beyond
        at.append(of.index.clamped(window, count) if beyond else window)
        taps.append(tap)
    where = position[0], *at, position[-1]
    value = of.value(source, where)
    if counted:
        tests.append(f"({of.value(counted[0], where)} == {of.index.flat(tuple(taps), size)})")
    return of.set("back", Place((), tuple(tests)).guarded(value, "f32(0.0)"))
