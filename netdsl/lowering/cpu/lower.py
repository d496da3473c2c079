"""From units to a program: buffers, the texts of kernels, and steps in an order that is right."""

from __future__ import annotations

from netdsl.graph import Shape, batches, is_batched
from netdsl.lowering.cpu.buffers import Workshop, together
from netdsl.lowering.cpu.contraction import contraction_step
from netdsl.lowering.cpu.convolution import (
    convolution_step,
    kernel_step,
    kernel_steps,
    needs_turned_kernel,
    turn_step,
)
from netdsl.lowering.cpu.example_lanes import example_steps, example_turn_step, goes_by_examples
from netdsl.lowering.cpu.groups import along, lanes_step, loops_step
from netdsl.lowering.cpu.numbers import NumberTable
from netdsl.lowering.cpu.order import in_order
from netdsl.lowering.cpu.parts import in_tall_pieces, split_steps
from netdsl.lowering.cpu.pieces import work_of
from netdsl.lowering.cpu.pooling import max_step, pool_step, twin_of
from netdsl.lowering.cpu.portions import bytes_of, of_group
from netdsl.lowering.cpu.products import back, gradient, product, turn
from netdsl.lowering.cpu.ranks import rank_steps
from netdsl.lowering.cpu.repeat import loop_of, place_states, resolved
from netdsl.lowering.cpu.sums import columns_steps, sums_steps, total_steps
from netdsl.lowering.cpu.tables import draw_step, scatter_steps
from netdsl.lowering.cpu.ways import give, inputs_of, take, take_numbers
from netdsl.passes.contractions import contraction_of
from netdsl.program import (
    LANES,
    Choice,
    Cut,
    Examples,
    Group,
    Loop,
    Output,
    Panels,
    Part,
    Program,
    Rows,
    Step,
    Tiles,
    Unit,
    Whole,
    count_of,
)
from netdsl.program.layout import columns, places


def lower(choice: Choice, name: str, *, tiles: bool = False) -> tuple[Program, tuple[Step | Loop, ...]]:
    """Return a program without phases yet, and its steps in an order that is right on one thread.

    With `tiles` large products go by the tile registers of AMX."""
    order = in_order(choice)
    graph = choice.graph
    shop = Workshop(choice, order.in_place, NumberTable(graph), tiles=tiles)
    shop.place_leaves()
    inputs = inputs_of(graph, shop)
    taken = [step for number, each in enumerate(inputs) for step in take(shop, number, each, len(inputs))]
    for index in choice.inside:
        place_states(shop, index)
    for group in (part.group for unit in order.units for part in unit.parts if part.template == "join"):
        shop.place_side_by_side(group.stores[0], Whole())
    computed = [step for unit in order.units for step in _all_steps(shop, unit)]
    given = [
        step for number, each in enumerate(graph.outputs) for step in give(shop, number, each, len(inputs))
    ]
    copied = [
        of_group(shop, loops_step(shop, (), {index: shop.buffers[kept]}), Group("copy", (), (index,)))
        for kept, index in order.copies
    ]
    numbers = [take_numbers(shop)] if shop.numbers.slots else []
    program = Program(
        name,
        {name: buffer for name, buffer in shop.buffers.items() if name not in shop.views},
        shop.kernels,
        (),
        {label: shop.places[index].name for label, index in graph.kept().items()},
        inputs,
        tuple(Output(each, graph[index].shape, graph[index].dtype) for each, index in graph.outputs.items()),
        shop.numbers.scalars(),
    )
    return program, tuple(resolved([*numbers, *taken, *computed, *given, *copied], shop.views))


# ---- units ------------------------------------------------------------------------------------


def _all_steps(shop: Workshop, unit: Unit) -> list[Step | Loop]:
    (part, *_) = unit.parts
    if part.template != "loop":
        return [*_steps(shop, unit)]
    loop = next(index for index in part.group.nodes if shop.graph[index].operation.name == "loop")
    repeated = loop_of(shop, loop, _steps)
    turned = [index for index in part.group.stores if index in shop.choice.turned]
    turns = [turn(shop, index, _turn_cut(shop.graph[index].shape, unit.cut)) for index in turned]
    repeated = [of_group(shop, each, part.group) if isinstance(each, Step) else each for each in repeated]
    return [*repeated, *(of_group(shop, each, part.group) for each in turns)]


def _steps(shop: Workshop, unit: Unit) -> list[Step]:
    """Return the step of a unit, and what is to be done before it and when all its pieces are."""
    unit = in_tall_pieces(shop, unit)
    convolved = [part.group for part in unit.parts if part.template == "convolution"]
    before = [
        of_group(shop, turn_step(shop, each.stores[0]), each)
        for each in convolved
        if needs_turned_kernel(shop, each.stores[0]) and not goes_by_examples(shop, each)
    ]
    before += [
        of_group(shop, example_turn_step(shop, each.stores[0]), each)
        for each in convolved
        if goes_by_examples(shop, each) and shop.graph[each.stores[0]].operation.name == "convolve_input"
    ]
    before += [
        of_group(shop, each, part.group) for part in unit.parts for each in split_steps(shop, part, unit)
    ]
    made: list[Step] = []
    after: list[Step] = []
    for part in unit.parts:
        if part.template == "copy" and part.group.stores[0] in shop.places:
            continue
        for step in (of_group(shop, each, part.group) for each in _part(shop, part, unit)):
            made.append(step) if step.work == work_of(unit.cut) or not made else after.append(step)
        turned = [index for index in part.group.stores if index in shop.choice.turned]
        for index in turned:
            step = turn(shop, index, _turn_cut(shop.graph[index].shape, unit.cut))
            step = of_group(shop, step, part.group)
            made.append(step) if step.work == work_of(unit.cut) else after.append(step)
    if not made:
        return []
    reads, writes = together(made)
    calls = tuple(call for step in made for call in step.calls)
    flops = sum((step.flops for step in made), count_of(0))
    origins = shop.origins(unit.stores())
    portions = tuple(portion for step in made for portion in step.portions)
    step = Step(
        calls, made[0].work, reads, writes, origins, flops, bytes_of(shop, (*reads, *writes)), portions
    )
    return [*before, step, *after]


def _turn_cut(shape: Shape, cut: Cut) -> Panels | Rows | Examples:
    """Return how a value is turned by the unit that makes it: as that is cut, if its pieces allow it."""
    if isinstance(cut, Examples):
        return cut if cut.size * places(shape) % LANES == 0 else Panels(columns(shape), batches(shape))
    return cut if isinstance(cut, Panels) else Rows(batches(shape))


def _part(shop: Workshop, part: Part, unit: Unit) -> list[Step]:
    group, cut = part.group, unit.cut
    if part.template != "lanes" and isinstance(cut, Examples) and goes_by_examples(shop, group):
        return example_steps(shop, part, unit)
    match part.template, cut:
        case "product", Panels() | Rows() | Examples():
            return [product(shop, group, cut)]
        case "back", Panels() | Examples():
            return [back(shop, group, cut)]
        case "gradient", _:
            return [gradient(shop, group, unit)]
        case "lanes", _:
            stores = {index: shop.target(index, cut) for index in group.stores}
            return [lanes_step(shop, group.nodes, stores, cut, along(shop, group.stores[0]))]
        case "columns", Panels():
            return columns_steps(shop, group, cut)
        case "sums", Examples():
            return sums_steps(shop, group, cut)
        case "total", Tiles():
            return total_steps(shop, group, cut)
        case "draw", _:
            return [draw_step(shop, group.stores[0], cut)]
        case "any", _ if step := contraction_step(shop, group, contraction_of(shop.graph, group)):
            return [step]
        case "convolution", Examples() if not is_batched(shop.graph[group.stores[0]].shape):
            return kernel_steps(shop, group.stores[0], cut)
        case "convolution", Examples():
            return [convolution_step(shop, group.stores[0], cut)]
        case "convolution", _:
            return [kernel_step(shop, group.stores[0], cut)]
        case "pool", Examples():
            return _pools(shop, group.stores[0], unit)
        case "join", _:
            return []
        case "part", _:
            shop.place_part(group.stores[0])
            return []
        case "scatter", _:
            return scatter_steps(shop, group.stores[0])
        case "rank", _:
            return rank_steps(shop, group.stores[0])
    stores = {index: shop.target(index, cut) for index in group.stores}
    return [loops_step(shop, group.nodes, stores)]


def _pools(shop: Workshop, index: int, unit: Unit) -> list[Step]:
    """Return the step of a pool; of two that one kernel computes, the first has it."""
    assert isinstance(unit.cut, Examples)
    pools = [part.group.stores[0] for part in unit.parts if part.template == "pool"]
    twin = twin_of(shop.graph, index, pools)
    if twin is None:
        return [pool_step(shop, index, unit.cut)]
    if pools.index(twin) < pools.index(index):
        return []
    best, taps = (index, twin) if shop.graph[index].operation.name == "max_pool" else (twin, index)
    return [max_step(shop, best, taps, unit.cut)]
