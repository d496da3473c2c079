"""Which convolutions and pools the library's kernels compute."""

from __future__ import annotations

from collections.abc import Container
from math import prod
from typing import Final

from netdsl.graph import Graph, Node, Shape, is_batched
from netdsl.passes.contractions import is_view
from netdsl.program import LANES

CONVOLUTIONS: Final = ("convolve", "convolve_input", "convolve_kernel")
MOST_WEIGHTS: Final = 128 * 128
"""Pairs of channels up to which transformed weights, 96 bytes each, stay in a second cache of 2 MB."""

POOLS: Final = ("max_pool", "argmax_pool", "sum_pool")
POOLS_BACK: Final = ("put_window", "spread_pool")


def kernel_of(graph: Graph, index: int) -> int:
    """Return the kernel of a convolution: an operand, or its result."""
    return index if graph[index].operation.name == "convolve_kernel" else graph.operands(index)[1]


def kernel_shape(graph: Graph, index: int) -> Shape:
    """Return the shape of a convolution's kernel."""
    return graph[kernel_of(graph, index)].shape


def images_of(graph: Graph, index: int) -> tuple[int, int]:
    """Return what lies before the windows of a convolution, and what lies behind them."""
    first, second = graph.operands(index)
    match graph[index].operation.name:
        case "convolve":
            return first, index
        case "convolve_input":
            return index, first
    return first, second


def is_lanewise(graph: Graph, index: int) -> bool:
    """Tell whether each channel is convolved for itself."""
    groups: int = graph[index].setting("groups")
    kernel = kernel_shape(graph, index)
    return groups > 1 and kernel[-2] == 1 and kernel[-1] == groups


def is_by_winograd(graph: Graph, index: int, panels: Container[int]) -> bool:
    """Tell whether Winograd's kernels compute a convolution or an adjoint; `panels` are the values that lie
    in panels, as what they read must."""
    source = images_of(graph, index)[0] if graph[index].operation.name != "convolve_input" else None
    while source is not None and source not in panels and is_view(graph, source):
        (source,) = graph.operands(source)
    return is_planar(graph, index) and (source is None or source in panels) and _suits_winograd(graph, index)


def _suits_winograd(graph: Graph, index: int) -> bool:
    """Tell whether Winograd's F(2x4, 3x3) computes a convolution or an adjoint in less time: windows of 3x3
    that move one place at a time, over whole panels of channels, whose weights stay in the second cache,
    transformed, and few of whose tiles stick out.

    Measured with AVX-512 for 16 to 64 channels, at 8x8 to 32x32 places: 0.42 to 0.67 of the time, and 0.8 of
    it for a gradient of 16 to 16 channels that is summed example by example.
    """
    node, kernel = graph[index], kernel_shape(graph, index)
    if kernel[:-2] != (3, 3) or node.setting("groups") != 1:
        return False
    if {*node.setting("strides"), *node.setting("dilation")} != {1}:
        return False
    before, behind = images_of(graph, index)
    is_back = node.operation.name == "convolve_input"
    if max(*node.setting("before"), *node.setting("after")) > 2:
        return False
    down, across = graph[before if is_back else behind].shape[1:-1]
    few_stick_out = 3 * 8 * -(-down // 2) * -(-across // 4) <= 4 * down * across
    channels, outputs = kernel[-2:]
    return few_stick_out and min(channels, outputs) >= LANES and channels * outputs <= MOST_WEIGHTS


def reads_rows(graph: Graph, index: int) -> bool:
    """Tell whether the images of a convolution may lie row by row: they are only read, a window's line of
    channels at a time."""
    return graph[index].operation.name != "convolve_input" and not is_lanewise(graph, index)


def is_planar(graph: Graph, index: int) -> bool:
    """Tell whether a node is a convolution over one or two axes of places, of all channels or of each for
    itself."""
    node: Node = graph[index]
    if node.operation.name not in CONVOLUTIONS:
        return False
    kernel = kernel_shape(graph, index)
    before, behind = (graph[each].shape for each in images_of(graph, index))
    return (
        len(kernel) in (3, 4)
        and is_batched(before)
        and is_batched(behind)
        and prod(kernel[:-1]) > 1
        and (node.setting("groups") == 1 or is_lanewise(graph, index))
    )


def pooled(graph: Graph, index: int) -> tuple[int, int]:
    """Return the values of a pool: that of places, and that of windows."""
    operand = graph.operands(index)[0]
    return (index, operand) if graph[index].operation.name in POOLS_BACK else (operand, index)


def is_planar_pool(graph: Graph, index: int) -> bool:
    """Tell whether a node is a pool over one or two axes of places, or sends back what one was given."""
    if graph[index].operation.name not in (*POOLS, *POOLS_BACK):
        return False
    shapes = [graph[each].shape for each in pooled(graph, index)]
    return all(len(shape) in (3, 4) and is_batched(shape) for shape in shapes)
