"""Steps of kernels that are written for a group: in loops, or along lanes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import gcd, prod
from typing import Final

from netdsl.graph import Graph, Shape, count, is_batched
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.kernel_text import KernelText
from netdsl.lowering.cpu.lanes import Lanes
from netdsl.lowering.cpu.loops import Loops
from netdsl.lowering.cpu.nests import Plan
from netdsl.lowering.cpu.pieces import Piece, pieces_of, work_of
from netdsl.lowering.headers import about
from netdsl.lowering.taps import summed_extents
from netdsl.passes.contractions import in_memory
from netdsl.passes.fuse import WINDOWS
from netdsl.passes.lanes import Domain, domain_of
from netdsl.passes.storing import REDUCTIONS
from netdsl.program import LANES, ROWS, Access, Buffer, Call, Count, Cut, Each, Range, Step, count_of, rows_of
from netdsl.program.layout import places


def loops_step(shop: Workshop, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Step:
    """Make the step of loops for a group."""
    graph = shop.graph
    outer = _outer(graph, nodes, stores)
    known = {index: buffer for index, buffer in shop.places.items() if stores.get(index) is not buffer}
    loops = Loops(Plan(graph, tuple(nodes), stores, known, outer))
    loops.write()
    for buffer in loops.plan.scratch.values():
        shop.add(buffer)
    call = _generated(shop, loops.values.text, nodes or list(stores), stores)
    own = "Rows" if is_batched(outer) else ""
    flops = sum((_operations(graph, index) for index in nodes), count_of(0))
    work = examples_of_rows(outer, [graph[index].shape for index in stores])
    return Step((call,), work, _reads(shop, nodes, stores, own), _writes(stores, own), flops=flops)


def _operations(graph: Graph, index: int) -> Count:
    """Return how many operations a node is, counted by the largest value that it reads or makes."""
    node = graph[index]
    if node.operation.family == "movement":
        return count_of(0)
    shapes = [node.shape, *(graph[each].shape for each in graph.operands(index))]
    widest = max(shapes, key=count)
    total = count(widest)
    if node.operation.name == "matmul":
        total = 2 * count(node.shape) * _contracted(graph, index)
    elif node.operation.name in WINDOWS and node.operation.name != "take_window":
        total = 2 * count(node.shape) * prod(abs(extent) for extent in summed_extents(graph, index))
    return total * next((rows_of(shape) for shape in shapes if is_batched(shape)), count_of(1))


def _contracted(graph: Graph, index: int) -> int:
    left = graph[graph.operands(index)[0]].shape
    return prod(left[a] for a, _ in graph[index].setting("contract") if left[a] > 0)


def _outer(graph: Graph, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Shape:
    """Choose the axes that threads share out: the batch, or the first axis that every value of the group
    has."""
    shapes = [graph[index].shape for index in (*nodes, *stores)]
    for index in stores:
        if graph[index].operation.name in WINDOWS:
            kernel = graph[index].operation.name == "convolve_kernel"
            return graph[index].shape[: -1 if kernel else 1]
    if all(is_batched(graph[index].shape) for index in stores):
        return _places_in_common(graph, nodes) or shapes[-1][:1]
    (first, *others) = shapes
    names = {graph[index].operation.name for index in nodes}
    moved = names & (REDUCTIONS | {"transpose", "slice", "pad", "concat", "gather"})
    if first and all(each == first for each in others) and not moved and not is_batched(first):
        return first[:1]
    return ()


def _places_in_common(graph: Graph, nodes: Sequence[int]) -> Shape:
    """Return the leading axes of a group that folds what stands at one place after the other, so that a line
    of neighbors is at hand; none where it looks beyond a place, or folds nothing."""
    shapes = [graph[index].shape for index in nodes if is_batched(graph[index].shape)]
    names = {graph[index].operation.name for index in nodes}
    if not names & REDUCTIONS or names & SHIFTS or not shapes:
        return ()
    common: list[int] = []
    for axis, extents in enumerate(zip(*shapes, strict=False)):
        if len(set(extents)) > 1 or max(prod(shape[axis + 1 :]) for shape in shapes) < AT_HAND:
            break
        common.append(extents[0])
    return tuple(common)


AT_HAND: Final = 64
"""Numbers of a place, at least, for which loops of their own are worth while: all that is computed of them
stays in the first cache. Softmax of 64 numbers takes a third less time than with 1024, layer norm too."""

SHIFTS: Final = WINDOWS | {"transpose", "slice", "pad", "concat"}
"""Movements that bring together what stands at different places."""


def examples_of_rows(outer: Shape, stored: Sequence[Shape]) -> Range | Each:
    """Share out the outer axes of what is stored. Examples are cut where a multiple of 16 rows ends, which
    each of them is where it has as many places."""
    if not outer:
        return Each(())
    if not is_batched(outer):
        return Range(count_of(prod(outer)))
    return Range(rows_of(outer), LANES // gcd(LANES, *map(places, stored)))


def lanes_step(
    shop: Workshop, nodes: Sequence[int], stores: Mapping[int, Buffer], cut: Cut, domain: Domain
) -> Step:
    """Make the step of a group that goes along the lanes of a matrix."""
    calls = []
    by_examples = any(buffer.layout == "examples" for buffer in stores.values())
    for piece in [Piece(cut)] if by_examples else pieces_of(cut, domain.columns, flat=domain.flat):
        lanes = Lanes(shop.graph, nodes, stores, shop.places, domain, piece)
        lanes.write()
        calls.append(_generated(shop, lanes.text, nodes, stores))
    operations = sum(shop.graph[index].operation.family == "elementwise" for index in nodes)
    size = domain.columns * domain.places * (ROWS * domain.batches if domain.batches else count_of(1))
    reads = _reads(shop, nodes, stores, piece.own)
    return Step(tuple(calls), work_of(cut), reads, _writes(stores, piece.own), flops=operations * size)


def along(shop: Workshop, index: int) -> Domain:
    """Return what a kernel goes along: a matrix in panels or of a batch, or else neighbors in memory."""
    domain = domain_of(shop.graph, index)
    if domain is None or not (domain.batches or index in shop.choice.panels):
        return Domain(0, 1, count(shop.graph[index].shape), flat=True)
    return domain


def _generated(shop: Workshop, text: KernelText, nodes: Sequence[int], stores: Iterable[int]) -> Call:
    shop.numbers.pass_to(text)
    names = [shop.graph[index].operation.name for index in nodes]
    kernel = text.finish(_stem(names), about(shop.graph, nodes, stores, shop.formulas))
    return shop.call(kernel, *text.passed())


def _stem(names: Sequence[str]) -> str:
    quiet = {"broadcast", "reshape", "constant", "cast"}
    told = list(dict.fromkeys(name for name in names if name not in quiet))
    return "_".join(told[:3]) or "copy"


def _reads(
    shop: Workshop, nodes: Sequence[int], stores: Mapping[int, Buffer], own: str
) -> tuple[Access, ...]:
    """Return what a group reads: its own part of what has one, all of what is shared by all examples."""
    graph = shop.graph
    operands = (
        {each for index in nodes for each in graph.operands(index)} - set(nodes) if nodes else set(stores)
    )
    names = {
        shop.places[place].name
        for each in operands
        if (place := in_memory(graph, each, shop.places)) in shop.places
    }
    batched = own in ("Rows", "Examples")
    return tuple(
        Access(name, own if is_batched(shop.buffers[name].shape) or not batched else "")
        for name in sorted(names)
    )


def _writes(stores: Mapping[int, Buffer], own: str) -> tuple[Access, ...]:
    return tuple(Access(buffer.name, own) for buffer in stores.values())
