"""Steps of convolutions that the library's kernels compute, an image of places after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.graph import Graph, Shape, count
from netdsl.lowering.cpu import depthwise, geometry, gradients, winograd
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.geometry import Description, Images, Windows
from netdsl.lowering.cpu.moves import ADD_FURTHER_PARTS, ADD_PARTS
from netdsl.lowering.cpu.pieces import FIRST, HI, ITEM, LAST, LO, THREAD, Piece, panels_of, pieces_of, work_of
from netdsl.passes.convolutions import images_of, is_by_winograd, is_lanewise, kernel_shape
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Count,
    Cut,
    Each,
    Examples,
    Range,
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
    """Make the step that puts a kernel into the order in which a convolution, or a way back, reads it."""
    weights = shop.at(shop.graph.operands(index)[1])
    windows, back = windows_of(shop.graph, index), _is_back(shop.graph, index)
    target, calls, panels = weights, [], 1
    if back:
        target, panels = ordered(shop, index, "turned"), panels_of(windows.channels)
        numbers = map(count_of, (windows.taps, windows.channels, windows.outputs))
        places = address(weights.name), address(target.name)
        calls.append(shop.call("turn_kernel", (*places, *numbers, ITEM, ITEM + 1)))
    if _in_halves(windows, back):
        source, target = target, ordered(shop, index, "halved")
        depth = windows.outputs if back else windows.channels
        numbers = map(count_of, (*windows.size, depth, int(back)))
        calls.append(shop.call("halve_kernel", (address(source.name), address(target.name), *numbers)))
    if is_winograd := is_by_winograd(shop.graph, index, shop.choice.panels):
        source, target = target, ordered(shop, index, "transformed")
        depth, width = (windows.outputs, windows.channels) if back else (windows.channels, windows.outputs)
        panels, places = panels_of(width), (address(source.name), address(target.name))
        words = count_of(depth), count_of(int(back)), ITEM, ITEM + 1
        calls.append(shop.call("winograd_kernel", (*places, *words)))
    orders = ("turned",) * back + ("halved",) * _in_halves(windows, back) + ("transformed",) * is_winograd
    writes = tuple(Access(ordered(shop, index, each).name, "Panels") for each in orders)
    return Step(tuple(calls), Each((count_of(panels),)), (Access(weights.name),), writes)


def ordered(shop: Workshop, index: int, order: str) -> Buffer:
    """Return the place of a kernel in another order."""
    weights = shop.at(shop.graph.operands(index)[1])
    windows, back = windows_of(shop.graph, index), _is_back(shop.graph, index)
    down, across = windows.size
    depth, width = (windows.outputs, windows.channels) if back else (windows.channels, windows.outputs)
    taps = {"halved": down * (across + 1), "transformed": winograd.FREQUENCIES}.get(order, windows.taps)
    name = f"{weights.name} {'back ' if back else ''}{order}"
    return shop.buffers.get(name) or shop.add(
        Buffer(name, (taps * depth, width), layout="panels", label=name)
    )


def _is_back(graph: Graph, index: int) -> bool:
    return graph[index].operation.name == "convolve_input"


def _in_halves(windows: Windows, back: bool) -> bool:
    return windows.back_in_halves if back else windows.in_halves


def needs_turned_kernel(shop: Workshop, index: int) -> bool:
    """Tell whether a convolution reads its kernel in another order."""
    windows, back = windows_of(shop.graph, index), _is_back(shop.graph, index)
    forward = shop.graph[index].operation.name == "convolve"
    other = windows.in_halves or is_by_winograd(shop.graph, index, shop.choice.panels)
    return not windows.lanewise and (back or (forward and other))


def convolution_step(shop: Workshop, index: int, cut: Examples) -> Step:
    """Make the step of a convolution, or of the way back through one: pieces of so many images."""
    graph = shop.graph
    windows, piece = windows_of(graph, index), Piece(cut)
    source, weights = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    assert weights.layout == target.layout == "panels"
    reads = Access(source.name, piece.own), Access(weights.name)
    writes, flops = (Access(target.name, piece.own),), flops_of(windows) * rows_of(graph[index].shape)
    if depthwise.has_tiles(windows):
        describe = depthwise.forward if graph[index].operation.name == "convolve" else depthwise.backward
        words = describe(windows, stride(source.name), stride(target.name))
        places = piece.address(source), address(weights.name), piece.address(target)
        call = shop.call("depthwise", (*places, symbol("block"), LAST + -1 * FIRST), counts_of(words))
        return Step((call,), work_of(cut), reads, writes, flops=flops)
    if is_by_winograd(graph, index, shop.choice.panels):
        return _winograd_step(shop, index, cut)
    if graph[index].operation.name == "convolve":
        described = geometry.forward(
            windows, _lying(source, windows.space, windows.channels), stride(target.name)
        )
    else:
        assert source.layout == "panels"
        described = geometry.backward(windows, stride(source.name), stride(target.name))
    halved = _in_halves(windows, _is_back(graph, index))
    if needs_turned_kernel(shop, index):
        weights = ordered(shop, index, "halved" if halved else "turned")
    call = shop.call(
        "convolution_in_halves" if halved else "convolution",
        (piece.address(source), address(weights.name), piece.address(target), NOTHING, symbol("block"),
         _scratch(shop, cut.size * described.scratch), NOTHING, LAST + -1 * FIRST,
         NOTHING, count_of(panels_of(graph[index].shape[-1]))),
        _words(described),
    )  # fmt: skip
    reads = Access(source.name, piece.own), Access(weights.name)
    return Step((call,), work_of(cut), reads, writes, flops=flops)


def _winograd_step(shop: Workshop, index: int, cut: Examples) -> Step:
    """Make the step of a convolution, or of the way back, whose tiles are transformed."""
    windows, piece = windows_of(shop.graph, index), Piece(cut)
    seen = windows.mirrored if _is_back(shop.graph, index) else windows
    assert seen is not None
    source, target = shop.at(shop.graph.operands(index)[0]), shop.target(index, cut)
    weights = ordered(shop, index, "transformed")
    described = winograd.convolution(seen, _lying(source, seen.space, seen.channels), stride(target.name))
    places = piece.address(source), address(weights.name), piece.address(target), symbol("block")
    scratch = _scratch(shop, described.scratch)
    call = shop.call("winograd", (*places, scratch, LAST + -1 * FIRST), _words(described))
    reads, writes = (Access(source.name, piece.own), Access(weights.name)), (Access(target.name, piece.own),)
    flops = 2 * winograd.multiplications(seen) * rows_of(shop.graph[index].shape)
    return Step((call,), work_of(cut), reads, writes, flops=flops)


def kernel_step(shop: Workshop, index: int, cut: Cut) -> Step:
    """Make the step of a kernel's gradient: pieces of it, each summed over all images."""
    graph = shop.graph
    windows = windows_of(graph, index)
    x, dy = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    assert dy.layout == "panels"
    chunk = cut.chunk if isinstance(cut, Tiles) else 0
    lying = _lying(x, windows.space, windows.channels)
    flops = flops_of(windows) * rows_of(graph[dy_of(graph, index)].shape)
    reads = Access(x.name), Access(dy.name)
    described = gradients.gradient(windows, lying, stride(dy.name), chunk)
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
    return Step((call,), work, reads, (Access(target.name, own),), flops=flops)


def kernel_steps(shop: Workshop, index: int, cut: Examples) -> list[Step]:
    """Make the steps of a kernel's gradient that is summed example by example, by the unit that makes what it
    reads, and of the sum over the examples in their order.

    What lies before the windows and behind them is read while it is in the cache, and need not be stored for
    this. Measured: a third of the time of 1x1 convolutions of 64 channels, which wait for memory otherwise.
    """
    graph = shop.graph
    if is_by_winograd(graph, index, shop.choice.panels):
        return _winograd_steps(shop, index, cut)
    windows = windows_of(graph, index)
    x, dy = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    assert cut.size == 1
    lying = _lying(x, windows.space, windows.channels)
    halved = windows.in_halves and lying.group is None
    described = (gradients.gradient_in_halves if halved else gradients.gradient)(
        windows, lying, stride(dy.name)
    )
    lines = count(graph[index].shape[:-1])
    panels = panels_of(windows.outputs)
    width = LANES * lines * panels
    room = graph[dy_of(graph, index)].shape[0], width
    parts = shop.add(Buffer(f"parts of {target.name}", room, label="sums of examples"))
    calls = []
    for panel, piece in enumerate(pieces_of(cut, windows.outputs)):
        first = (piece if windows.lanewise else Piece(cut)).address(x)
        place = address(parts.name) + 4 * width * FIRST + count_of(64 * lines * panel)
        if depthwise.has_sums(windows):
            words = counts_of(depthwise.forward(windows, 0, 0))
            places = first, piece.address(dy), place, symbol("block"), LAST + -1 * FIRST
            calls.append(shop.call("depthwise_gradient", places, words))
            continue
        places = first, piece.address(dy), place, symbol("block"), _scratch(shop, described.scratch)
        name = "gradient_in_halves" if halved else "convolution_gradient"
        ends = () if halved else (NOTHING, count_of(lines))
        calls.append(shop.call(name, (*places, LAST + -1 * FIRST, *ends), _words(described)))
    rows = rows_of(graph[dy_of(graph, index)].shape)
    reads = Access(x.name, "Examples"), Access(dy.name, "Examples")
    swept = Step(
        tuple(calls), work_of(cut), reads, (Access(parts.name, "Examples"),), flops=flops_of(windows) * rows
    )
    added = shop.call(ADD_PARTS, (address(parts.name), address(target.name), rows, count_of(width), LO, HI))
    ended = Step(
        (added,), Range(count_of(lines * panels)), (Access(parts.name),), (Access(target.name),),
        shop.origins([index]), width * rows,
    )  # fmt: skip
    return [swept, ended]


def _winograd_steps(shop: Workshop, index: int, cut: Examples) -> list[Step]:
    """Make the steps of a kernel's gradient whose tiles are transformed: a sum for each piece, the first
    where the gradient lies, and the sum over the pieces in their order."""
    graph = shop.graph
    windows, piece = windows_of(graph, index), Piece(cut)
    x, dy = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    described = winograd.gradient(
        windows, _lying(x, windows.space, windows.channels), stride(dy.name), cut.size
    )
    lines = windows.taps * windows.channels * panels_of(windows.outputs)
    width = LANES * lines
    room = graph[dy_of(graph, index)].shape[0], width // cut.size
    parts = shop.add(Buffer(f"parts of {target.name}", room, label="sums of examples"))
    behind = address(parts.name) + 4 * (width // cut.size) * FIRST + count_of(-4 * width)
    images = piece.address(x), piece.address(dy)
    places = *images, address(target.name), behind, symbol("block"), _scratch(shop, described.scratch)
    call = shop.call("winograd_gradient", (*places, LAST + -1 * FIRST, FIRST), _words(described))
    rows = rows_of(graph[dy_of(graph, index)].shape)
    swept = Step(
        (call,), work_of(cut), (Access(x.name, "Examples"), Access(dy.name, "Examples")),
        (Access(parts.name, "Examples"), Access(target.name, "Examples")),
        flops=2 * winograd.multiplications(windows) * rows,
    )  # fmt: skip
    ends = address(parts.name), address(target.name), rows, count_of(cut.size), count_of(width)
    added = shop.call(ADD_FURTHER_PARTS, (*ends, LO, HI))
    ended = Step(
        (added,), Range(count_of(lines)), (Access(parts.name), Access(target.name)), (Access(target.name),),
        shop.origins([index]), width * rows,
    )  # fmt: skip
    return [swept, ended]


def dy_of(graph: Graph, index: int) -> int:
    """Return what lies behind the windows of a convolution."""
    return images_of(graph, index)[1]


def _lying(buffer: Buffer, space: geometry.Plane, channels: int) -> Images:
    return Images(space, channels, stride(buffer.name) if buffer.layout == "panels" else None)


def _words(described: Description) -> list[Count]:
    return counts_of(described.words)


def counts_of(words: Sequence[int | Count]) -> list[Count]:
    """Return the words of a description as a call takes them."""
    return [count_of(word) if isinstance(word, int) else word for word in words]


def _scratch(shop: Workshop, floats: int) -> Count:
    """Return the address of the memory that all convolutions of a thread share."""
    name = "images between zeros"
    before = shop.buffers.get(name, Buffer(name, (0,), role="scratch", label=name))
    shop.add(replace(before, shape=(max(before.shape[0], floats, LANES),)))
    return address(name) + THREAD


def flops_of(windows: Windows) -> int:
    """Return the operations of a convolution of one example, or of an adjoint."""
    down, across = windows.counts
    channels = 1 if windows.lanewise else windows.channels
    return 2 * down * across * windows.taps * channels * windows.outputs
