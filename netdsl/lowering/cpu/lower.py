"""From units to a program: buffers, the texts of kernels, and steps in an order that is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from netdsl.graph import BATCH, Graph, Shape, count, is_batched
from netdsl.lowering.cpu.buffers import Workshop, together
from netdsl.lowering.cpu.headers import about
from netdsl.lowering.cpu.kernel_text import KernelText
from netdsl.lowering.cpu.lanes import Lanes
from netdsl.lowering.cpu.loops import Loops
from netdsl.lowering.cpu.moves import ADD_ROWS, SUM_LINES, TAKE_NUMBERS
from netdsl.lowering.cpu.numbers import NumberTable
from netdsl.lowering.cpu.order import in_order
from netdsl.lowering.cpu.pieces import HI, ITEM, LO, PIECE, Piece, panels_of, work_of
from netdsl.lowering.cpu.products import back, gradient, product, turn
from netdsl.lowering.cpu.words import field_word, result_word
from netdsl.operations.philox import stream_hash
from netdsl.passes.contractions import in_memory
from netdsl.passes.fuse import REDUCTIONS
from netdsl.passes.lanes import Domain, domain_of
from netdsl.program import (
    LANES,
    ROWS,
    Access,
    Buffer,
    Call,
    Choice,
    Count,
    Cut,
    Each,
    Everyone,
    Group,
    Input,
    Origin,
    Output,
    Panels,
    Part,
    Program,
    Range,
    Rows,
    Step,
    Tiles,
    Unit,
    address,
    count_of,
    stride,
    symbol,
)

CONTEXT = symbol("context")
DRAWN_TOGETHER = 64
"""Elements of a random draw that one thread makes in one go, at least: a multiple of the four of a counter.
"""


def lower(choice: Choice, name: str) -> tuple[Program, tuple[Step, ...]]:
    """Return a program without phases yet, and its steps in an order that is right on one thread."""
    order = in_order(choice)
    graph = choice.graph
    shop = Workshop(choice, order.in_place, NumberTable(graph))
    shop.place_leaves()
    inputs = _inputs(graph, shop)
    taken = [step for number, each in enumerate(inputs) for step in _take(shop, number, each, len(inputs))]
    computed = [step for unit in order.units for step in _steps(shop, unit)]
    given = [
        step for number, each in enumerate(graph.outputs) for step in _give(shop, number, each, len(inputs))
    ]
    copied = [_loops(shop, (), {index: shop.buffers[kept]}) for kept, index in order.copies]
    numbers = [_take_numbers(shop)] if shop.numbers.slots else []
    program = Program(
        name,
        shop.buffers,
        shop.kernels,
        (),
        {label: shop.places[index].name for label, index in _kept(graph).items()},
        inputs,
        tuple(Output(each, graph[index].shape, graph[index].dtype) for each, index in graph.outputs.items()),
        shop.numbers.scalars(),
    )
    return program, (*numbers, *taken, *computed, *given, *copied)


def _kept(graph: Graph) -> dict[str, int]:
    return {**graph.leaves("weight"), **graph.leaves("state")}


# ---- units ------------------------------------------------------------------------------------


def _steps(shop: Workshop, unit: Unit) -> list[Step]:
    """Return the step of a unit, and what is to be done when all its pieces are."""
    made: list[Step] = []
    after: list[Step] = []
    for part in unit.parts:
        if part.template == "copy" and part.group.stores[0] in shop.places:
            continue
        for step in _part(shop, part, unit):
            made.append(step) if step.work == work_of(unit.cut) or not made else after.append(step)
        turned = [index for index in part.group.stores if index in shop.choice.turned]
        made += [turn(shop, index, _turn_cut(unit.cut)) for index in turned]
    if not made:
        return []
    reads, writes = together(made)
    calls = tuple(call for step in made for call in step.calls)
    flops = sum((step.flops for step in made), count_of(0))
    origins = shop.origins(unit.stores())
    return [Step(calls, made[0].work, reads, writes, origins, flops, _bytes(shop, reads, writes)), *after]


def _turn_cut(cut: Cut) -> Panels | Rows:
    return cut if isinstance(cut, Panels) else Rows()


def _bytes(shop: Workshop, reads: Sequence[Access], writes: Sequence[Access]) -> Count:
    total = count_of(0)
    for name in (access.buffer for access in (*reads, *writes)):
        shape = shop.buffers[name].shape
        if shop.buffers[name].role != "scratch":
            total = total + 4 * count(shape) * (ROWS if is_batched(shape) else count_of(1))
    return total


def _part(shop: Workshop, part: Part, unit: Unit) -> list[Step]:
    group, cut = part.group, unit.cut
    match part.template, cut:
        case "product", Panels() | Rows():
            return [product(shop, group, cut)]
        case "back", Panels():
            return [back(shop, group, cut)]
        case "gradient", _:
            return [gradient(shop, group, unit)]
        case "lanes", _:
            stores = {index: shop.target(index, cut) for index in group.stores}
            return [_lanes(shop, group.nodes, stores, cut, _domain(shop, group.stores[0]))]
        case "columns", Panels():
            return _columns(shop, group, cut)
        case "total", Tiles():
            return _total(shop, group, cut)
        case "draw", _:
            return [_draw(shop, group.stores[0], cut)]
        case "scatter", _:
            return _scatter(shop, group.stores[0])
    stores = {index: shop.target(index, cut) for index in group.stores}
    return [_loops(shop, group.nodes, stores)]


# ---- loops and lanes --------------------------------------------------------------------------


def _loops(shop: Workshop, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Step:
    graph = shop.graph
    outer = _outer(graph, nodes, stores)
    known = {index: buffer for index, buffer in shop.places.items() if stores.get(index) is not buffer}
    loops = Loops(graph, tuple(nodes), stores, known, outer)
    loops.write()
    for buffer in loops.scratch.values():
        shop.add(buffer)
    call = _generated(shop, loops.text, nodes or list(stores), stores)
    own = "Rows" if outer == (BATCH,) else ""
    flops = sum((_work_of_node(graph, index) for index in nodes), count_of(0))
    return Step((call,), _work(outer), _reads(shop, nodes, stores, own), _writes(stores, own), flops=flops)


def _work_of_node(graph: Graph, index: int) -> Count:
    """Return how many operations a node is, counted by the largest value that it reads or makes."""
    node = graph[index]
    if node.operation.family == "movement":
        return count_of(0)
    shapes = [node.shape, *(graph[each].shape for each in graph.operands(index))]
    widest = max(shapes, key=count)
    total = (
        2 * count(node.shape) * _contracted(graph, index)
        if node.operation.name == "matmul"
        else count(widest)
    )
    return total * (ROWS if any(map(is_batched, shapes)) else count_of(1))


def _contracted(graph: Graph, index: int) -> int:
    left = graph[graph.operands(index)[0]].shape
    return prod(left[a] for a, _ in graph[index].setting("contract") if left[a] != BATCH)


def _outer(graph: Graph, nodes: Sequence[int], stores: Mapping[int, Buffer]) -> Shape:
    """Choose the axes that threads share out: the batch, or the first axis that every value of the group
    has."""
    shapes = [graph[index].shape for index in (*nodes, *stores)]
    if all(is_batched(graph[index].shape) for index in stores):
        return (BATCH,)
    (first, *others) = shapes
    names = {graph[index].operation.name for index in nodes}
    moved = names & (REDUCTIONS | {"transpose", "slice", "pad", "concat", "gather"})
    if first and all(each == first for each in others) and not moved and not is_batched(first):
        return first[:1]
    return ()


def _work(outer: Shape) -> Range | Each:
    if not outer:
        return Each(())
    return Range(ROWS, LANES) if outer == (BATCH,) else Range(count_of(outer[0]))


def _lanes(
    shop: Workshop, nodes: Sequence[int], stores: Mapping[int, Buffer], cut: Cut, domain: Domain
) -> Step:
    piece = Piece(cut, flat=domain.flat)
    lanes = Lanes(shop.graph, nodes, stores, shop.places, domain, piece)
    lanes.write()
    call = _generated(shop, lanes.text, nodes, stores)
    operations = sum(shop.graph[index].operation.family == "elementwise" for index in nodes)
    size = domain.columns * (ROWS if domain.rows is None else count_of(domain.rows))
    reads = _reads(shop, nodes, stores, piece.own)
    return Step((call,), work_of(cut), reads, _writes(stores, piece.own), flops=operations * size)


def _domain(shop: Workshop, index: int) -> Domain:
    """Return what a kernel goes along: a matrix in panels or of a batch, or else neighbors in memory."""
    domain = domain_of(shop.graph, index)
    if domain is None or (domain.rows is not None and index not in shop.choice.panels):
        return Domain(1, count(shop.graph[index].shape), flat=True)
    return domain


def _generated(shop: Workshop, text: KernelText, nodes: Sequence[int], stores: Iterable[int]) -> Call:
    shop.numbers.pass_to(text)
    names = [shop.graph[index].operation.name for index in nodes]
    kernel = text.finish(_stem(names), about(shop.graph, nodes, stores))
    return shop.call(kernel, *text.passed())


def _stem(names: Sequence[str]) -> str:
    quiet = {"broadcast", "reshape", "constant", "cast"}
    told = list(dict.fromkeys(name for name in names if name not in quiet))
    return "_".join(told[:3]) or "copy"


def _reads(
    shop: Workshop, nodes: Sequence[int], stores: Mapping[int, Buffer], own: str
) -> tuple[Access, ...]:
    """Return what a group reads: its own part of what has one, all of what is shared."""
    graph = shop.graph
    operands = (
        {each for index in nodes for each in graph.operands(index)} - set(nodes) if nodes else set(stores)
    )
    names = {
        shop.places[place].name
        for each in operands
        if (place := in_memory(graph, each, shop.places)) in shop.places
    }
    batched = own == "Rows"
    return tuple(
        Access(name, own if is_batched(shop.buffers[name].shape) or not batched else "")
        for name in sorted(names)
    )


def _writes(stores: Mapping[int, Buffer], own: str) -> tuple[Access, ...]:
    return tuple(Access(buffer.name, own) for buffer in stores.values())


# ---- sums, draws, tables ----------------------------------------------------------------------


def _fed(shop: Workshop, group: Group, cut: Cut) -> tuple[list[Step], Buffer]:
    """Return the buffer that a sum reads, and the step that fills a thread's own with what is summed up."""
    *feed, index = group.nodes
    operand = in_memory(shop.graph, shop.graph.operands(index)[0], shop.places)
    if operand in shop.places:
        return [], shop.places[operand]
    shape = (cut.chunk, LANES) if isinstance(cut, Tiles) else (BATCH, LANES)
    summed = shop.add(Buffer(f"summed {index}", shape, role="scratch"))
    domain = domain_of(shop.graph, operand)
    assert domain is not None
    return [_lanes(shop, feed, {operand: summed}, cut, domain)], summed


def _columns(shop: Workshop, group: Group, cut: Panels) -> list[Step]:
    fed, source = _fed(shop, group, cut)
    index = group.stores[0]
    target = shop.target(index, cut)
    place = Piece(cut, flat=True).address(target)
    piece = Piece(cut)
    call = shop.call("column_sums", (ROWS, piece.address(source), place))
    reads, writes = (Access(source.name, piece.own),), (Access(target.name, piece.own),)
    return [*fed, Step((call,), work_of(cut), reads, writes, flops=ROWS * cut.columns)]


def _total(shop: Workshop, group: Group, cut: Tiles) -> list[Step]:
    """Sum the columns of each tile into a line of its own, and then the lines."""
    fed, source = _fed(shop, group, cut)
    index = group.stores[0]
    piece = Piece(cut)
    across = -(-cut.rows // cut.chunk)
    lines = panels_of(cut.columns) * across
    parts = shop.add(Buffer(f"parts of v{index}", (lines, LANES), label="partial sums"))
    line = address(parts.name) + 64 * across * ITEM + 64 * PIECE
    call = shop.call("column_sums", (piece.rows, piece.address(source), line))
    reads, writes = (Access(source.name, piece.own),), (Access(parts.name, piece.own),)
    swept = Step((call,), work_of(cut), reads, writes, flops=count_of(cut.rows * cut.columns))
    target = shop.target(index, cut)
    width = cut.columns - LANES * (panels_of(cut.columns) - 1)
    last = shop.call(SUM_LINES, tuple(map(count_of, (0, 0, lines, across, width))))
    last = Call(last.kernel, (address(parts.name), address(target.name), *last.arguments[2:]))
    ended = Step((last,), Each(()), (Access(parts.name),), (Access(target.name),), shop.origins([index]))
    return [*fed, swept, ended]


def _draw(shop: Workshop, index: int, cut: Cut) -> Step:
    node, target = shop.graph[index], shop.target(index, cut)
    stream = count_of(signed(stream_hash(node.setting("stream"))))
    columns = count(node.shape)
    if isinstance(cut, Panels):
        piece = Piece(cut)
        place = piece.address(target), count_of(columns), 16 * ITEM, count_of(0), ROWS
        call = shop.call(f"draw_{node.operation.name}_panel", (CONTEXT, stream, *place))
        return Step((call,), work_of(cut), (), (Access(target.name, piece.own),), flops=20 * columns * ROWS)
    total = columns * ROWS if is_batched(node.shape) else count_of(columns)
    call = shop.call(f"draw_{node.operation.name}", (CONTEXT, stream, address(target.name), LO, HI))
    return Step((call,), Range(total, DRAWN_TOGETHER), (), (Access(target.name),), flops=20 * total)


def signed(word: int) -> int:
    """Return 64 bits as the signed number that a launch passes."""
    return word - 2**64 if word >= 2**63 else word


def _scatter(shop: Workshop, index: int) -> list[Step]:
    indices, updates = (shop.at(each) for each in shop.graph.operands(index))
    first: list[Step] = []
    if updates.layout == "panels":
        first.append(_unpacked(shop, updates))
        updates = shop.buffers[first[0].writes[0].buffer]
    target = shop.target(index, Rows())
    assert {indices.layout, updates.layout, target.layout} == {"rows"}
    entries = count(indices.shape) * (ROWS if is_batched(indices.shape) else count_of(1))
    width = count_of(count(target.shape[1:]))
    addresses = (address(each.name) for each in (indices, updates, target))
    call = shop.call(ADD_ROWS, (*addresses, entries, width, LO, HI))
    reads, writes = (Access(indices.name), Access(updates.name)), (Access(target.name),)
    return [*first, Step((call,), Range(count_of(target.shape[0])), reads, writes, flops=entries * width)]


# ---- ways in and out --------------------------------------------------------------------------


def _inputs(graph: Graph, shop: Workshop) -> tuple[Input, ...]:
    return tuple(
        Input(name, graph[index].shape, graph[index].dtype, shop.places[index].name, _below(graph, index))
        for name, index in graph.leaves("input").items()
    )


def _below(graph: Graph, index: int) -> int | None:
    """Return the bound of an index, the least that any of its uses has."""
    if graph[index].dtype != "int":
        return None
    bounds: list[int | None] = []
    for user in graph.users(index):
        node, (first, *_) = graph[user], graph.operands(user)
        match node.operation.name:
            case "reshape" | "broadcast" | "slice" | "transpose" | "concat":
                bounds.append(_below(graph, user))
            case "one_hot":
                bounds.append(node.setting("classes"))
            case "scatter_add" if first == index:
                bounds.append(node.setting("extent"))
            case "gather":
                bounds.append(graph[first].shape[0])
            case "pick":
                bounds.append(graph[first].shape[-1])
    return min((bound for bound in bounds if bound is not None), default=None)


def _take(shop: Workshop, number: int, each: Input, inputs: int) -> Iterable[Step]:
    """Yield the step that brings a field's rows to their place, and turns them where that is wanted."""
    word, width = count_of(field_word(inputs, number)), count_of(count(each.shape))
    buffer = shop.buffers[each.buffer]
    origin = (Origin(f"rows of {each.name}"),)
    size = 8 * width * (ROWS if is_batched(each.shape) else 1)
    if not is_batched(each.shape):
        call = shop.call("take_whole", (CONTEXT, word, address(buffer.name), width))
        yield Step((call,), Each(()), (), (Access(buffer.name),), origin, bytes=size)
        return
    steps = [_take_rows(shop, buffer, word, width)]
    index = shop.graph.leaves("input")[each.name]
    if index in shop.choice.turned:
        steps.append(turn(shop, index, Rows()))
    reads, writes = together(steps)
    calls = tuple(call for step in steps for call in step.calls)
    yield Step(calls, work_of(Rows()), reads, writes, origin, bytes=size)


def _take_rows(shop: Workshop, buffer: Buffer, word: Count, width: Count) -> Step:
    place = address(buffer.name)
    if buffer.layout == "panels":
        call = shop.call("take_panels", (CONTEXT, word, place, stride(buffer.name), width, LO, HI))
    else:
        call = shop.call("take_rows", (CONTEXT, word, place, width, LO, HI))
    return Step((call,), work_of(Rows()), (), (Access(buffer.name, "Rows"),))


def _take_numbers(shop: Workshop) -> Step:
    length = count_of(len(shop.numbers.slots))
    call = shop.call(TAKE_NUMBERS, (CONTEXT, symbol("numbers"), length))
    return Step((call,), Everyone(), (), (), (Origin("the numbers of this step"),), bytes=8 * length)


def _give(shop: Workshop, number: int, name: str, inputs: int) -> Iterable[Step]:
    """Yield the step that takes an output to its place among the results."""
    buffer = shop.at(shop.graph.outputs[name])
    word, width = count_of(result_word(inputs, number)), count_of(count(buffer.shape))
    start, origin = address(buffer.name), (Origin(name),)
    size = 8 * width * ROWS
    if not is_batched(buffer.shape):
        if buffer.layout == "panels":
            yield (unpacked := _unpacked(shop, buffer))
            buffer = shop.buffers[unpacked.writes[0].buffer]
        call = shop.call("give_whole", (CONTEXT, word, address(buffer.name), width))
        yield Step((call,), Each(()), (Access(buffer.name),), (), origin, bytes=count_of(8) * width)
        return
    if buffer.layout == "panels":
        call = shop.call("give_panels", (CONTEXT, word, start, stride(buffer.name), width, LO, HI))
    else:
        call = shop.call("give_rows", (CONTEXT, word, start, width, LO, HI))
    yield Step((call,), work_of(Rows()), (Access(buffer.name, "Rows"),), (), origin, bytes=size)


def _unpacked(shop: Workshop, buffer: Buffer) -> Step:
    """Return the step that copies a value in panels to a row-major place."""
    columns = count(buffer.shape if is_batched(buffer.shape) else buffer.shape[1:])
    rows = ROWS if is_batched(buffer.shape) else count_of(buffer.shape[0])
    copy = shop.add(Buffer(f"{buffer.name} in rows", buffer.shape, label=buffer.label))
    places = address(buffer.name), stride(buffer.name), address(copy.name)
    call = shop.call("unpack_panels", (*places, count_of(columns), count_of(columns), LO, HI))
    origin = (Origin(f"{buffer.label or buffer.name}, row by row"),)
    reads, writes = (Access(buffer.name),), (Access(copy.name),)
    return Step((call,), Range(rows), reads, writes, origin, bytes=8 * columns * rows)
