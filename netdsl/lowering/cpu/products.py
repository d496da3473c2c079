"""Steps of the library's products."""

from __future__ import annotations

from netdsl.graph import Shape, count
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.loop_parts import fixed_parts
from netdsl.lowering.cpu.parts import (
    few,
    goes_by_examples_in_tiles,
    goes_by_tiles,
    is_tall,
    left_strides,
    many,
    rows_in,
    split,
)
from netdsl.lowering.cpu.pieces import (
    FIRST,
    ITEM,
    LAST,
    MANY,
    PANELS_AT_ONCE,
    Piece,
    examples_of,
    panels_of,
    work_of,
)
from netdsl.passes.contractions import contraction_of, in_memory
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Count,
    Cut,
    Each,
    Examples,
    Group,
    Panels,
    Rows,
    Step,
    Tiles,
    Unit,
    address,
    count_of,
    rows_of,
    stride,
    symbol,
)
from netdsl.program.layout import columns, places

SQUARE = LANES * LANES
NOTHING = Count()


def product(shop: Workshop, group: Group, cut: Panels | Rows | Examples) -> Step:
    """Make the step of X W, with an offset if there is one.

    An item is a panel, some of them made at once, or all panels for a share of the examples."""
    contraction = contraction_of(shop.graph, group)
    given = shop.graph[shop.graph.operands(contraction)[0]].shape
    left, right = (shop.at(each) for each in shop.graph.operands(contraction))
    target = shop.target(group.stores[0], cut, at_once=PANELS_AT_ONCE if isinstance(cut, Panels) else 1)
    offset = _offset(shop, group, contraction)
    bias = address(offset.name) if offset else NOTHING
    assert right.layout == target.layout == "panels" or target.role == "scratch"
    depth, panels = columns(given), count_of(panels_of(columns(shop.graph[contraction].shape)))
    piece = Piece(cut)
    a_row, a_panel = left_strides(left, given)
    start, weights = _start(left, given, cut), address(right.name)
    if isinstance(cut, Panels):
        weights, panels = weights + 64 * depth * ITEM, MANY
        bias = bias + 64 * ITEM if offset else NOTHING
    tiled = goes_by_tiles(shop, contraction, cut)
    fixed = fixed_parts(shop, contraction, cut)
    if goes_by_examples_in_tiles(shop, contraction, cut):
        fixed = split(shop, shop.graph.operands(contraction)[1], "right")
    calls = [shop.call(
        "product",
        (places(given) * examples_of(cut)[1], count_of(depth), start, a_row, a_panel, weights,
         piece.address(target), stride(target.name), bias, panels, _soon(shop)),
        _asked(shop, piece),
        few(given) if tiled or fixed else None,
    )]  # fmt: skip
    of_panel, of_rows = (piece.own, "") if isinstance(cut, Panels) else ("", piece.own)
    reads = [Access(left.name, of_rows), Access(right.name, of_panel)]
    reads += [Access(offset.name, of_panel)] if offset else []
    if tiled:
        parts = split(shop, shop.graph.operands(contraction)[0], "left")
        reads.append(Access(parts.name))
        words = (rows_in(given), count_of(depth), address(parts.name), weights, piece.address(target),
                 stride(target.name), bias, panels)  # fmt: skip
        calls.append(shop.call("product_of_parts", words, only=many(given)))
    if fixed:
        reads.append(Access(fixed.name))
        turns = (places(given) * examples_of(cut)[1], count_of(depth), start, a_row, a_panel,
                 address(fixed.name), piece.address(target), stride(target.name), bias, panels)  # fmt: skip
        calls.append(shop.call("product_of_turns", turns, only=many(given)))
    flops = 2 * depth * count(shop.graph[contraction].shape) * rows_of(given)
    return Step(tuple(calls), work_of(cut), tuple(reads), (Access(target.name, piece.own),), flops=flops)


def back(shop: Workshop, group: Group, cut: Panels | Examples) -> Step:
    """Make the step of Y W^T, an item being a panel of the result, some of them made at once, or some
    examples; Y is read turned."""
    (index,) = group.stores
    left, right = shop.graph.operands(index)
    if right in shop.choice.turned:
        return _by_turned(shop, index, cut)
    given = shop.graph[left].shape
    weights, turned = shop.at(right), shop.turned(in_memory(shop.graph, left, shop.places))
    target = shop.target(index, cut, at_once=PANELS_AT_ONCE if isinstance(cut, Panels) else 1)
    assert weights.layout == "panels"
    assert target.layout == "panels" or target.role == "scratch"
    rows, depth = weights.shape
    piece = Piece(cut)
    first, examples = examples_of(cut)
    share = (ITEM, ITEM + MANY) if isinstance(cut, Panels) else (NOTHING, count_of(panels_of(rows)))
    tiled = goes_by_tiles(shop, index, cut)
    by_examples = goes_by_examples_in_tiles(shop, index, cut)
    calls = [shop.call(
        "product_back",
        (places(given) * examples, count_of(depth), address(weights.name), count_of(rows),
         address(turned.name) + 64 * panels_of(depth) * places(given) * first,
         count_of(SQUARE * panels_of(depth)), piece.address(target), stride(target.name), *share),
        only=few(given) if tiled or by_examples else None,
    )]  # fmt: skip
    reads = [Access(turned.name, "" if isinstance(cut, Panels) else piece.own), Access(weights.name)]
    if tiled:
        parts = split(shop, in_memory(shop.graph, left, shop.places), "turned right")
        reads.append(Access(parts.name))
        words = (rows_in(given), count_of(depth), address(weights.name), count_of(rows), address(parts.name),
                 piece.address(target), stride(target.name), *share)  # fmt: skip
        calls.append(shop.call("back_of_parts", words, only=many(given)))
    if by_examples:
        parts, values = split(shop, right, "back"), shop.at(left)
        reads += [Access(parts.name), Access(values.name, piece.own)]
        own = (places(given) * examples, count_of(depth), _start(values, given, cut),
                 *left_strides(values, given), address(parts.name), piece.address(target),
                 stride(target.name), NOTHING, count_of(panels_of(rows)))  # fmt: skip
        calls.append(shop.call("product_of_turns", own, only=many(given)))
    flops = 2 * depth * rows * places(given) * rows_of(given)
    return Step(tuple(calls), work_of(cut), tuple(reads), (Access(target.name, piece.own),), flops=flops)


def _by_turned(shop: Workshop, index: int, cut: Panels | Examples) -> Step:
    """Make the step of Y W^T by the turned copy of W that all turns of a loop read: it lies as the panels of
    W^T do."""
    assert isinstance(cut, Examples)
    left, right = shop.graph.operands(index)
    given, shape = shop.graph[left].shape, shop.graph[right].shape
    values, weights, target = shop.at(left), shop.turned(right), shop.target(index, cut)
    piece = Piece(cut)
    fixed = fixed_parts(shop, index, cut)
    start = (places(given) * examples_of(cut)[1], count_of(columns(given)), _start(values, given, cut),
             *left_strides(values, given))  # fmt: skip
    end = piece.address(target), stride(target.name), NOTHING, count_of(panels_of(shape[0]))
    words = (*start, address(weights.name), *end, _soon(shop))
    calls = [shop.call("product", words, _asked(shop, piece), few(given) if fixed else None)]
    reads = [Access(values.name, piece.own), Access(weights.name)]
    if fixed:
        reads.append(Access(fixed.name))
        calls.append(shop.call("product_of_turns", (*start, address(fixed.name), *end), only=many(given)))
    flops = 2 * columns(given) * shape[0] * places(given) * rows_of(given)
    return Step(tuple(calls), work_of(cut), tuple(reads), (Access(target.name, piece.own),), flops=flops)


def turn_matrix(shop: Workshop, source: Buffer, target: Buffer) -> Step:
    """Make the step that turns a matrix in panels which a loop reads: a panel an item."""
    rows, panels = source.shape[0], panels_of(source.shape[1])
    place, block = address(target.name) + 4 * SQUARE * ITEM, count_of(SQUARE * panels)
    start = address(source.name) + 4 * stride(source.name) * ITEM
    call = shop.call("turn_panel", (count_of(rows), start, place, block))
    work = Each((count_of(panels),))
    return Step((call,), work, (Access(source.name),), (Access(target.name),))


def gradient(shop: Workshop, group: Group, unit: Unit) -> Step:
    """Make the step of X^T Y, an item being a tile of the result, two of them made at once. What the unit
    overwrites next is asked for meanwhile."""
    (index,) = group.stores
    assert isinstance(unit.cut, Tiles)
    given = shop.graph[shop.graph.operands(index)[0]].shape
    left, right = (shop.at(each) for each in shop.graph.operands(index))
    target = shop.target(index, unit.cut, at_once=unit.cut.at_once)
    assert right.layout == "panels"
    assert target.layout == "panels" or target.role == "scratch"
    piece = Piece(unit.cut)
    kept = [shop.target(each, unit.cut) for each in unit.stores() if each in shop.in_place]
    soon = [piece.address(each) for each in kept[:3]]
    a_row, a_panel = left_strides(left, given)
    rows = places(given) * rows_of(given)
    flops = 2 * unit.cut.rows * unit.cut.columns * rows
    writes = (Access(target.name, piece.own),)
    if is_tall(unit.cut):
        call = shop.call("tall_gradient", (
            count_of(rows), address(left.name), a_row, a_panel,
            address(right.name) + 4 * stride(right.name) * ITEM, stride(right.name),
            piece.address(target), stride(target.name), MANY, FIRST, LAST,
        ))  # fmt: skip
        factors = Access(left.name), Access(right.name)
        return Step((call,), work_of(unit.cut), factors, writes, flops=flops)
    words = (
        rows, address(left.name), a_row, a_panel,
        address(right.name) + 4 * stride(right.name) * ITEM, stride(right.name),
        piece.address(target), stride(target.name), MANY, FIRST, LAST,
        *soon, *[NOTHING] * (3 - len(soon)), stride(kept[0].name) if kept else NOTHING,
    )  # fmt: skip
    tiled = goes_by_tiles(shop, index, unit.cut)
    only = few(given) if tiled else None
    calls = [shop.call("weight_gradient", (symbol("block"),), words, only)]
    reads = [Access(left.name), Access(right.name)]
    if tiled:
        x, y = (
            split(shop, *each) for each in zip(shop.graph.operands(index), ("turned", "right"), strict=True)
        )
        reads += [Access(x.name), Access(y.name)]
        calls.append(shop.call(
            "gradient_of_parts",
            (count_of(rows), address(x.name), address(y.name), ITEM, piece.address(target),
             stride(target.name), MANY, FIRST, LAST),
            only=many(given),
        ))  # fmt: skip
    return Step(tuple(calls), work_of(unit.cut), tuple(reads), writes, flops=flops)


def turn(shop: Workshop, index: int, cut: Panels | Rows | Examples) -> Step:
    """Make the step that turns a value in panels for a product back: a panel an item, or all panels for a
    share of the examples, which begins at a multiple of 16 rows."""
    source, target = shop.places[index], shop.turned(index)
    shape = shop.graph[index].shape
    panels = panels_of(columns(shape))
    first, many = examples_of(cut)
    whole = range(1) if isinstance(cut, Panels) else range(panels)
    calls = []
    for panel in whole:
        piece = Piece(cut, panel=panel)
        place = address(target.name) + (4 * SQUARE * (ITEM if isinstance(cut, Panels) else count_of(panel)))
        place = place + 64 * panels * places(shape) * first
        rows = places(shape) * many
        calls.append(shop.call("turn_panel", (rows, piece.address(source), place, count_of(SQUARE * panels))))
    own = Piece(cut).own
    return Step(tuple(calls), work_of(cut), (Access(source.name, own),), (Access(target.name, own),))


def _soon(shop: Workshop) -> Count:
    """Return where a call finds what it asks for meanwhile, in the words of `_asked`."""
    return symbol("block") if shop.soon else NOTHING


def _asked(shop: Workshop, piece: Piece) -> list[Count]:
    """Return what a product in a loop asks for meanwhile: two values that the next turn reads, and their
    strides. From beyond the second cache they come twice as fast: 0.3 ms of W9."""
    asked = (shop.soon[:2] * 2)[:2]
    del shop.soon[:2]
    return [word for each in asked for word in (piece.address(each), 4 * stride(each.name))]


def _start(left: Buffer, shape: Shape, cut: Cut) -> Count:
    """Return where the rows of a left factor begin that a piece multiplies."""
    if left.role == "scratch":
        return Piece(cut).address(left)
    return address(left.name) + 4 * left_strides(left, shape)[0] * places(shape) * examples_of(cut)[0]


def _offset(shop: Workshop, group: Group, contraction: int) -> Buffer | None:
    """Return the vector that is added to each row of a product."""
    others = [index for index in group.nodes if shop.graph[index].operation.name == "broadcast"]
    return shop.at(shop.graph.operands(others[0])[0]) if others else None
