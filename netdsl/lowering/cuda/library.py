"""Products and convolutions as kernels written by hand: which, and what they read where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from netdsl.graph import Graph, Precision, Shape, count, is_batched
from netdsl.kernels.cuda.convolution import Geometry, convolve, convolve_input, convolve_kernel
from netdsl.kernels.cuda.kernel import CudaKernel, Kind, Work
from netdsl.kernels.cuda.products import Strided, product
from netdsl.lowering.cuda.text import kernel_name
from netdsl.operations.linear import places
from netdsl.program import Count, Kernel, count_of, rows_of

Axes: TypeAlias = Sequence[Strided]


@dataclass(frozen=True, slots=True)
class View:
    """A value as memory shows it: whose memory that is, and how far apart elements lie along each axis."""

    source: int
    strides: tuple[int, ...]


def view_of(graph: Graph, index: int) -> View:
    """Return how a value is seen through transposes, and reshapes under them."""
    node = graph[index]
    if node.operation.name == "transpose":
        below = view_of(graph, graph.operands(index)[0])
        return View(below.source, tuple(below.strides[axis] for axis in node.setting("axes")))
    source = index
    # A number may be the host's, and lie in no memory.
    while graph[source].operation.name == "reshape" and graph[graph.operands(source)[0]].shape:
        source = graph.operands(source)[0]
    return View(source, strides_of(node.shape))


def strides_of(shape: Shape) -> tuple[int, ...]:
    """Return how far apart elements lie along each axis, row by row."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def library_work(
    graph: Graph, index: int, rows: int, precision: Precision = "float32", finish: Finish | None = None
) -> tuple[Work, Mapping[str, int]]:
    """Return the kernels of a product or convolution, and the value behind each of their operands.

    `rows` is the number of examples that the kernels are made for; they are right for any. With `finish` a
    product's kernel goes on with each sum.
    """
    precision = precision_of(graph, index, precision)
    left, right = graph.operands(index)
    if graph[index].operation.name == "matmul":
        views = view_of(graph, left), view_of(graph, right)
        lines, parameters = ((), ()) if finish is None else (finish.lines, finish.parameters)
        axes = axes_of(graph, index, views)
        work = product(*axes, rows, finish=lines, finish_parameters=parameters, precision=precision)
        return work, {"x": views[0].source, "w": views[1].source}
    make = {"convolve": convolve, "convolve_input": convolve_input, "convolve_kernel": convolve_kernel}
    work = make[graph[index].operation.name](geometry_of(graph, index), rows, precision=precision)
    return work, {"x": view_of(graph, left).source, "w": view_of(graph, right).source}


@dataclass(frozen=True, slots=True)
class Finish:
    """Lines that make what is stored of a product's sum `v` at the place `at`, and what they are passed."""

    lines: tuple[str, ...]
    parameters: tuple[tuple[str, Kind], ...]
    arguments: Mapping[str, Count]


def precision_of(graph: Graph, index: int, precision: Precision) -> Precision:
    """Return what factors of a product are rounded to: those of an optimizer keep float32."""
    return "float32" if graph[index].of == "update" else precision


def axes_of(graph: Graph, index: int, views: Sequence[View]) -> tuple[Axes, Axes, Axes, Axes]:
    """Return the axes of a product: of both operands, of the left alone, of the right alone, summed."""
    node = graph[index]
    left, right = (graph[each].shape for each in graph.operands(index))
    contract, align = node.setting("contract"), node.setting("align")
    apart = strides_of(node.shape)
    groups: tuple[list[Strided], list[Strided], list[Strided]] = ([], [], [])
    for axis, (a, b) in enumerate(places(len(left), len(right), contract, align)):
        strides = (views[0].strides[a] if a is not None else 0, views[1].strides[b] if b is not None else 0)
        which = groups[0 if a is not None and b is not None else 1 if a is not None else 2]
        which.append((_extent(node.shape[axis]), *strides, apart[axis]))
    summed = [(_extent(left[a]), views[0].strides[a], views[1].strides[b], 0) for a, b in contract]
    return *groups, summed


def _extent(extent: int) -> Count:
    return rows_of((extent,)) if extent < 0 else count_of(extent)


def geometry_of(graph: Graph, index: int) -> Geometry:
    """Return the geometry of a convolution or of one of its ways back."""
    node = graph[index]
    first, second = (graph[each].shape for each in graph.operands(index))
    strides = node.setting("strides")
    match node.operation.name:
        case "convolve":
            x, kernel, y = first, second, node.shape
        case "convolve_input":
            x, kernel, y = node.shape, second, first
        case _:
            x, kernel, y = first, node.shape, second
    return Geometry(
        lead=_extent(x[0]) if is_batched(x) else x[0],
        space=x[1:-1],
        windows=y[1:-1],
        channels=x[-1],
        out=y[-1],
        size=kernel[:-2],
        strides=strides,
        before=node.setting("before"),
        dilation=dict(node.settings).get("dilation", (1,) * len(strides)),
        groups=node.setting("groups"),
    )


def pieces_of(work: Work, total: Count) -> int:
    """Return how many pieces of each sum the first kernel of some work leaves in its scratch memory, in the
    order of the result; 1 where it leaves the sums themselves."""
    if len(work.kernels) == 1:
        return 1
    assert len(work.kernels) == 2
    (many, *_), (each, *_) = count_of(work.scratch).terms, total.terms
    return many[0] // each[0]


def leaves_pieces(graph: Graph, index: int, work: Work) -> bool:
    """Tell whether whoever wants the elements of some work adds up the pieces that its first kernel leaves.

    Those of a convolution are added up by a kernel of its own, as most of its readers are folds and windows,
    which read each element often. Not so a kernel's gradient the optimizer alone reads; of several groups
    pieces lie group by group, and the gradient does not.
    """
    if len(work.kernels) == 1:
        return False
    match graph[index].operation.name:
        case "matmul":
            return True
        case "convolve_kernel":
            alone = all(graph[user].operation.family == "elementwise" for user in graph.users(index))
            return alone and graph[index].setting("groups") == 1
    return False


def flops_of(graph: Graph, index: int) -> Count:
    """Return the arithmetic of a product or convolution."""
    node = graph[index]
    shapes = [graph[each].shape for each in graph.operands(index)]
    match node.operation.name:
        case "matmul":
            total = 2 * count(node.shape) * rows_of(node.shape)
            for axis, _ in node.setting("contract"):
                total = total * _extent(shapes[0][axis])
            return total
        case "convolve_kernel":
            kernel, windows = node.shape, shapes[1]
        case "convolve_input":
            kernel, windows = shapes[1], shapes[0]
        case _:
            kernel, windows = shapes[1], node.shape
    return 2 * count(windows) * rows_of(windows) * (count(kernel) // kernel[-1])


def of_library(kernel: CudaKernel) -> Kernel:
    """Return a hand-written kernel under a name of its own: texts differ by shape."""
    kinds = tuple(each.kind for each in kernel.parameters)
    name = kernel_name(kernel.name, kernel.text, kinds, kernel.threads)
    text = re.sub(rf"^def {kernel.name}\(", f"def {name}(", kernel.text, count=1)
    return Kernel(name, text, (), kinds, kernel.threads)
