"""Convolutions and pools, one element at a time: what is combined at a tap of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdsl.lowering.position import ZERO, Position
from netdsl.lowering.taps import Place, backward, seen_by
from netdsl.program import Count

if TYPE_CHECKING:
    from netdsl.lowering.cuda.formulas import Formulas

LEAST: Final = "f32(-1e999)"


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
