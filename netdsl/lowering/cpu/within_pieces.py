"""Values that only the steps of a piece touch stay in the thread's own memory, which the next piece uses too.

A row-major score of attention is then written and read in the second cache; in memory of its own each example
would fetch new lines from beyond it, first to write and then to forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netdsl.graph import is_batched
from netdsl.lowering.cpu.pieces import LO, THREAD, panels_of
from netdsl.lowering.cpu.repeat import renamed
from netdsl.program import LANES, Access, Buffer, Count, Program, Range, Step, address, count_of, rows_of
from netdsl.program.layout import columns, places


def within_pieces(program: Program) -> Program:
    """Return a program whose steps that go piece by piece keep what nobody else touches to themselves."""
    users: dict[str, int] = {}
    for step in program.steps():
        for name in {each.buffer for each in (*step.reads, *step.writes)}:
            users[name] = users.get(name, 0) + 1
    buffers = dict(program.buffers)
    phases = []
    for phase in program.phases:
        steps = [_kept_within(step, users, buffers) for step in phase.steps]
        phases.append(replace(phase, steps=tuple(steps)))
    return replace(program, phases=tuple(phases), buffers=buffers)


def _kept_within(step: Step, users: dict[str, int], buffers: dict[str, Buffer]) -> Step:
    """Return a step with its own values in scratch memory; add that to the buffers, and take them away."""
    if not isinstance(step.work, Range) or not step.work.piece:
        return step
    symbols: dict[str, Count] = {}
    names: dict[str, str] = {}
    for number, buffer in enumerate(_own_values(step, step.work, users, buffers)):
        rows, wide = step.work.piece * places(buffer.shape), columns(buffer.shape)
        in_panels = buffer.layout == "panels"
        floats = rows * (LANES * panels_of(wide) if in_panels else wide)
        names[buffer.name] = name = f"value {number} of a piece"
        before = buffers.get(name, Buffer(name, (0,), role="scratch", label="values of a piece"))
        buffers[name] = replace(before, shape=(max(before.shape[0], floats),))
        row = places(buffer.shape) * (LANES if in_panels else wide)
        symbols[f"at({buffer.name})"] = address(name) + THREAD + -4 * row * LO
        symbols[f"stride({buffer.name})"] = count_of(LANES * rows)
        del buffers[buffer.name]
    return renamed(step, symbols, names)


def _own_values(step: Step, work: Range, users: dict[str, int], buffers: dict[str, Buffer]) -> list[Buffer]:
    """Return the values that a step alone touches, each row of them in its own piece."""
    touched: Iterable[Access] = (*step.reads, *step.writes)
    owned: dict[str, bool] = {}
    for each in touched:
        owned[each.buffer] = owned.get(each.buffer, True) and each.own == "Rows"
    found = [buffers[name] for name, is_own in owned.items() if is_own and users[name] == 1]
    return [
        buffer
        for buffer in found
        if buffer.role == "value"
        and buffer.layout in ("rows", "panels")
        and is_batched(buffer.shape)
        and rows_of(buffer.shape) == work.total
    ]
