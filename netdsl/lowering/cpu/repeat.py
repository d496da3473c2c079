"""Loops: the steps of a body, written once, on views of what lies outside that move on from turn to turn.

A state that is collected lies in a stack with one place more than there are turns: its start, and what it
is after each. A turn reads one place and writes the next, and what is collected are views of the stack. Any
other state has two places, which are read and written by turns.

Where all work of a body is cut by examples, a thread goes through all turns with its own and waits
for nobody: an LSTM of 50 steps has two barriers instead of 150.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from netdsl.graph import Graph, is_batched
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.loop_parts import split_fixed
from netdsl.lowering.cpu.order import in_order
from netdsl.lowering.cpu.products import turn, turn_matrix
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, outputs_of
from netdsl.passes.schedule import keeps_apart, schedule
from netdsl.program import (
    Access,
    Buffer,
    Count,
    Loop,
    Phase,
    Repeat,
    Rows,
    Step,
    Unit,
    Whole,
    address,
    count_of,
    stride,
    symbol,
)

TURN: Final = symbol("t")
ODD: Final = symbol("odd")

Writer = Callable[[Workshop, Unit], list[Step]]
"""Writes the steps of a unit."""


def place_states(shop: Workshop, loop: int) -> None:
    """Give the states of a loop their memory: whatever computes their start writes it there, and what is
    collected of them is read there."""
    node = shop.graph[loop]
    body: Graph = node.setting("body")
    states, _, _ = apart(dict(node.settings), shop.graph.operands(loop))
    leaves, becomes, outs = body.leaves("input"), outputs_of(body, STATE), outputs_of(body, OUT)
    steps, reverse = node.setting("steps"), node.setting("reverse")
    for number, start in enumerate(states):
        seen = {leaves.get(f"{STATE}{number}"): int(reverse), becomes[number]: int(not reverse)}
        parts = {part: outs[shop.graph[part].setting("number")] for part in shop.graph.users(loop)}
        collected = {part: seen[out] for part, out in parts.items() if out in seen}
        shape, layout = shop.graph[start].shape, shop.layout(start)
        many = steps + 1 if collected else 2
        name = f"state {number} of v{loop}"
        stack = shop.add(Buffer(name, (-many, *shape[1:]), layout=layout, label=node.path or "scan"))
        shop.place(start, shop.view(stack, shape, count_of(steps if collected and reverse else 0)))
        for part, first in collected.items():
            shop.place(part, shop.view(stack, shop.graph[part].shape, count_of(first)))
        turns = (TURN + int(reverse), TURN + int(not reverse)) if collected else (ODD, 1 + -1 * ODD)
        before, after = (shop.view(stack, shape, each) for each in turns)
        shop.states[loop, number] = before, after


def loop_of(shop: Workshop, loop: int, write: Writer) -> list[Step | Loop]:
    """Write the steps of a loop's body, and repeat them; before, those that turn the matrices that all turns
    read turned."""
    node, choice = shop.graph[loop], shop.choice.inside[loop]
    numbers = shop.numbers.inside(choice.graph)
    inner = Workshop(
        choice, {}, numbers, {}, shop.kernels, views=shop.views, tiles=shop.tiles, prefix=f"v{loop}/"
    )
    _bind(shop, inner, loop)
    before = [_turned(shop, inner, leaf) for leaf in sorted(choice.turned) if _is_fixed(inner, leaf)]
    before += split_fixed(shop, inner)
    inner.soon = _next(shop, inner, loop)
    outside = set(inner.buffers)
    inner.place_constants()
    turned = [index for index in sorted(choice.turned) if index in inner.places]
    leaves = (index for index in turned if not choice.graph.operands(index))
    steps = [turn(inner, index, Rows()) for index in leaves if not _is_fixed(inner, index)]
    units = in_order(choice).units
    for unit in units:
        for part in (each for each in unit.parts if each.template == "join"):
            inner.place_side_by_side(part.group.stores[0], unit.cut)
    steps += [step for unit in units for step in write(inner, unit)]
    own = inner.buffers.keys() - outside - inner.views.keys()
    names = {name: _inside(inner, name) for name in inner.buffers if name in own}
    for name, new in names.items():
        shop.add(replace(inner.buffers[name], name=new))
    symbols = {f"at({name})": address(new) for name, new in names.items()}
    symbols |= {f"stride({name})": stride(new) for name, new in names.items()}
    scheduled = schedule(steps)
    memory = {name: whole for name, (whole, _) in inner.views.items()}
    scratch = {name for name, buffer in inner.buffers.items() if buffer.role == "scratch"}
    free = len(scheduled) == 1 and keeps_apart(steps, memory, scratch)
    repeat = Repeat(node.setting("steps"), node.setting("reverse"), free)
    phases = (tuple(renamed(step, symbols, names) for step in phase.steps) for phase in scheduled)
    return [*before, _loop(tuple(Phase(phase, repeat) for phase in phases))]


def _next(shop: Workshop, inner: Workshop, loop: int) -> list[Buffer]:
    """Return the items of the next turn that lie in panels."""
    node = shop.graph[loop]
    _, sequences, _ = apart(dict(node.settings), shop.graph.operands(loop))
    turn = TURN + (-1 if node.setting("reverse") else 1)
    leaves = inner.graph.leaves("input")
    return [
        inner.view(shop.at(operand), inner.graph[leaves[f"{ITEM}{number}"]].shape, turn)
        for number, operand in enumerate(sequences)
        if f"{ITEM}{number}" in leaves and shop.at(operand).layout == "panels"
    ]


def _is_fixed(inner: Workshop, index: int) -> bool:
    node = inner.graph[index]
    return node.operation.name == "input" and not is_batched(node.shape)


def _turned(shop: Workshop, inner: Workshop, leaf: int) -> Step:
    """Give a fixed matrix a turned copy outside of the loop; return the step that makes it."""
    target = shop.add(inner.turned(leaf))
    return turn_matrix(shop, inner.places[leaf], target)


def _inside(inner: Workshop, name: str) -> str:
    return name if name.startswith(inner.prefix) else inner.prefix + name


def _bind(shop: Workshop, inner: Workshop, loop: int) -> None:
    """Let the leaves of a body, what its states become and what it collects lie where the loop says."""
    node, body = shop.graph[loop], inner.graph
    leaves = body.leaves("input")
    _, sequences, fixed = apart(dict(node.settings), shop.graph.operands(loop))
    for number, index in enumerate(outputs_of(body, STATE)):
        before, after = shop.states[loop, number]
        inner.place(index, after)
        if (leaf := leaves.get(f"{STATE}{number}")) is not None:
            inner.place(leaf, before)
    for number, operand in enumerate(sequences):
        if (leaf := leaves.get(f"{ITEM}{number}")) is not None:
            inner.place(leaf, inner.view(shop.at(operand), body[leaf].shape, TURN))
    for number, operand in enumerate(fixed):
        if (leaf := leaves.get(f"{FIXED}{number}")) is not None:
            inner.place(leaf, shop.at(operand))
    outs = outputs_of(body, OUT)
    for part in shop.graph.users(loop):
        index = outs[shop.graph[part].setting("number")]
        if index not in inner.places:
            inner.place(index, inner.view(shop.target(part, Whole()), body[index].shape, TURN))


def renamed(step: Step, symbols: Mapping[str, Count], names: Mapping[str, str]) -> Step:
    """Return a step that works on other buffers."""
    calls = tuple(
        replace(
            call,
            arguments=tuple(each.where(symbols) for each in call.arguments),
            block=tuple(each.where(symbols) for each in call.block),
        )
        for call in step.calls
    )
    reads, writes = (_accesses(each, names) for each in (step.reads, step.writes))
    portions = tuple(
        replace(each, touched=tuple((names.get(name, name), size) for name, size in each.touched))
        for each in step.portions
    )
    return replace(step, calls=calls, reads=reads, writes=writes, portions=portions)


def _accesses(accesses: Sequence[Access], names: Mapping[str, str]) -> tuple[Access, ...]:
    return tuple(
        dict.fromkeys(Access(names[each.buffer]) if each.buffer in names else each for each in accesses)
    )


def resolved(steps: Sequence[Step | Loop], views: Mapping[str, tuple[str, Count]]) -> list[Step | Loop]:
    """Return steps that name memory instead of views of it."""
    symbols = {f"at({name})": address(whole) + offset for name, (whole, offset) in views.items()}
    symbols |= {f"stride({name})": stride(whole) for name, (whole, _) in views.items()}
    names = {name: whole for name, (whole, _) in views.items()}
    found: list[Step | Loop] = []
    for each in steps:
        if isinstance(each, Loop):
            phases = (
                replace(phase, steps=tuple(renamed(step, symbols, names) for step in phase.steps))
                for phase in each.phases
            )
            found.append(_loop(tuple(phases)))
        else:
            found.append(renamed(each, symbols, names))
    return found


def _loop(phases: tuple[Phase, ...]) -> Loop:
    steps = [step for phase in phases for step in phase.steps]
    reads = dict.fromkeys(Access(access.buffer) for step in steps for access in step.reads)
    writes = dict.fromkeys(Access(access.buffer) for step in steps for access in step.writes)
    return Loop(phases, tuple(reads), tuple(writes))
