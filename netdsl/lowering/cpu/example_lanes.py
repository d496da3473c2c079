"""Steps of work on values with an example in each lane: convolutions, pools, sums over places, flattening."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netdsl.graph import BATCH, count
from netdsl.lowering.cpu import example_windows, geometry, pooling
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.convolution import counts_of, flops_of, ordered, windows_of
from netdsl.lowering.cpu.pieces import FIRST, HI, ITEM, LAST, LO, THREAD, Piece, panels_of, work_of
from netdsl.passes.contractions import in_memory
from netdsl.passes.convolutions import images_of
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Call,
    Count,
    Each,
    Examples,
    Group,
    Kernel,
    Part,
    Range,
    Step,
    Unit,
    address,
    count_of,
    rows_of,
    stride,
    symbol,
)
from netdsl.program.layout import columns, places

BLOCK: Final = symbol("block")
NOTHING: Final = count_of(0)
EXAMPLES: Final = LAST + -1 * FIRST

ADD_GROUPS: Final = Kernel(
    "add_groups",
    '''@kernel
def add_groups(parts: int, target: int, examples: int, width: int, lo: int, hi: int) -> None:
    """Sum rows of so many floats, one for every 16 examples, for the lines lo .. hi of 16 of them."""
    total = at(target)
    x = at(parts)
    for i in range(16 * lo, 16 * hi):
        total[i] = x[i]
    for row in range(1, (examples + 15) >> 4):
        x = at(parts + 4 * width * row)
        for i in range(16 * lo, 16 * hi):
            total[i] = total[i] + x[i]
''',
    ("sums of examples added up",),
)


def goes_by_examples(shop: Workshop, group: Group) -> bool:
    """Tell whether a group reads or stores values with an example in each lane."""
    if not shop.choice.examples:
        return False
    operands = {each for index in group.nodes for each in shop.graph.operands(index)}
    touched = {in_memory(shop.graph, each, shop.places) for each in operands} | set(group.stores)
    return not touched.isdisjoint(shop.choice.examples)


def example_steps(shop: Workshop, part: Part, unit: Unit) -> list[Step]:
    """Make the steps of a group that goes by examples, 16 of them a piece."""
    index = part.group.stores[0]
    assert isinstance(unit.cut, Examples)
    match part.template:
        case "convolution" if shop.graph[index].operation.name == "convolve_kernel":
            return _kernel_steps(shop, index, unit.cut)
        case "convolution":
            return [_convolution_step(shop, index, unit.cut)]
        case "pool":
            return _pool_steps(shop, index, unit, unit.cut)
        case "sums":
            return [_sums_step(shop, index, unit.cut)]
    return [_turn_step(shop, index, unit.cut)]


def example_turn_step(shop: Workshop, index: int) -> Step:
    """Make the step that turns a kernel for the way back."""
    weights, target = shop.at(shop.graph.operands(index)[1]), ordered(shop, index, "turned")
    windows = windows_of(shop.graph, index)
    numbers = map(count_of, (windows.taps, windows.channels, windows.outputs))
    places = address(weights.name), address(target.name)
    call = shop.call("turn_kernel", (*places, *numbers, ITEM, ITEM + 1))
    work = Each((count_of(panels_of(windows.channels)),))
    return Step((call,), work, (Access(weights.name),), (Access(target.name, "Panels"),))


def _groups(cut: Examples) -> Count:
    """Return how many groups of 16 examples a piece has."""
    return count_of(cut.size // LANES)


def _convolution_step(shop: Workshop, index: int, cut: Examples) -> Step:
    graph, piece = shop.graph, Piece(cut)
    windows = windows_of(graph, index)
    source, weights = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    reads = [Access(source.name, piece.own), Access(weights.name)]
    calls, start = _in_lanes(shop, source, cut)
    if graph[index].operation.name == "convolve":
        words = example_windows.forward(windows)
    else:
        words, weights = example_windows.backward(windows), ordered(shop, index, "turned")
        reads.append(Access(weights.name))
    places = start, address(weights.name), piece.address(target)
    calls.append(shop.call("example_convolution", (*places, BLOCK, _groups(cut)), counts_of(words)))
    writes, flops = (Access(target.name, piece.own),), flops_of(windows) * rows_of(graph[index].shape)
    return Step(tuple(calls), work_of(cut), tuple(reads), writes, flops=flops)


def _kernel_steps(shop: Workshop, index: int, cut: Examples) -> list[Step]:
    """Make the steps of a kernel's gradient: one for every 16 examples, and their sum in that order."""
    graph, piece = shop.graph, Piece(cut)
    windows = windows_of(graph, index)
    x, dy = (shop.at(each) for each in graph.operands(index))
    target = shop.target(index, cut)
    lines, panels = count(graph[index].shape[:-1]), panels_of(windows.outputs)
    width = LANES * lines * panels
    parts = shop.add(
        Buffer(
            f"parts of {target.name}", (BATCH, lines * panels), layout="examples", label="sums of examples"
        )
    )
    calls, start = _in_lanes(shop, x, cut)
    place = address(parts.name) + 4 * lines * panels * FIRST
    sums = _scratch(shop, "sums of 16 examples", LANES * lines * windows.outputs)
    arguments = start, piece.address(dy), place, BLOCK, sums, EXAMPLES, count_of(width)
    calls.append(shop.call("example_gradient", arguments, counts_of(example_windows.gradient(windows))))
    rows = rows_of(graph[images_of(graph, index)[1]].shape)
    reads = Access(x.name, piece.own), Access(dy.name, piece.own)
    swept = Step(
        tuple(calls), work_of(cut), reads, (Access(parts.name, piece.own),), flops=flops_of(windows) * rows
    )
    added = shop.call(ADD_GROUPS, (address(parts.name), address(target.name), rows, count_of(width), LO, HI))
    ended = Step(
        (added,), Range(count_of(lines * panels)), (Access(parts.name),), (Access(target.name),),
        shop.origins([index]), lines * panels * rows,
    )  # fmt: skip
    return [swept, ended]


def _in_lanes(shop: Workshop, buffer: Buffer, cut: Examples) -> tuple[list[Call], Count]:
    """Return where a piece of a value lies with an example in each lane, and what brings it there if it lies
    row by row."""
    if buffer.layout == "examples":
        return [], Piece(cut).address(buffer)
    width = places(buffer.shape) * columns(buffer.shape)
    target = _scratch(shop, "images by examples", cut.size * width)
    wide = count_of(width)
    arguments = Piece(cut).address(buffer), wide, count_of(LANES), target, wide, EXAMPLES
    return [shop.call("to_examples", arguments)], target


def _pool_steps(shop: Workshop, index: int, unit: Unit, cut: Examples) -> list[Step]:
    """Make the step of a pool; of two that one kernel computes, the first has it."""
    graph, piece = shop.graph, Piece(cut)
    pools = [part.group.stores[0] for part in unit.parts if part.template == "pool"]
    twin = pooling.twin_of(graph, index, pools)
    if twin is not None and pools.index(twin) < pools.index(index):
        return []
    operands = [shop.at(each) for each in graph.operands(index)]
    targets = {
        graph[each].operation.name: shop.target(each, cut) for each in (index, twin) if each is not None
    }
    windows = pooling.windows_of(graph, index)
    words = counts_of(geometry.pool(windows, 0, 0))
    given = [piece.address(each) for each in operands]
    made = {name: piece.address(each) for name, each in targets.items()}
    match graph[index].operation.name:
        case "put_window":
            call = shop.call("example_put_window", (*given, made["put_window"], BLOCK, _groups(cut)), words)
        case "sum_pool":
            places = given[0], made["sum_pool"]
            call = shop.call("example_sum_pool", (*places, BLOCK, _groups(cut), NOTHING), words)
        case "spread_pool":
            places = made["spread_pool"], given[0]
            call = shop.call("example_sum_pool", (*places, BLOCK, _groups(cut), count_of(1)), words)
        case _:
            found = made.get("max_pool", NOTHING), made.get("argmax_pool", NOTHING)
            call = shop.call("example_max_pool", (given[0], *found, BLOCK, _groups(cut)), words)
    reads = tuple(Access(each.name, piece.own) for each in operands)
    writes = tuple(Access(each.name, piece.own) for each in targets.values())
    flops = windows.taps * windows.counts[0] * windows.counts[1] * windows.channels
    return [Step((call,), work_of(cut), reads, writes, flops=flops * rows_of(graph[index].shape))]


def _sums_step(shop: Workshop, index: int, cut: Examples) -> Step:
    """Make the step of a sum over the places of each example, which lies in panels."""
    (operand,) = shop.graph.operands(index)
    source, target, shape = shop.at(operand), shop.target(index, cut), shop.graph[operand].shape
    piece = Piece(cut)
    numbers = map(count_of, (places(shape), columns(shape)))
    arguments = piece.address(source), *numbers, piece.address(target), stride(target.name), EXAMPLES
    call = shop.call("example_place_sums", arguments)
    reads, writes = (Access(source.name, piece.own),), (Access(target.name, piece.own),)
    return Step((call,), work_of(cut), reads, writes, flops=count(shape) * rows_of(shape))


def _turn_step(shop: Workshop, index: int, cut: Examples) -> Step:
    """Make the step that moves all places of an example into one row, or back."""
    (operand,) = shop.graph.operands(index)
    source, target = shop.at(operand), shop.target(index, cut)
    piece = Piece(cut)
    row = source if target.layout == "examples" else target
    assert row.layout != "examples"
    width = columns(row.shape)
    assert places(row.shape) == 1
    apart = (
        (count_of(LANES), stride(row.name)) if row.layout == "panels" else (count_of(width), count_of(LANES))
    )
    if row is source:
        arguments: Sequence[Count] = (
            piece.address(source), *apart, piece.address(target), count_of(width), EXAMPLES
        )  # fmt: skip
    else:
        arguments = piece.address(source), piece.address(target), *apart, count_of(width), EXAMPLES
    call = shop.call("to_examples" if row is source else "from_examples", arguments)
    reads, writes = (Access(source.name, piece.own),), (Access(target.name, piece.own),)
    return Step((call,), work_of(cut), reads, writes)


def _scratch(shop: Workshop, name: str, floats: int) -> Count:
    """Return the address of the memory that a thread has for one purpose."""
    before = shop.buffers.get(name)
    size = max(floats, before.shape[0] if before else 0)
    shop.add(Buffer(name, (size,), role="scratch", label=name))
    return address(name) + THREAD
