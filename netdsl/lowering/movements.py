"""Nodes that only move elements: of which element of which operand an element is a copy."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Protocol

from netdsl.graph import Graph, Shape
from netdsl.lowering.position import Position, Variables, repeated
from netdsl.lowering.taps import seen_by
from netdsl.program import Count


class Writer(Protocol):
    """What writes the values of a graph into a kernel."""

    index: Variables

    def batch(self) -> Count:
        """Return the rows of a batch."""

    def value(self, index: int, position: Position) -> str:
        """Return the text of a value at a position."""

    def row_of(self, index: int, position: Position, extent: int) -> Count:
        """Return the index that a value holds, never outside of an axis of such an extent."""


def source_of(writer: Writer, graph: Graph, index: int, position: Position) -> Position | None:
    """Return the place in a node's first operand of what the node has at a position; None for a node that
    does more than move, or takes from several."""
    node, operands = graph[index], graph.operands(index)
    match node.operation.name:
        case "broadcast":
            return repeated(position, graph[operands[0]].shape)
        case "stored":
            return position
        case "stack" | "unstack" | "step":
            return writer.index.restacked(node, position, writer.batch())
        case "transpose":
            axes = node.setting("axes")
            return tuple(position[axes.index(each)] for each in range(len(axes)))
        case "slice":
            bounds = zip(position, node.setting("starts"), node.setting("steps"), strict=True)
            return tuple(at * step + start for at, start, step in bounds)
        case "gather":
            table, rows = operands
            rank = len(graph[rows].shape)
            return writer.row_of(rows, position[:rank], graph[table].shape[0]), *position[rank:]
        case "pick":
            scores, columns = operands
            return *position[:-1], writer.row_of(columns, position[:-1], graph[scores].shape[-1])
        case "take_window":
            return _taken(writer, graph, index, position)
    return None


def _taken(writer: Writer, graph: Graph, index: int, position: Position) -> Position:
    """Return the place that a window takes: the counted one, which is never beside the value."""
    node, (source, taps) = graph[index], graph.operands(index)
    size: Shape = node.setting("size")
    tap = writer.row_of(taps, position, prod(size))
    space = graph[source].shape[1:-1]
    place = seen_by(writer.index, node, space, position[1:-1], writer.index.unflattened(tap, size))
    return position[0], *place.at, position[-1]


def padded(writer: Writer, graph: Graph, index: int, position: Position) -> tuple[str, str]:
    """Return the formula of an element of a value with zeros around it, and the value in it."""
    (operand,) = graph.operands(index)
    inside, test = writer.index.padded(graph[index], position, graph[operand].shape)
    value = writer.value(operand, inside)
    return f"({value} if {test} else f32(0.0))" if test else value, value


def joined(writer: Writer, graph: Graph, index: int, position: Position) -> tuple[str, Sequence[str]]:
    """Return the formula of an element of values that stand behind each other, and the values in it."""
    node, operands = graph[index], graph.operands(index)
    axis = node.setting("axis")
    at, start = position[axis], 0
    values: list[str] = []
    formula = ""
    for number, operand in enumerate(operands, 1):
        extent = graph[operand].shape[axis]
        inside = writer.index.clamped(at + -start, extent) if len(operands) > 1 else at
        values.append(writer.value(operand, (*position[:axis], inside, *position[axis + 1 :])))
        start += extent
        last = number == len(operands)
        formula += values[-1] if last else f"({values[-1]} if {at} < {start} else "
    return formula + ")" * (len(operands) - 1), values
