"""Convolution and pooling as folds of loops: each result is a sum or an extreme over the taps of a window."""

from __future__ import annotations

from typing import Final

from netdsl.graph import Node, Shape
from netdsl.lazy_dataclass import dataclass
from netdsl.lowering.cpu.values import Values
from netdsl.lowering.position import ZERO, Position
from netdsl.lowering.taps import Place, backward, seen_by
from netdsl.program import Count

NOTHING: Final = "f32(0.0)"
LEAST: Final = "f32(-1e999)"


@dataclass(frozen=True, slots=True)
class Windows:
    """Writes what the fold of one node adds up. `result` is a position of its result, `summed` one of the
    taps (and channels) that it goes over."""

    values: Values
    index: int
    result: Position
    summed: Position

    @property
    def _node(self) -> Node:
        return self.values.plan.graph[self.index]

    @property
    def _operands(self) -> tuple[int, ...]:
        return tuple(self.values.plan.graph.operands(self.index))

    def _shape(self, number: int) -> Shape:
        return self.values.plan.graph[self._operands[number]].shape

    def term(self) -> str:
        """Return what is combined at a tap."""
        match self._node.operation.name:
            case "convolve":
                return self._of_convolution()
            case "convolve_input":
                return self._of_input()
            case "convolve_kernel":
                return self._of_kernel()
            case "sum_pool":
                return self._seen(NOTHING)
            case "max_pool" | "argmax_pool":
                return self._seen(LEAST)
        return self._sent_back()

    def better(self, best: str, number: str) -> tuple[str, list[str]]:
        """Return the test whether a tap wins over the best so far, and what is done then."""
        value = self.term()
        place = self._forward(self.result[1:-1], self.summed)
        wins = f"(({number} < 0) | ({value} > {best}) | (({value} != {value}) & ({best} == {best})))"
        tap = self.values.index.flat(self.summed, self._node.setting("size"))
        return " & ".join((*place.tests, wins)), [f"{number} = {tap}", f"{best} = {value}"]

    # ---- convolution --------------------------------------------------------------------------

    def _of_convolution(self) -> str:
        *taps, channel = self.summed
        place = self._forward(self.result[1:-1], tuple(taps))
        group, _ = self._group(self.result[-1], self._shape(1)[-1])
        width = self._shape(1)[-2]
        x = self._read(0, (self.result[0], *place.at, group * width + channel), place, NOTHING)
        return f"{x} * {self._value(1, (*taps, channel, self.result[-1]))}"

    def _of_input(self) -> str:
        *taps, channel = self.summed
        place = self._backward(self.result[1:-1], tuple(taps))
        group, inner = self._group(self.result[-1], self._node.shape[-1])
        out = group * (self._shape(1)[-1] // self._groups) + channel
        dy = self._read(0, (self.result[0], *place.at, out), place, NOTHING)
        return f"{dy} * {self._value(1, (*taps, inner, out))}"

    def _of_kernel(self) -> str:
        lead, *windows = self.summed
        *taps, channel, out = self.result
        place = self._forward(tuple(windows), tuple(taps))
        group, _ = self._group(out, self._node.shape[-1])
        width = self._node.shape[-2]
        x = self._read(0, (lead, *place.at, group * width + channel), place, NOTHING)
        return f"{x} * {self._value(1, (lead, *windows, out))}"

    @property
    def _groups(self) -> int:
        groups: int = self._node.setting("groups")
        return groups

    def _group(self, channel: Count, channels: int) -> tuple[Count, Count]:
        """Return the group that a channel belongs to, and its number there."""
        if self._groups == 1:
            return ZERO, channel
        return self.values.index.split(channel, channels // self._groups)

    # ---- pools --------------------------------------------------------------------------------

    def _seen(self, beside: str) -> str:
        place = self._forward(self.result[1:-1], self.summed)
        return self._read(0, (self.result[0], *place.at, self.result[-1]), place, beside)

    def _sent_back(self) -> str:
        """Return what a window sends back to a place, if it is the counted one of `put_window`."""
        place = self._backward(self.result[1:-1], self.summed)
        where = (self.result[0], *place.at, self.result[-1])
        if self._node.operation.name == "spread_pool":
            return self._read(0, where, place, NOTHING)
        dy, tap = self._value(0, where), self._value(1, where)
        number = self.values.index.flat(self.summed, self._node.setting("size"))
        tests = " & ".join((*place.tests, f"({tap} == {number})"))
        return f"({dy} if {tests} else {NOTHING})"

    # ---- places -------------------------------------------------------------------------------

    def _value(self, number: int, position: Position) -> str:
        return self.values.value(self._operands[number], position)

    def _read(self, number: int, position: Position, place: Place, other: str) -> str:
        value = self._value(number, position)
        if not place.tests:
            return value
        key = self._operands[number], ("guarded", other, position, place.tests)
        return self.values.kept(place.guarded(value, other), position, key, value)

    def _forward(self, windows: Position, taps: Position) -> Place:
        """Return the place that a tap of a window sees."""
        return seen_by(self.values.index, self._node, self._shape(0)[1:-1], windows, taps)

    def _backward(self, places: Position, taps: Position) -> Place:
        """Return the window that sees a place with a tap."""
        return backward(self.values.index, self._node, self._shape(0)[1:-1], places, taps)
