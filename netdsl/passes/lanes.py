"""Which groups can be computed along 16 columns at a time, and how each of their values is read there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from netdsl.graph import Graph, Shape, count, is_batched

Extent: TypeAlias = Literal["full", "vector", "column", "number"]
"""What a value has along a matrix: an element for each place, for each column, for each row, or one for all.
"""


@dataclass(frozen=True, slots=True)
class Domain:
    """The matrix that lanes go along: `rows` None for a batch. A `flat` one has a single row of any shape."""

    rows: int | None
    columns: int
    flat: bool = False


def domain_of(graph: Graph, index: int) -> Domain | None:
    """Return the matrix that a value is, if it is one."""
    shape = graph[index].shape
    if is_batched(shape):
        return Domain(None, count(shape))
    if len(shape) == 2 and shape[0] > 1:
        return Domain(shape[0], shape[1])
    return Domain(1, count(shape), flat=True) if shape else None


def extent_of(shape: Shape, domain: Domain) -> Extent | None:
    """Return what a value of some shape has along a matrix, None where it does not fit it."""
    if is_batched(shape):
        if domain.rows is not None:
            return None
        if count(shape) == domain.columns:
            return "full"
        return "column" if count(shape) == 1 else None
    if count(shape) == 1:
        return "number"
    if domain.rows is None:
        return "vector" if count(shape) == domain.columns else None
    if count(shape) == domain.rows * domain.columns and (domain.flat or shape[-1] == domain.columns):
        return "full"  # a matrix of other columns has its elements elsewhere in its panels
    if domain.flat:
        return None
    if shape[-1] == domain.columns and count(shape) == domain.columns:
        return "vector"
    return "column" if shape == (domain.rows, 1) else None


def goes_along_lanes(graph: Graph, nodes: Sequence[int], domain: Domain) -> bool:
    """Tell whether nodes, and what they read, are element-wise along a matrix."""
    return all(_is_element_wise(graph, index, domain) for index in nodes)


def _is_element_wise(graph: Graph, index: int, domain: Domain) -> bool:
    node = graph[index]
    if extent_of(node.shape, domain) is None:
        return False
    if any(graph[each].operation.name == "iota" for each in graph.operands(index)):
        return False  # it lies in no memory, and along lanes nothing knows its place
    operands = [graph[each].shape for each in graph.operands(index)]
    if any(extent_of(shape, domain) is None for shape in operands):
        return False
    match node.operation.name:
        case "broadcast":
            return _repeats_whole(operands[0], node.shape, domain)
        case "reshape":
            return extent_of(operands[0], domain) == extent_of(node.shape, domain)
    return node.operation.family == "elementwise"


def _repeats_whole(given: Shape, wanted: Shape, domain: Domain) -> bool:
    """Tell whether each row of the result is the given value, or each element of a row the same."""
    match extent_of(given, domain), extent_of(wanted, domain):
        case ("number", _):
            return True
        case ("vector", "vector" | "full"):
            return _inner(given) == _inner(wanted)
        case ("column", "column" | "full"):
            return len(given) > 1 or len(wanted) == 1
        case ("full", "full"):
            return True
    return False


def _inner(shape: Shape) -> Shape:
    inner = shape[1:] if is_batched(shape) else shape
    while inner and inner[0] == 1:
        inner = inner[1:]
    return inner
