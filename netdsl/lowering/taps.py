"""Where the taps of windows land among the places of a value, as formulas of loop variables."""

from __future__ import annotations

from netdsl.graph import Graph, Node, Shape
from netdsl.lazy_dataclass import dataclass
from netdsl.lowering.position import Position, Variables
from netdsl.program import Count


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tap lands: an index for each spatial axis, surely one of it, and tests that tell whether it
    landed there or beside."""

    at: Position
    tests: tuple[str, ...]

    def guarded(self, value: str, other: str) -> str:
        """Return the text of a value that is another where the tap lands beside."""
        return f"({value} if {self.inside} else {other})" if self.tests else value

    @property
    def inside(self) -> str:
        """The text of the test."""
        return " & ".join(self.tests) or "True"


def geometry(node: Node) -> tuple[Shape, Shape, Shape]:
    """Return the strides, the padding before and the dilation of a node's windows."""
    strides: Shape = node.setting("strides")
    dilation: Shape = dict(node.settings).get("dilation", (1,) * len(strides))
    return strides, node.setting("before"), dilation


def seen_by(index: Variables, node: Node, space: Shape, windows: Position, taps: Position) -> Place:
    """Return the place of a space that a tap of a window sees."""
    at: list[Count] = []
    tests: list[str] = []
    axes = zip(windows, taps, space, *geometry(node), strict=True)
    for window, tap, extent, stride, before, dilation in axes:
        reached = window * stride + tap * dilation
        moved = reached + -before
        largest = index.largest(reached)
        checks = [f"({moved} >= 0)"] * (before > 0)
        if largest is None or largest - before >= extent:
            checks.append(f"({moved} < {extent})")
        tests += checks
        at.append(index.clamped(moved, extent) if checks else moved)
    return Place(tuple(at), tuple(tests))


def backward(index: Variables, node: Node, counts: Shape, places: Position, taps: Position) -> Place:
    """Return the window, of so many, that sees a place with a tap."""
    at: list[Count] = []
    tests: list[str] = []
    axes = zip(places, taps, counts, *geometry(node), strict=True)
    for place, tap, count, stride, before, dilation in axes:
        moved = place + before + tap * -dilation
        tests += [f"({moved} >= 0)", f"({moved} < {stride * (count - 1) + 1})"]
        if stride == 1:
            at.append(index.clamped(moved, count))
        else:
            tests.append(f"(({moved}) % {stride} == 0)")
            at.append(index.clamped(index.quotient(moved, stride), count))
    return Place(tuple(at), tuple(tests))


def summed_extents(graph: Graph, index: int) -> Shape:
    """Return the extents that a window's fold goes over, besides the axes of its result."""
    node = graph[index]
    given = [graph[each].shape for each in graph.operands(index)]
    match node.operation.name:
        case "convolve":
            return given[1][:-1]
        case "convolve_input":
            return (*given[1][:-2], given[1][-1] // node.setting("groups"))
        case "convolve_kernel":
            return given[1][:-1]
    size: Shape = node.setting("size")
    return size
