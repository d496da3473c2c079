"""Steps of the library's products."""

from __future__ import annotations

from netdsl.graph import count
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.pieces import FIRST, HI, ITEM, LAST, LO, Piece, panels_of, work_of
from netdsl.passes.contractions import contraction_of, in_memory
from netdsl.program import (
    LANES,
    ROWS,
    Access,
    Buffer,
    Count,
    Group,
    Panels,
    Rows,
    Step,
    Tiles,
    Unit,
    address,
    count_of,
    stride,
)

SQUARE = LANES * LANES
NOTHING = Count()


def product(shop: Workshop, group: Group, cut: Panels | Rows) -> Step:
    """Make the step of X W, with an offset if there is one: a panel an item, or all panels for a share of
    the rows."""
    contraction = contraction_of(shop.graph, group)
    left, right = (shop.at(each) for each in shop.graph.operands(contraction))
    target = shop.target(group.stores[0], cut)
    offset = _offset(shop, group, contraction)
    bias = address(offset.name) if offset else NOTHING
    assert right.layout == target.layout == "panels" or target.role == "scratch"
    depth, panels = count(left.shape), panels_of(count(target.shape))
    a_row, a_panel = left_strides(left)
    weights, start = address(right.name), address(left.name)
    if isinstance(cut, Panels):
        piece = Piece(cut)
        bias = bias + 64 * ITEM if offset else NOTHING
        one = count_of(1)
        call = shop.call(
            "product",
            (ROWS, count_of(depth), start, a_row, a_panel, weights + 64 * depth * ITEM, piece.address(target),
             NOTHING, bias, one),
        )  # fmt: skip
        access = Access(target.name, piece.own)
        reads = Access(left.name), Access(right.name, piece.own)
    else:
        call = shop.call(
            "product",
            (HI + -1 * LO, count_of(depth), start + 4 * a_row * LO, a_row, a_panel, weights,
             address(target.name) + 64 * LO, stride(target.name), bias, count_of(panels)),
        )  # fmt: skip
        access = Access(target.name, "Rows")
        reads = Access(left.name, "Rows"), Access(right.name)
    extra = (Access(offset.name, access.own if isinstance(cut, Panels) else ""),) if offset else ()
    flops = 2 * depth * count(target.shape) * ROWS
    return Step((call,), work_of(cut), (*reads, *extra), (access,), flops=flops)


def back(shop: Workshop, group: Group, cut: Panels) -> Step:
    """Make the step of Y W^T, an item being a panel of the result; Y is read turned."""
    (index,) = group.stores
    left, right = shop.graph.operands(index)
    weights, turned = shop.at(right), shop.turned(in_memory(shop.graph, left, shop.places))
    target = shop.target(index, cut)
    assert weights.layout == "panels"
    assert target.layout == "panels" or target.role == "scratch"
    rows, depth = weights.shape
    piece = Piece(cut)
    call = shop.call(
        "product_back",
        (ROWS, count_of(depth), address(weights.name), count_of(rows), address(turned.name),
         count_of(SQUARE * panels_of(depth)), piece.address(target), NOTHING, ITEM, ITEM + 1),
    )  # fmt: skip
    reads = Access(turned.name), Access(weights.name)
    flops = 2 * depth * rows * ROWS
    return Step((call,), work_of(cut), reads, (Access(target.name, piece.own),), flops=flops)


def gradient(shop: Workshop, group: Group, unit: Unit) -> Step:
    """Make the step of X^T Y, an item being a tile of the result. What the unit overwrites next is asked for
    meanwhile."""
    (index,) = group.stores
    assert isinstance(unit.cut, Tiles)
    left, right = (shop.at(each) for each in shop.graph.operands(index))
    target = shop.target(index, unit.cut)
    assert right.layout == "panels"
    assert target.layout == "panels" or target.role == "scratch"
    piece = Piece(unit.cut)
    kept = [shop.target(each, unit.cut) for each in unit.stores() if each in shop.in_place]
    soon = [piece.address(each) for each in kept[:3]]
    a_row, a_panel = left_strides(left)
    call = shop.call(
        "weight_gradient",
        (ROWS, address(left.name), a_row, a_panel, address(right.name) + 4 * stride(right.name) * ITEM,
         piece.address(target), FIRST, LAST, *soon, *[NOTHING] * (3 - len(soon))),
    )  # fmt: skip
    reads = Access(left.name), Access(right.name)
    flops = 2 * unit.cut.rows * unit.cut.columns * ROWS
    return Step((call,), work_of(unit.cut), reads, (Access(target.name, piece.own),), flops=flops)


def turn(shop: Workshop, index: int, cut: Panels | Rows) -> Step:
    """Make the step that turns a value in panels for a product back."""
    source, target = shop.places[index], shop.turned(index)
    panels = panels_of(count(source.shape))
    block = SQUARE * panels
    if isinstance(cut, Panels):
        piece = Piece(cut)
        place = address(target.name) + 4 * SQUARE * ITEM
        calls = [shop.call("turn_panel", (ROWS, piece.address(source), place, count_of(block)))]
        own = piece.own
    else:
        own = "Rows"
        calls = [
            shop.call(
                "turn_panel",
                (
                    HI + -1 * LO,
                    address(source.name) + 4 * panel * stride(source.name) + 64 * LO,
                    address(target.name) + 4 * SQUARE * panel + 64 * panels * LO,
                    count_of(block),
                ),
            )
            for panel in range(panels)
        ]
    return Step(tuple(calls), work_of(cut), (Access(source.name, own),), (Access(target.name, own),))


def left_strides(buffer: Buffer) -> tuple[Count, Count]:
    """Return the floats between rows and between groups of 16 columns of a left factor."""
    if buffer.layout == "panels":
        return count_of(LANES), stride(buffer.name)
    return count_of(count(buffer.shape)), count_of(LANES)


def _offset(shop: Workshop, group: Group, contraction: int) -> Buffer | None:
    """Return the vector that is added to each row of a product."""
    others = [index for index in group.nodes if shop.graph[index].operation.name == "broadcast"]
    return shop.at(shop.graph.operands(others[0])[0]) if others else None
