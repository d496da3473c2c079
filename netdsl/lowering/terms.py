"""What a fold combines: terms of windows and products, and which of two numbers an extreme keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from netdsl.graph import Graph
from netdsl.lazy_dataclass import dataclass
from netdsl.lowering.movements import Writer
from netdsl.lowering.position import ZERO, Position
from netdsl.lowering.taps import Place, backward, seen_by
from netdsl.operations.linear import labels
from netdsl.program import Count

NOTHING: Final = "f32(0.0)"
LEAST: Final = "f32(-1e999)"
BETTER: Final = {"argmax": ">", "argmin": "<", "argmax_pool": ">"}

Guard: TypeAlias = Callable[[int, Position, Place, str], str]
"""Reads a value at a position, another where the tap of a window lands beside."""


def factors_at(graph: Graph, index: int, result: Position, summed: Position) -> tuple[Position, Position]:
    """Return the positions of both factors of a product."""
    node = graph[index]
    left, right = (len(graph[each].shape) for each in graph.operands(index))
    contract = node.setting("contract")
    of_left, of_right, of_result = labels(left, right, contract, node.setting("align"))
    at = dict(zip(of_result, result, strict=True))
    at |= {of_left[a]: k for (a, _), k in zip(contract, summed, strict=True)}
    return tuple(at[label] for label in of_left), tuple(at[label] for label in of_right)


def lines_of_better(
    name: str, value: str, best: str, number: str, here: Count, place: Place | None = None
) -> list[str]:
    """Return the lines that keep the first of the best, and its number: what is no number is better than all
    else. In windows, of which a tap may land beside, none is kept at first."""
    wins = f"({value} {BETTER[name]} {best}) | (({value} != {value}) & ({best} == {best}))"
    if place is not None:
        wins = " & ".join((*place.tests, f"(({number} < 0) | {wins})"))
    return [f"if {wins}:", f"    {number} = {here}", f"    {best} = {value}"]


def window_term(
    writer: Writer, graph: Graph, index: int, result: Position, summed: Position, guard: Guard | None = None
) -> tuple[str, Place]:
    """Return what is combined at a tap (and channel) for an element, and where the tap lands."""

    def plain(operand: int, position: Position, place: Place, beside: str) -> str:
        return place.guarded(writer.value(operand, position), beside)

    term = _Term(writer, graph, index, result, summed, guard or plain)
    match graph[index].operation.name:
        case "convolve":
            return term.of_convolution()
        case "convolve_input":
            return term.of_input()
        case "convolve_kernel":
            return term.of_kernel()
        case "sum_pool":
            return term.seen(NOTHING)
        case "max_pool" | "argmax_pool":
            return term.seen(LEAST)
    return term.sent_back()


@dataclass(frozen=True, slots=True)
class _Term:
    """Writes a term of the node of an index. `result` is a position of its result, `summed` one of the taps
    (and channels) that it goes over."""

    writer: Writer
    graph: Graph
    index: int
    result: Position
    summed: Position
    guard: Guard

    def of_convolution(self) -> tuple[str, Place]:
        _, kernel = self.graph.operands(self.index)
        *taps, channel = self.summed
        place = self._forward(self.result[1:-1], tuple(taps))
        *_, width, outputs = self.graph[kernel].shape
        group, _ = self._group(self.result[-1], outputs)
        x = self._read((self.result[0], *place.at, group * width + channel), place)
        return f"{x} * {self.writer.value(kernel, (*taps, channel, self.result[-1]))}", place

    def of_input(self) -> tuple[str, Place]:
        _, kernel = self.graph.operands(self.index)
        *taps, channel = self.summed
        place = self._backward(self.result[1:-1], tuple(taps))
        group, inner = self._group(self.result[-1], self.graph[self.index].shape[-1])
        out = group * (self.graph[kernel].shape[-1] // self._groups) + channel
        dy = self._read((self.result[0], *place.at, out), place)
        return f"{dy} * {self.writer.value(kernel, (*taps, inner, out))}", place

    def of_kernel(self) -> tuple[str, Place]:
        _, gradient = self.graph.operands(self.index)
        lead, *windows = self.summed
        *taps, channel, out = self.result
        place = self._forward(tuple(windows), tuple(taps))
        *_, width, outputs = self.graph[self.index].shape
        group, _ = self._group(out, outputs)
        x = self._read((lead, *place.at, group * width + channel), place)
        return f"{x} * {self.writer.value(gradient, (lead, *windows, out))}", place

    def seen(self, beside: str) -> tuple[str, Place]:
        """Return what a window of a pool sees."""
        place = self._forward(self.result[1:-1], self.summed)
        return self._read((self.result[0], *place.at, self.result[-1]), place, beside), place

    def sent_back(self) -> tuple[str, Place]:
        """Return what a window sends back to a place, if it is the counted one of `put_window`."""
        node, (source, *counted) = self.graph[self.index], self.graph.operands(self.index)
        place = self._backward(self.result[1:-1], self.summed)
        where = self.result[0], *place.at, self.result[-1]
        if not counted:
            return self._read(where, place), place
        dy, tap = self.writer.value(source, where), self.writer.value(counted[0], where)
        number = self.writer.index.flat(self.summed, node.setting("size"))
        return f"({dy} if {' & '.join((*place.tests, f'({tap} == {number})'))} else {NOTHING})", place

    @property
    def _groups(self) -> int:
        groups: int = self.graph[self.index].setting("groups")
        return groups

    def _group(self, channel: Count, channels: int) -> tuple[Count, Count]:
        """Return the group that a channel belongs to, and its number there."""
        if self._groups == 1:
            return ZERO, channel
        return self.writer.index.split(channel, channels // self._groups)

    def _read(self, position: Position, place: Place, beside: str = NOTHING) -> str:
        return self.guard(self.graph.operands(self.index)[0], position, place, beside)

    def _forward(self, windows: Position, taps: Position) -> Place:
        """Return the place that a tap of a window sees."""
        space = self.graph[self.graph.operands(self.index)[0]].shape[1:-1]
        return seen_by(self.writer.index, self.graph[self.index], space, windows, taps)

    def _backward(self, places: Position, taps: Position) -> Place:
        """Return the window that sees a place with a tap."""
        counts = self.graph[self.graph.operands(self.index)[0]].shape[1:-1]
        return backward(self.writer.index, self.graph[self.index], counts, places, taps)
