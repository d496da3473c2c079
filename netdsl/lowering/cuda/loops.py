"""Loops: the launches of a body, on views of what lies outside that move on from turn to turn.

A state lies in a stack with one place more than there are turns: its start, and what it is after each. A turn
reads one place and writes the next. What is collected of each turn lies in a stack of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from netdsl.graph import Graph, Shape, count, is_batched
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, outputs_of
from netdsl.program import ROWS, Buffer, Count, Repeat, symbol

if TYPE_CHECKING:
    from netdsl.lowering.cuda.lower import Lowering
    from netdsl.lowering.cuda.points import Store

TURN: Final = symbol("t")


def _stack(loop: int, number: int) -> str:
    return f"state {number} of v{loop}"


def _bytes_of(shape: Shape) -> Count:
    """Return the bytes of a value of one turn."""
    assert is_batched(shape)
    return 4 * count(shape) * ROWS


def place_states(shop: Lowering, loop: int) -> None:
    """Give the states of a loop their memory: whatever computes their start writes it there."""
    node = shop.graph[loop]
    steps = node.setting("steps")
    states, _, _ = apart(dict(node.settings), shop.graph.operands(loop))
    for number, start in enumerate(states):
        shape, name = shop.graph[start].shape, _stack(loop, number)
        shop.buffers[name] = Buffer(name, (-(steps + 1), *shape[1:]), label=node.path or "scan")
        first = steps if node.setting("reverse") else 0
        shop.view(start, f"start of {name}", name, first * _bytes_of(shape))


def launch_loop(shop: Lowering, loop: int) -> None:
    """Launch the body of a loop, again and again."""
    node = shop.graph[loop]
    body: Graph = node.setting("body")
    inner = type(shop)(
        body,
        shop.rows,
        shop.precision,
        shop.blas,
        shop.numbers,
        f"{shop.prefix}v{loop}/",
        buffers=shop.buffers,
        kernels=shop.kernels,
        views=shop.views,
    )
    also = _bind(shop, inner, loop)
    inner.place_leaves()
    inner.place_values()
    inner.launch_levels(also)
    computed = set(inner.plan.stored)
    late = [
        each for index, stores in also.items() for each in stores if not _with_others(inner, index, computed)
    ]
    inner.launch_points(late)
    inner.close_phase()
    repeat = Repeat(node.setting("steps"), node.setting("reverse"))
    shop.phases.extend(replace(phase, repeat=repeat) for phase in inner.phases)


def _with_others(inner: Lowering, index: int, computed: set[int]) -> bool:
    """Tell whether a value that is stored twice is written by threads that compute it."""
    return index in computed and not inner.plan.has_own_launch(index)


def _bind(shop: Lowering, inner: Lowering, loop: int) -> dict[int, list[Store]]:
    """Let the leaves of a body, and what it makes, lie where the loop says; return what is stored twice."""
    node, body = shop.graph[loop], inner.graph
    leaves, reverse = body.leaves("input"), int(node.setting("reverse"))
    _, sequences, fixed = apart(dict(node.settings), shop.graph.operands(loop))
    for number, index in enumerate(outputs_of(body, STATE)):
        name, size = _stack(loop, number), _bytes_of(body[index].shape)
        inner.view(index, f"{name} after", name, (TURN + (1 - reverse)) * size)
        if (leaf := leaves.get(f"{STATE}{number}")) is not None:
            inner.view(leaf, f"{name} before", name, (TURN + reverse) * size)
    for number, operand in enumerate(sequences):
        if (leaf := leaves.get(f"{ITEM}{number}")) is not None:
            whole, offset = _memory(shop, operand)
            inner.view(leaf, f"item {number} of v{loop}", whole, offset + TURN * _bytes_of(body[leaf].shape))
    for number, operand in enumerate(fixed):
        if (leaf := leaves.get(f"{FIXED}{number}")) is not None:
            inner.view(leaf, f"fixed {number} of v{loop}", *_memory(shop, operand))
    also: dict[int, list[Store]] = {}
    outs = outputs_of(body, OUT)
    for part in shop.graph.users(loop):
        index, target = outs[shop.graph[part].setting("number")], shop.places[part].name
        name = f"{target} in its turn"
        offset = TURN * _bytes_of(body[index].shape)
        if index in inner.places:
            shop.views[name] = target, offset
            also.setdefault(index, []).append(inner.store(index, name))
        else:
            inner.view(index, name, target, offset)
    return also


def _memory(shop: Lowering, index: int) -> tuple[str, Count]:
    """Return the buffer in which a value lies, and how many bytes behind its beginning."""
    name = shop.places[index].name
    return shop.views.get(name, (name, Count()))
