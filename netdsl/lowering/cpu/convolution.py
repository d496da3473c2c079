"""Steps of convolutions that the library's kernels compute, an image of places after the other."""

from __future__ import annotations

from dataclasses import replace

from netdsl.graph import Graph, Shape, count
from netdsl.lowering.cpu import geometry
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.geometry import Description, Images, Windows
from netdsl.lowering.cpu.pieces import FIRST, ITEM, LAST, THREAD, Piece, panels_of, work_of
from netdsl.passes.convolutions import images_of, is_lanewise, kernel_shape
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Count,
    Cut,
    Each,
    Examples,
    Step,
    Tiles,
    Work,
    address,
    count_of,
    rows_of,
    stride,
    symbol,
)

NOTHING = count_of(0)


def windows_of(graph: Graph, index: int) -> Windows:
    """Return the windows of a convolution; a line of places is a plane of height 1."""
    node = graph[index]
    kernel = kernel_shape(graph, index)
    before, behind = (graph[each].shape for each in images_of(graph, index))

    def plane(name: str, missing: int) -> geometry.Plane:
        return _plane(node.setting(name), missing)

    return Windows(
        _plane(before[1:-1], 1), before[-1], behind[-1], _plane(kernel[:-2], 1),
        plane("strides", 1), plane("before", 0), plane("after", 0), plane("dilation", 1),
        is_lanewise(graph, index),
    )  # fmt: skip


def _plane(extents: Shape, missing: int) -> geometry.Plane:
    down, across = extents if len(extents) == 2 else (missing, *extents)
    return down, across


def turn_step(shop: Workshop, index: int) -> Step:
    """Make the step that turns the kernel of a way back."""
    weights = shop.at(shop.graph.operands(index)[1])
    windows = windows_of(shop.graph, index)
    target = _turned(shop, index)
    numbers = map(count_of, (windows.taps, windows.channels, windows.outputs))
    call = shop.call("turn_kernel", (address(weights.name), address(target.name), *numbers, ITEM, ITEM + 1))
    work = Each((count_of(panels_of(windows.channels)),))
    return Step((call,), work, (Access(weights.name),), (Access(target.name, "Panels"),))


def _turned(shop: Workshop, index: int) -> Buffer:
    weights = shop.at(shop.graph.operands(index)[1])
    windows = windows_of(shop.graph, index)
    name = f"{weights.name} turned"
    shape = (windows.taps * windows.outputs, windows.channels)
    return shop.buffers.get(name) or shop.add(Buffer(name, shape, layout="panels", label=name))


def needs_turned_kernel(graph: Graph, index: int) -> bool:
    """Tell whether a convolution reads its kernel turned."""
    return graph[index].operation.name == "convolve_input" and not is_lanewise(graph, index)


def convolution_step(shop: Workshop, index: int, cut: Examples) -> Step:
    """Make the step of a convolution, or of the way back through one: pieces of so many images."""
    graph = shop.graph
    windows, piece = windows_of(graph, index), Piece(cut)
    source, weights = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    assert weights.layout == target.layout == "panels"
    if graph[index].operation.name == "convolve":
        described = geometry.forward(
            windows, _lying(source, windows.space, windows.channels), stride(target.name)
        )
    else:
        assert source.layout == "panels"
        described = geometry.backward(windows, stride(source.name), stride(target.name))
        if needs_turned_kernel(graph, index):
            weights = _turned(shop, index)
    call = shop.call(
        "convolution",
        (piece.address(source), address(weights.name), piece.address(target), NOTHING, symbol("block"),
         _scratch(shop, cut.size * described.scratch), NOTHING, LAST + -1 * FIRST,
         NOTHING, count_of(panels_of(graph[index].shape[-1]))),
        _words(described),
    )  # fmt: skip
    reads = Access(source.name, piece.own), Access(weights.name)
    flops = _flops(windows) * rows_of(graph[index].shape)
    return Step((call,), work_of(cut), reads, (Access(target.name, piece.own),), flops=flops)


def kernel_step(shop: Workshop, index: int, cut: Cut) -> Step:
    """Make the step of a kernel's gradient: pieces of it, each summed over all images."""
    graph = shop.graph
    windows = windows_of(graph, index)
    x, dy = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    assert dy.layout == "panels"
    chunk = cut.chunk if isinstance(cut, Tiles) else 0
    lying = _lying(x, windows.space, windows.channels)
    described = geometry.gradient(windows, lying, stride(dy.name), chunk)
    lines = count(graph[index].shape[:-1])
    if isinstance(cut, Tiles):
        work: Work = work_of(cut)
        place, own = Piece(cut).address(target), "Tiles"
    else:
        chunk = lines // windows.size[0]
        work = Each((count_of(panels_of(windows.outputs)), count_of(windows.size[0])), chunk, lines)
        place, own = address(target.name) + 64 * lines * ITEM + 64 * FIRST, ""
    first = address(x.name) + (4 * stride(x.name) * ITEM if windows.lanewise else NOTHING)
    call = shop.call(
        "convolution_gradient",
        (first, address(dy.name) + 4 * stride(dy.name) * ITEM, place, symbol("block"),
         _scratch(shop, described.scratch), rows_of(graph[dy_of(graph, index)].shape), FIRST, LAST),
        _words(described),
    )  # fmt: skip
    flops = _flops(windows) * rows_of(graph[dy_of(graph, index)].shape)
    reads = Access(x.name), Access(dy.name)
    return Step((call,), work, reads, (Access(target.name, own),), flops=flops)


def dy_of(graph: Graph, index: int) -> int:
    """Return what lies behind the windows of a convolution."""
    return images_of(graph, index)[1]


def _lying(buffer: Buffer, space: geometry.Plane, channels: int) -> Images:
    return Images(space, channels, stride(buffer.name) if buffer.layout == "panels" else None)


def _words(described: Description) -> list[Count]:
    return [count_of(word) if isinstance(word, int) else word for word in described.words]


def _scratch(shop: Workshop, floats: int) -> Count:
    """Return the address of the memory that all convolutions of a thread share."""
    name = "images between zeros"
    before = shop.buffers.get(name, Buffer(name, (0,), role="scratch", label=name))
    shop.add(replace(before, shape=(max(before.shape[0], floats, LANES),)))
    return address(name) + THREAD


def _flops(windows: Windows) -> int:
    down, across = windows.counts
    channels = 1 if windows.lanewise else windows.channels
    return 2 * down * across * windows.taps * channels * windows.outputs
