"""Gathers where a function is not smooth, by the lines of its file."""

from __future__ import annotations

from netdsl.explain.gradient_table import Corner
from netdsl.graph import Graph, formula
from netdsl.run.differences import STEPS, Crossing, Slope


class Corners:
    """The corners that the slopes of a graph met."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._met: dict[int, Crossing] = {}
        self._skipped: dict[int, int] = {}

    def add(self, slope: Slope, *, left_out: bool) -> None:
        """Take what one slope met."""
        for index, crossing in slope.crossings.items():
            self._met[index] = crossing.with_(self._met.get(index))
            if left_out and crossing.step == STEPS[-1]:
                self._skipped[index] = self._skipped.get(index, 0) + 1

    def found(self) -> tuple[Corner, ...]:
        """Return the corners, one for each place: what the file says before what was derived from it."""
        places: dict[tuple[str, str], Corner] = {}
        for index in sorted(self._met, key=lambda each: (self.graph[each].of != "", each)):
            place = place_of(self.graph, index)
            known = places.get((place, self.graph[index].path))
            places[place, self.graph[index].path] = self._corner(index, place, known)
        return tuple(places.values())

    def _corner(self, index: int, place: str, known: Corner | None) -> Corner:
        crossing, skipped = self._met[index], self._skipped.get(index, 0)
        if known is None:
            text = formula(self.graph, index, 2)
            return Corner(place, text, self._kind(index), crossing.elements, crossing.step, skipped)
        return Corner(
            place,
            known.formula,
            known.kind,
            max(known.elements, crossing.elements),
            min(known.step, crossing.step),
            max(known.skipped, skipped),
        )

    def _kind(self, index: int) -> str:
        """Say when an element is at a corner, in the operands' formulas."""
        said = self.graph[index].operation.corners or "where it changes"
        return said.format(*(formula(self.graph, each, 1) for each in self.graph.operands(index)))


def place_of(graph: Graph, index: int) -> str:
    """Return the file and line of a node; its path where it has none."""
    node = graph[index]
    return node.path if node.span is None else f"{node.span.source.name}:{node.span.line}"
