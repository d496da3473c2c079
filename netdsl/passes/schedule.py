"""Put steps into phases: between two barriers no thread needs what another makes there."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from netdsl.passes.piecewise import piece_by_piece
from netdsl.program import Access, Each, Loop, Phase, Pieces, Range, Step


def schedule(steps: Sequence[Step | Loop]) -> tuple[Phase, ...]:
    """Return phases in which each step comes as early as what it touches allows.

    Steps that touch the same memory keep their order. They need no barrier between them where both are cut up
    in the same way and each piece keeps to its own part of that memory, nor where one thread does both.
    """
    phases: list[list[Step | Loop]] = []
    placed: list[int] = []
    readers: dict[str, list[int]] = {}
    writers: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        # Only those that touch the same memory, so that the time of all grows with their number alone.
        met = {each for access in (*step.reads, *step.writes) for each in writers.get(access.buffer, ())}
        met |= {each for access in step.writes for each in readers.get(access.buffer, ())}
        at = max((placed[each] + _apart(steps[each], step) for each in met), default=0)
        while len(phases) <= at:
            phases.append([])
        phases[at].append(step)
        placed.append(at)
        for accesses, table in ((step.reads, readers), (step.writes, writers)):
            for each in {access.buffer for access in accesses}:
                table.setdefault(each, []).append(number)
    return tuple(phase for each in phases for phase in _flat(each))


def keeps_apart(steps: Sequence[Step], memory: Mapping[str, str], scratch: Container[str]) -> bool:
    """Tell whether steps need no barrier however often they are repeated: all are cut alike, and each piece
    keeps to its own part of all that is written.

    `memory` names what a buffer is a view of, `scratch` what each thread has of its own.
    """
    touched: dict[str, set[str]] = {}
    for step in steps:
        for each in (*step.reads, *step.writes):
            touched.setdefault(memory.get(each.buffer, each.buffer), set()).add(each.own)
    written = {memory.get(each.buffer, each.buffer) for step in steps for each in step.writes}
    parts = [touched[name] for name in written if name not in scratch]
    return all(_cut_alike(steps[0], each) for each in steps) and all(
        len(each) == 1 and "" not in each for each in parts
    )


def _flat(level: Sequence[Step | Loop]) -> Iterable[Phase]:
    """Yield steps that wait for nothing among each other as a phase, and the phases of loops behind it."""
    if plain := tuple(each for each in level if isinstance(each, Step)):
        yield Phase(piece_by_piece(plain))
    for each in level:
        if isinstance(each, Loop):
            yield from each.phases


def _conflicts(first: Step | Loop, second: Step | Loop) -> list[tuple[Access, Access]]:
    """Return what two steps touch both, at least one of them to write."""
    pairs = [(first.writes, second.reads), (first.reads, second.writes), (first.writes, second.writes)]
    return [(a, b) for left, right in pairs for a in left for b in right if a.buffer == b.buffer]


def _apart(first: Step | Loop, second: Step | Loop) -> bool:
    """Tell whether a barrier must stand between two steps that touch the same memory."""
    if isinstance(first, Loop) or isinstance(second, Loop):
        return True
    if is_single(first) and is_single(second):
        return False
    if not _cut_alike(first, second):
        return True
    return not all(a.own and a.own == b.own for a, b in _conflicts(first, second))


def _cut_alike(first: Step, second: Step) -> bool:
    match first.work, second.work:
        case (Range(), Range()) | (Each(), Each()) | (Pieces(), Pieces()):
            return first.work == second.work
    return False


def is_single(step: Step) -> bool:
    """Tell whether a step is one piece of work: the first thread does all of these."""
    return isinstance(step.work, Each) and not step.work.extents
