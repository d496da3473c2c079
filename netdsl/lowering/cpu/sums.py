"""Steps of sums over rows and over weights."""

from __future__ import annotations

from netdsl.graph import count
from netdsl.lowering.cpu.buffers import Workshop, piece_shape
from netdsl.lowering.cpu.groups import lanes_step
from netdsl.lowering.cpu.moves import SUM_LINES
from netdsl.lowering.cpu.pieces import ITEM, PIECE, Piece, panels_of, pieces_of, work_of
from netdsl.passes.contractions import in_memory
from netdsl.passes.lanes import domain_of
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Call,
    Each,
    Examples,
    Group,
    Layout,
    Panels,
    Step,
    Tiles,
    address,
    count_of,
    rows_of,
)
from netdsl.program.layout import columns, places


def _fed(shop: Workshop, group: Group, cut: Panels | Tiles | Examples) -> tuple[list[Step], Buffer]:
    """Return the buffer that a sum reads, and the step that fills a thread's own with what is summed up."""
    *feed, index = group.nodes
    operand = in_memory(shop.graph, shop.graph.operands(index)[0], shop.places)
    if operand in shop.places:
        return [], shop.places[operand]
    shape = piece_shape(shop.graph[operand].shape, cut)
    layout: Layout = "panels" if isinstance(cut, Examples) else "rows"
    summed = shop.add(Buffer(f"summed {index}", shape, layout=layout, role="scratch"))
    domain = domain_of(shop.graph, operand)
    assert domain is not None
    return [lanes_step(shop, feed, {operand: summed}, cut, domain)], summed


def columns_steps(shop: Workshop, group: Group, cut: Panels) -> list[Step]:
    """Make the steps of a sum over rows: what is summed up, unless it lies in memory, and the sum of a
    panel's columns."""
    fed, source = _fed(shop, group, cut)
    index = group.stores[0]
    target = shop.target(index, cut)
    place = Piece(cut, flat=True).address(target)
    piece = Piece(cut)
    call = shop.call("column_sums", (piece.rows(), piece.address(source), place))
    reads, writes = (Access(source.name, piece.own),), (Access(target.name, piece.own),)
    return [*fed, Step((call,), work_of(cut), reads, writes, flops=piece.rows() * cut.columns)]


def sums_steps(shop: Workshop, group: Group, cut: Examples) -> list[Step]:
    """Make the steps of a sum over the places of each example."""
    fed, source = _fed(shop, group, cut)
    index = group.stores[0]
    target = shop.target(index, cut)
    shape = shop.graph[shop.graph.operands(index)[0]].shape
    calls = [
        shop.call(
            "place_sums",
            (piece.rows(), count_of(places(shape)), piece.address(source), piece.address(target)),
        )
        for piece in pieces_of(cut, columns(shape))
    ]
    reads, writes = (Access(source.name, "Examples"),), (Access(target.name, "Examples"),)
    return [*fed, Step(tuple(calls), work_of(cut), reads, writes, flops=count(shape) * rows_of(shape))]


def total_steps(shop: Workshop, group: Group, cut: Tiles) -> list[Step]:
    """Sum the columns of each tile into a line of its own, and then the lines."""
    fed, source = _fed(shop, group, cut)
    index = group.stores[0]
    piece = Piece(cut)
    across = -(-cut.rows // cut.chunk)
    lines = panels_of(cut.columns) * across
    parts = shop.add(Buffer(f"parts of v{index}", (lines, LANES), label="partial sums"))
    line = address(parts.name) + 64 * across * ITEM + 64 * PIECE
    call = shop.call("column_sums", (piece.rows(), piece.address(source), line))
    reads, writes = (Access(source.name, piece.own),), (Access(parts.name, piece.own),)
    swept = Step((call,), work_of(cut), reads, writes, flops=count_of(cut.rows * cut.columns))
    target = shop.target(index, cut)
    width = cut.columns - LANES * (panels_of(cut.columns) - 1)
    last = shop.call(SUM_LINES, tuple(map(count_of, (0, 0, lines, across, width))))
    last = Call(last.kernel, (address(parts.name), address(target.name), *last.arguments[2:]))
    ended = Step((last,), Each(()), (Access(parts.name),), (Access(target.name),), shop.origins([index]))
    return [*fed, swept, ended]
