"""Convolutions and pools, one element at a time: what is combined at a tap of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdsl.graph import Node
from netdsl.lowering.position import ZERO, Position
from netdsl.lowering.taps import Place, backward, geometry, seen_by
from netdsl.program import Count

if TYPE_CHECKING:
    from netdsl.lowering.cuda.formulas import Formulas

APART: Final = frozenset({"put_window", "spread_pool"})
LEAST: Final = "f32(-1e999)"


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


def window_term(of: Formulas, index: int, result: Position, summed: Position) -> tuple[str, Place]:
    """Return what is combined at a tap (and channel) for an element, and where the tap lands."""
    node = of.graph[index]
    shapes = [of.graph[each].shape for each in of.graph.operands(index)]
    match node.operation.name:
        case "convolve":
            *taps, channel = summed
            place = seen_by(of.index, node, shapes[0][1:-1], result[1:-1], tuple(taps))
            group = _group(of, index, result[-1], shapes[1][-1])
            x = _read(of, index, 0, (result[0], *place.at, group * shapes[1][-2] + channel), place)
            return f"{x} * {_value(of, index, 1, (*taps, channel, result[-1]))}", place
        case "convolve_input":
            *taps, channel = summed
            place = backward(of.index, node, shapes[0][1:-1], result[1:-1], tuple(taps))
            group = _group(of, index, result[-1], node.shape[-1])
            inner = result[-1] + group * -(node.shape[-1] // node.setting("groups"))
            out = group * (shapes[1][-1] // node.setting("groups")) + channel
            dy = _read(of, index, 0, (result[0], *place.at, out), place)
            return f"{dy} * {_value(of, index, 1, (*taps, inner, out))}", place
        case "convolve_kernel":
            lead, *windows = summed
            *taps, channel, out = result
            place = seen_by(of.index, node, shapes[0][1:-1], tuple(windows), tuple(taps))
            group = _group(of, index, out, node.shape[-1])
            x = _read(of, index, 0, (lead, *place.at, group * node.shape[-2] + channel), place)
            return f"{x} * {_value(of, index, 1, (lead, *windows, out))}", place
        case "sum_pool" | "max_pool" | "argmax_pool" as name:
            place = seen_by(of.index, node, shapes[0][1:-1], result[1:-1], summed)
            beside = "f32(0.0)" if name == "sum_pool" else LEAST
            return _read(of, index, 0, (result[0], *place.at, result[-1]), place, beside), place
    place = backward(of.index, node, shapes[0][1:-1], result[1:-1], summed)
    where = result[0], *place.at, result[-1]
    if node.operation.name == "spread_pool":
        return _read(of, index, 0, where, place), place
    dy, tap = _value(of, index, 0, where), _value(of, index, 1, where)
    number = of.index.flat(summed, node.setting("size"))
    return f"({dy} if {' & '.join((*place.tests, f'({tap} == {number})'))} else f32(0.0))", place


def _group(of: Formulas, index: int, channel: Count, channels: int) -> Count:
    """Return the group that a channel belongs to."""
    groups = of.graph[index].setting("groups")
    return ZERO if groups == 1 else of.index.split(channel, channels // groups)[0]


def _value(of: Formulas, index: int, number: int, position: Position) -> str:
    return of.value(of.graph.operands(index)[number], position)


def _read(
    of: Formulas, index: int, number: int, position: Position, place: Place, beside: str = "f32(0.0)"
) -> str:
    return place.guarded(_value(of, index, number, position), beside)
