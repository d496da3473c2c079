"""Slopes of a graph's output by finite differences in float64, and the corners that lie on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Graph, Run, has_pieces, pieces
from netdsl.lazy_dataclass import dataclass, field

Array: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Mapping[int, NDArray[Any]]

STEPS: Final = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Steps, relative to the size of what is moved. A shorter one is taken where a corner lies in the way, or
where the function bends so much that its slope is not yet known well."""

ONE_SIDED: Final = (1e-4, 1e-5, 1e-6)
"""Steps of a slope from one side, relative as well."""

ROUNDING: Final = 1e-14
"""How far a value may be off by rounding, relative to its size: some fifty units of the last place."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A node with a corner in reach: of how many elements, and the shortest step that met it."""

    elements: int
    step: float

    def with_(self, other: Crossing | None) -> Crossing:
        """Return what is known from two crossings of one node."""
        if other is None:
            return self
        return Crossing(max(self.elements, other.elements), min(self.step, other.step))


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope along a direction: its value, and how far it may be off.

    `smooth` is False where even the shortest step met a corner, and value and doubt are nothing; `sides` are
    then the slopes ahead and behind, as far as they are known.
    """

    value: float
    doubt: float
    smooth: bool
    crossings: Mapping[int, Crossing] = field(default_factory=dict)
    sides: tuple[Slope, ...] = ()


class Surface:
    """One output of a graph, a number, as a function of the values of some nodes: `by`, moved all alike."""

    def __init__(self, graph: Graph, run: Run, values: Values, output: int, by: Sequence[int]) -> None:
        """Find what has to be worked out again when the nodes move; `values` has all nodes at the start."""
        self.graph, self.run, self.start = graph, run, values
        self.output, self.by = output, tuple(by)
        self._order = _moved(graph, output, self.by)
        self._cornered = [index for index in self._order if has_pieces(graph[index])]
        self._pieces = self._numbered(values)

    def at(self, shift: Array) -> tuple[float, dict[int, int]]:
        """Return the output when the nodes are moved, and how many elements of each node left their piece."""
        values: dict[int, NDArray[Any]] = dict(self.start)
        for index in self.by:
            values[index] = np.asarray(self.start[index], np.float64) + shift
        with np.errstate(all="ignore"):
            for index in self._order:
                node = self.graph[index]
                operands = [values[each] for each in self.graph.operands(index)]
                value = np.asarray(node.operation.evaluate(node, self.run, *operands))
                values[index] = value.astype(np.float64, copy=False) if node.dtype == "float" else value
        changed = {
            index: int(np.sum(now != self._pieces[index])) for index, now in self._numbered(values).items()
        }
        left = {index: count for index, count in changed.items() if count}
        return float(np.sum(values[self.output], dtype=np.float64)), left

    def slope(self, direction: Array, enough: float) -> Slope:
        """Return the slope along a direction by central differences; the search ends at a doubt of `enough`.

        Two steps, the second half as long, tell how much the function bends, and what is left of that is
        taken off (Richardson). Source: L. F. Richardson, Phil. Trans. R. Soc. A 210 (1911).
        """
        crossings: dict[int, Crossing] = {}
        best = Slope(0.0, float("inf"), False)
        for step in STEPS:
            found = self._differences(direction, step)
            if isinstance(found, Slope):
                best = min(best, found, key=lambda each: each.doubt)
                if found.doubt <= max(enough, 1e-7 * abs(found.value)):
                    break
            else:
                for index, count in found.items():
                    crossings[index] = Crossing(count, step).with_(crossings.get(index))
        sides = () if best.smooth else tuple(self._side(direction * sign, sign) for sign in (1.0, -1.0))
        return Slope(best.value, best.doubt, best.smooth, crossings, sides)

    def _side(self, direction: Array, sign: float) -> Slope:
        """Return the slope on one side of the point, by three steps, each half as long as the last."""
        here = self.at(np.zeros_like(direction))[0]
        best = Slope(0.0, float("inf"), True)
        for step in ONE_SIDED:
            rises = [(self.at(direction * step / part)[0] - here) * part / step for part in (1, 2, 4)]
            long, short = (2 * rises[n + 1] - rises[n] for n in (0, 1))
            doubt = abs(long - short) + 8 * ROUNDING * abs(here) / step
            if doubt < best.doubt:
                best = Slope(sign * short, doubt, True)
        return best

    def _differences(self, direction: Array, step: float) -> Slope | dict[int, int]:
        """Return the slope by one length of step, or the corners that it met."""
        ahead: list[float] = []
        for length in (step, -step, step / 2, -step / 2):
            value, left = self.at(direction * length)
            if left:
                return left
            ahead.append(value)
        long = (ahead[0] - ahead[1]) / (2 * step)
        short = (ahead[2] - ahead[3]) / step
        size = max(map(abs, ahead))
        doubt = abs(long - short) + ROUNDING * size / step
        return Slope((4 * short - long) / 3, doubt if np.isfinite(doubt) else float("inf"), True)

    def _numbered(self, values: Values) -> dict[int, NDArray[Any]]:
        return {index: pieces(self.graph, index, values) for index in self._cornered}


def _moved(graph: Graph, output: int, by: Sequence[int]) -> list[int]:
    """Return the nodes between some nodes and an output, in order, without those themselves."""
    needed = graph.ancestors([output])
    moved = set(by)
    order = []
    for index in graph:
        if index in needed and index not in moved and any(each in moved for each in graph.operands(index)):
            moved.add(index)
            order.append(index)
    return order
