"""Which groups can be computed along 16 columns at a time, and how each of their values is read there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from netdsl.graph import Graph, Shape, batches, count, is_batched
from netdsl.lazy_dataclass import dataclass
from netdsl.program.layout import columns, places

Extent: TypeAlias = Literal["full", "vector", "place", "column", "image", "example", "number"]
"""What a value has along a matrix: an element for each place; one for each column, in all rows; one for each
place and column, in all examples; one for each row; one for each example and column, or for each example, in
all its places; or one for all."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The matrix that lanes go along: `places` rows for each example of so many `batches`, one behind the
    other, or, with none, in all. A `flat` one has a single row, and may have any shape."""

    batches: int
    places: int
    columns: int
    flat: bool = False


def domain_of(graph: Graph, index: int) -> Domain | None:
    """Return the matrix that a value is, if it is one."""
    shape = graph[index].shape
    if is_batched(shape):
        return Domain(batches(shape), places(shape), columns(shape))
    if len(shape) > 1 and places(shape) > 1:
        return Domain(0, places(shape), columns(shape))
    return Domain(0, 1, count(shape), flat=True) if shape else None


def extent_of(shape: Shape, domain: Domain) -> Extent | None:
    """Return what a value of some shape has along a matrix, None where it does not fit it."""
    if is_batched(shape):
        return _of_batch(shape, domain) if domain.batches == batches(shape) else None
    if count(shape) == 1:
        return "number"
    if domain.flat:
        return "full" if count(shape) == domain.columns else None
    if columns(shape) == domain.columns and places(shape) == domain.places:
        return "place" if domain.batches and domain.places > 1 else "vector" if domain.batches else "full"
    if count(shape) == shape[-1] == domain.columns:
        return "vector"
    is_column = not domain.batches and columns(shape) == 1 and places(shape) == domain.places
    return "column" if is_column else None


def _of_batch(shape: Shape, domain: Domain) -> Extent | None:
    match columns(shape) == domain.columns, places(shape) == domain.places:
        case True, True:
            return "full"
        case False, True if columns(shape) == 1:
            return "column"
        case True, False if places(shape) == 1:
            return "image"
    return "example" if count(shape) == 1 else None


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
    if node.operation.name == "gather":
        return _reads_rows(operands, node.shape, domain)
    if any(extent_of(shape, domain) is None for shape in operands):
        return False
    match node.operation.name:
        case "broadcast":
            return _repeats_whole(operands[0], node.shape, domain)
        case "reshape" | "stored":
            return extent_of(operands[0], domain) == extent_of(node.shape, domain)
    return node.operation.family == "elementwise"


def _reads_rows(operands: Sequence[Shape], shape: Shape, domain: Domain) -> bool:
    """Tell whether a row of a table stands in each row of the matrix."""
    table, rows = operands
    if len(table) != 2 or domain.places > 1 or domain.flat:
        return False
    return extent_of(rows, domain) == "column" and extent_of(shape, domain) == "full"


def _repeats_whole(given: Shape, wanted: Shape, domain: Domain) -> bool:
    """Tell whether an element of the result is that of the given value which has its place: a broadcast has
    the last axes of both side by side."""
    match extent_of(given, domain), extent_of(wanted, domain):
        case ("number", _):
            return True
        case ("vector", "vector" | "full" | "place" | "image"):
            return given[-1] == wanted[-1] == domain.columns
        case ("column", "column" | "full"):
            return len(given) == len(wanted) and given[:-1] == wanted[:-1]
        case ("place", "place" | "full"):
            return _inner(given) == _inner(wanted)
        case ("image", "image" | "full") | ("example", "example" | "column" | "image" | "full"):
            return len(given) == len(wanted)
        case ("full", "full"):
            return True
    return False


def _inner(shape: Shape) -> Shape:
    inner = shape[1:] if is_batched(shape) else shape
    while inner and inner[0] == 1:
        inner = inner[1:]
    return inner
