"""Steps of pools that the library's kernels compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.graph import Graph, Shape
from netdsl.lowering.cpu import geometry
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.geometry import Windows
from netdsl.lowering.cpu.pieces import FIRST, LAST, Piece, work_of
from netdsl.passes.convolutions import pooled
from netdsl.program import Access, Count, Examples, Step, count_of, rows_of, stride, symbol


def windows_of(graph: Graph, index: int) -> Windows:
    """Return the windows of a pool; a line of places is a plane of height 1."""
    node = graph[index]
    space = graph[pooled(graph, index)[0]].shape

    def plane(extents: Shape, missing: int) -> geometry.Plane:
        down, across = extents if len(extents) == 2 else (missing, *extents)
        return down, across

    given = [plane(node.setting(name), name in ("size", "strides")) for name in SETTINGS]
    size, strides, before, after = given
    return Windows(plane(space[1:-1], 1), space[-1], space[-1], size, strides, before, after)


SETTINGS = ("size", "strides", "before", "after")


def twin_of(graph: Graph, index: int, indices: Sequence[int]) -> int | None:
    """Return the pool among others that tells the taps of the greatest numbers, or the reverse: a kernel
    finds both at once."""
    node = graph[index]
    names = {"max_pool", "argmax_pool"}
    for each in indices:
        other = graph[each]
        same = other.settings == node.settings and graph.operands(each) == graph.operands(index)
        if same and {node.operation.name, other.operation.name} == names:
            return each
    return None


def max_step(shop: Workshop, index: int, taps: int, cut: Examples) -> Step:
    """Make the step of a pool that is asked for the greatest numbers and for their taps."""
    best = pool_step(shop, index, cut)
    (call,) = best.calls
    target = shop.target(taps, cut)
    x, y, _, *others = call.arguments
    call = replace(call, arguments=(x, y, Piece(cut).address(target), *others))
    writes = *best.writes, Access(target.name, type(cut).__name__)
    return replace(best, calls=(call,), writes=writes)


def pool_step(shop: Workshop, index: int, cut: Examples) -> Step:
    """Make the step of a pool, or of the way back through one: pieces of so many images."""
    graph, piece = shop.graph, Piece(cut)
    name = graph[index].operation.name
    operands = [shop.at(each) for each in graph.operands(index)]
    target = shop.target(index, cut)
    windows = windows_of(graph, index)
    operand = operands[0]
    nothing = count_of(0)
    x, y = (target, operand) if name in ("put_window", "spread_pool") else (operand, target)
    strides = stride(x.name), stride(operand.name if name == "argmax_pool" else y.name)
    words = [count_of(word) if isinstance(word, int) else word for word in geometry.pool(windows, *strides)]
    images, block = LAST + -1 * FIRST, symbol("block")
    places = piece.address(x), piece.address(y)
    arguments: tuple[Count, ...]
    match name:
        case "max_pool":
            kernel, arguments = "max_pool", (*places, nothing, block, images)
        case "argmax_pool":
            kernel, arguments = "max_pool", (places[0], nothing, places[1], block, images)
        case "put_window":
            kernel, arguments = name, (places[1], piece.address(operands[1]), places[0], block, images)
        case _:
            kernel = "sum_pool"
            arguments = (*places, block, images, count_of(int(name == "spread_pool")))
    call = shop.call(kernel, arguments, words)
    reads = tuple(Access(each.name, piece.own) for each in operands)
    flops = windows.taps * windows.counts[0] * windows.counts[1] * windows.channels
    total = flops * rows_of(graph[index].shape)
    return Step((call,), work_of(cut), reads, (Access(target.name, piece.own),), flops=total)
