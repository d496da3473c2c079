"""Steps of random draws, of rows added to tables, and of values copied row by row."""

from __future__ import annotations

from netdsl.graph import count
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.moves import ADD_PANELS, ADD_ROWS
from netdsl.lowering.cpu.pieces import CONTEXT, HI, ITEM, LO, examples_of, panels_of, pieces_of, work_of
from netdsl.operations.philox import stream_hash
from netdsl.program import (
    Access,
    Buffer,
    Cut,
    Examples,
    Origin,
    Panels,
    Range,
    Rows,
    Step,
    address,
    count_of,
    rows_of,
    stride,
)
from netdsl.program.layout import columns, places

DRAWN_TOGETHER = 64
"""Elements of a random draw that one thread makes in one go, at least: a multiple of the four of a counter.
"""


def draw_step(shop: Workshop, index: int, cut: Cut) -> Step:
    """Make the step of a random draw."""
    node, target = shop.graph[index], shop.target(index, cut)
    stream = count_of(signed(stream_hash(node.setting("stream"))))
    numbers = count(node.shape)
    total = numbers * rows_of(node.shape)
    if isinstance(cut, Panels | Examples):
        calls = []
        first, many = (places(node.shape) * each for each in examples_of(cut))
        for piece in pieces_of(cut, columns(node.shape)):
            column = 16 * ITEM if isinstance(cut, Panels) else count_of(16 * piece.panel)
            place = piece.address(target), count_of(columns(node.shape)), column, first, first + many
            calls.append(shop.call(f"draw_{node.operation.name}_panel", (CONTEXT, stream, *place)))
        return Step(tuple(calls), work_of(cut), (), (Access(target.name, piece.own),), flops=20 * total)
    call = shop.call(f"draw_{node.operation.name}", (CONTEXT, stream, address(target.name), LO, HI))
    return Step((call,), Range(total, DRAWN_TOGETHER), (), (Access(target.name),), flops=20 * total)


def signed(word: int) -> int:
    """Return 64 bits as the signed number that a launch passes."""
    return word - 2**64 if word >= 2**63 else word


def scatter_steps(shop: Workshop, index: int) -> list[Step]:
    """Make the step of rows added to a table, shared out by panels where the rows lie in them; rows that are
    themselves matrices in panels are copied first."""
    indices, updates = (shop.at(each) for each in shop.graph.operands(index))
    target = shop.target(index, Rows())
    assert (indices.layout, target.layout) == ("rows", "rows")
    entries = count(indices.shape) * rows_of(indices.shape)
    extent, width = count_of(target.shape[0]), count_of(count(target.shape[1:]))
    first: list[Step] = []
    if updates.layout == "panels" and columns(updates.shape) != count(target.shape[1:]):
        first.append(unpacked(shop, updates))
        updates = shop.buffers[first[0].writes[0].buffer]
    if updates.layout == "panels":
        source = address(updates.name), stride(updates.name), address(target.name)
        call = shop.call(ADD_PANELS, (address(indices.name), *source, entries, extent, width, LO, HI))
        work = Range(count_of(panels_of(columns(updates.shape))))
    else:
        addresses = (address(each.name) for each in (indices, updates, target))
        call = shop.call(ADD_ROWS, (*addresses, entries, width, LO, HI))
        work = Range(extent)
    reads, writes = (Access(indices.name), Access(updates.name)), (Access(target.name),)
    return [*first, Step((call,), work, reads, writes, flops=entries * width)]


def unpacked(shop: Workshop, buffer: Buffer) -> Step:
    """Return the step that copies a value in panels to a row-major place."""
    width = columns(buffer.shape)
    rows = places(buffer.shape) * rows_of(buffer.shape)
    copy = shop.add(Buffer(f"{buffer.name} in rows", buffer.shape, label=buffer.label))
    both = address(buffer.name), stride(buffer.name), address(copy.name)
    call = shop.call("unpack_panels", (*both, count_of(width), count_of(width), LO, HI))
    origin = (Origin(f"{buffer.label or buffer.name}, row by row"),)
    reads, writes = (Access(buffer.name),), (Access(copy.name),)
    return Step((call,), Range(rows), reads, writes, origin, bytes=8 * width * rows)
