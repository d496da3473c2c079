"""Steps that bring a program its fields and numbers, and take its outputs away."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.graph import Graph, count, is_batched
from netdsl.lowering.bounds import below
from netdsl.lowering.cpu.buffers import Workshop, together
from netdsl.lowering.cpu.moves import TAKE_NUMBERS
from netdsl.lowering.cpu.pieces import CONTEXT, HI, LO, work_of
from netdsl.lowering.cpu.products import turn
from netdsl.lowering.cpu.tables import unpacked
from netdsl.lowering.cpu.words import field_word, result_word
from netdsl.program import (
    ROWS,
    Access,
    Buffer,
    Count,
    Each,
    Everyone,
    Input,
    Origin,
    Rows,
    Step,
    address,
    count_of,
    stride,
    symbol,
)
from netdsl.program.layout import columns, places


def inputs_of(graph: Graph, shop: Workshop) -> tuple[Input, ...]:
    """Return the fields that a program reads."""
    return tuple(
        Input(name, graph[index].shape, graph[index].dtype, shop.places[index].name, below(graph, index))
        for name, index in graph.leaves("input").items()
    )


def take(shop: Workshop, number: int, each: Input, inputs: int) -> Iterable[Step]:
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
        assert places(buffer.shape) == 1
        call = shop.call("take_panels", (CONTEXT, word, place, stride(buffer.name), width, LO, HI))
    else:
        call = shop.call("take_rows", (CONTEXT, word, place, width, LO, HI))
    return Step((call,), work_of(Rows()), (), (Access(buffer.name, "Rows"),))


def take_numbers(shop: Workshop) -> Step:
    """Make the step with which each thread takes the numbers of a step."""
    length = count_of(len(shop.numbers.slots))
    call = shop.call(TAKE_NUMBERS, (CONTEXT, symbol("numbers"), length))
    return Step((call,), Everyone(), (), (), (Origin("the numbers of this step"),), bytes=8 * length)


def give(shop: Workshop, number: int, name: str, inputs: int) -> Iterable[Step]:
    """Yield the step that takes an output to its place among the results."""
    buffer = shop.at(shop.graph.outputs[name])
    word, width = count_of(result_word(inputs, number)), count_of(count(buffer.shape))
    start, origin = address(buffer.name), (Origin(name),)
    size = 8 * width * ROWS
    if not is_batched(buffer.shape):
        if buffer.layout == "panels":
            yield (copied := unpacked(shop, buffer))
            buffer = shop.buffers[copied.writes[0].buffer]
        call = shop.call("give_whole", (CONTEXT, word, address(buffer.name), width))
        yield Step((call,), Each(()), (Access(buffer.name),), (), origin, bytes=count_of(8) * width)
        return
    if buffer.layout == "panels":
        wide, many = count_of(columns(buffer.shape)), count_of(places(buffer.shape))
        call = shop.call("give_panels", (CONTEXT, word, start, stride(buffer.name), wide, many, LO, HI))
    else:
        call = shop.call("give_rows", (CONTEXT, word, start, width, LO, HI))
    yield Step((call,), work_of(Rows()), (Access(buffer.name, "Rows"),), (), origin, bytes=size)
