"""From symbolic steps to launch tables: one for each thread, for a number of rows and threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.kernel_text import DIRECT
from netdsl.program import Call, Each, Everyone, Phase, Pieces, Program, Range, Step

Table: TypeAlias = NDArray[np.int64]
WORDS = DIRECT + 1


@dataclass(slots=True)
class Tables:
    """The launch list of each thread; `blocks` are the arguments that do not fit into a launch."""

    threads: list[Table]
    blocks: list[Table] = field(default_factory=list)
    calls: list[list[Table]] = field(default_factory=list)
    """For each thread and step, in the order of a program's steps, which of its calls each launch makes."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a program runs: addresses of kernels, values of symbols, and what each thread has of its own."""

    kernels: Mapping[str, int]
    symbols: Mapping[str, int]
    own: Sequence[Mapping[str, int]]
    barrier: tuple[int, int]
    """The addresses of the barrier's kernel and of its words."""


def expand(program: Program, site: Site) -> Tables:
    """Write the launch tables of a program's phases, a barrier after each if there are several threads."""
    threads = len(site.own)
    tables = Tables([])
    for thread in range(threads):
        tables.calls.append([])
        parts = [_repeated(phases, site, thread, threads, tables) for phases in _loops(program)]
        tables.threads.append(np.ascontiguousarray(np.concatenate([*parts, np.zeros((0, WORDS), np.int64)])))
    return tables


def calls_of(program: Program, tables: Tables, thread: int) -> Table:
    """Return the number of the call that each launch of a thread makes.

    Calls are numbered through all steps of a program; -1 is the barrier behind the first phase, -2 that
    behind the second.
    """
    calls, first, number = iter(tables.calls[thread]), 0, 0
    parts = [np.zeros(0, np.int64)]
    for phases in _loops(program):
        turn: list[Table] = []
        free = _is_free(phases)
        for phase in phases:
            for step in phase.steps:
                turn.append(first + next(calls))
                first += len(step.calls)
            number += 1
            turn.append(np.full(int(len(tables.threads) > 1 and not free), -number))
        parts.append(np.tile(np.concatenate(turn), phases[0].times))
        parts.append(np.full(int(len(tables.threads) > 1 and free), -number))
    return np.concatenate(parts)


def barriers(program: Program) -> int:
    """Return how many barriers several threads meet at in a step."""
    return sum(1 if _is_free(phases) else len(phases) * phases[0].times for phases in _loops(program))


def _loops(program: Program) -> list[list[Phase]]:
    """Return the phases of a program, those of one loop together."""
    return [list(phases) for _, phases in groupby(program.phases, key=lambda each: id(each.repeat or each))]


def _is_free(phases: Sequence[Phase]) -> bool:
    """Tell whether a loop has no barrier but one behind its last turn."""
    return phases[0].repeat is not None and phases[0].repeat.free


def _repeated(phases: Sequence[Phase], site: Site, thread: int, threads: int, tables: Tables) -> Table:
    """Return the launches of a phase, or of those of one loop, all times after each other."""
    times = phases[0].times
    turns = np.arange(times)[:, None]
    reverse = phases[0].repeat is not None and phases[0].repeat.reverse
    symbols = {"t": turns[::-1] if reverse else turns, "odd": turns % 2}
    parts: list[Table] = []
    barrier = np.zeros((times, int(threads > 1), WORDS), np.int64)
    barrier[:, :, :3] = (*site.barrier, threads)
    for phase in phases:
        parts += [_step(step, site, thread, threads, tables, symbols) for step in phase.steps]
        if not _is_free(phases):
            parts.append(barrier)
    launches = np.concatenate(parts, axis=1).reshape(-1, WORDS)
    return np.concatenate([launches, barrier[0]]) if _is_free(phases) else launches


def share(total: int, grain: int, thread: int, threads: int) -> tuple[int, int]:
    """Return one thread's part of a range: whole grains, as many as the others have, or one less."""
    grains = -(-total // grain)
    low, high = (min(total, grain * (grains * each // threads)) for each in (thread, thread + 1))
    return low, high


def _step(
    step: Step, site: Site, thread: int, threads: int, tables: Tables, turns: Mapping[str, Table]
) -> Table:
    """Return the launches of a step: [turns of a loop, launches, words]."""
    symbols: dict[str, Any] = {**site.symbols, **site.own[thread], **turns}
    times = len(turns["t"])
    match step.work:
        case Everyone():
            items = 1
        case Range(total, grain, piece):
            low, high = share(int(total.value(symbols)), grain, thread, threads)
            first = np.arange(low, high, piece or max(1, high - low), dtype=np.int64)
            symbols.update(lo=first, hi=np.minimum(high, first + (piece or high - low)))
            items = len(first)
        case Pieces(total, size, grain):
            low, high = share(int(total.value(symbols)), grain or size, thread, threads)
            first = np.arange(low, high, size, dtype=np.int64)
            symbols.update(i=first // size, first=first, last=np.minimum(high, first + size))
            items = len(first)
        case Each(()):
            items = int(thread == 0)
        case Each() as each:
            items = _number(each, symbols, thread, threads)
    made = [n for n, call in enumerate(step.calls) if call.is_made(site.symbols)]
    tables.calls[thread].append(np.tile(np.array(made, np.int64), items))
    rows = np.zeros((times, items, len(made), WORDS), np.int64)
    if items:
        for place, number in enumerate(made):
            _fill(rows[:, :, place], step.calls[number], site, symbols, tables)
    return rows.reshape(times, -1, WORDS)


def _number(each: Each, symbols: dict[str, Any], thread: int, threads: int) -> int:
    """Number a thread's items by the symbols of their axes; return how many they are."""
    sizes = [int(extent.value(symbols)) for extent in each.extents]
    several = len(sizes) == 2
    low, high = share(int(np.prod(sizes)), (each.grain or each.group) if several else 1, thread, threads)
    numbers = np.arange(low, high, dtype=np.int64)
    if several and each.group > 1:
        symbols["j"], symbols["i"] = numbers // sizes[0], numbers % sizes[0]
    elif several:
        symbols["i"], symbols["j"] = numbers // sizes[1], numbers % sizes[1]
    else:
        symbols["i"] = numbers
    if each.group > 1:
        _group(symbols, sizes, each.group, low, high)
    if each.chunk:
        symbols["first"] = each.chunk * numbers if len(sizes) == 1 else each.chunk * symbols["j"]
        symbols["last"] = np.minimum(each.limit, symbols["first"] + each.chunk)
    return high - low


def _group(symbols: dict[str, Any], sizes: Sequence[int], most: int, low: int, high: int) -> None:
    """Number items in groups along the first axis: from where that begins, or a thread's first item on."""
    numbers = np.arange(low, high, dtype=np.int64)
    line = numbers // sizes[0] * sizes[0]
    symbols["nth"] = (numbers - np.maximum(line, low)) % most
    following = np.minimum(most, np.minimum(line + sizes[0], high) - numbers)
    symbols["many"] = np.where(symbols["nth"], 0, following)


def _fill(rows: Table, call: Call, site: Site, symbols: dict[str, Any], tables: Tables) -> None:
    if call.block:
        times, items = rows.shape[:2]
        words = [word.value(symbols) for word in call.block]
        alike = all(isinstance(word, int) for word in words)
        block = np.zeros((1, 1, len(words)) if alike else (times, items, len(words)), np.int64)
        for column, word in enumerate(words):
            block[:, :, column] = word
        tables.blocks.append(block)
        places = np.arange(times * items).reshape(times, items)
        symbols = {**symbols, "block": block.ctypes.data + (0 if alike else block.strides[1]) * places}
    rows[:, :, 0] = site.kernels[call.kernel]
    for column, argument in enumerate(call.arguments, 1):
        rows[:, :, column] = argument.value(symbols)
