"""Loops whose iterations keep apart: told by the text of a kernel, passed on to LLVM's vectorizer.

Pointers are numbers to LLVM, so that any two of them might meet. Before a vectorized loop it would compare
each address that is written with every other: 20 buffers are 120 comparisons, for each row of 16 lanes.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import NOTHING, emits, whole

_MARK: Final = "netdsl.independent"
_GROUP: Final = re.compile(r'^(!\d+) = !\{ !"netdsl\.group \d+" \}', re.MULTILINE)
_LOOP: Final = re.compile(r'^(!\d+) = !\{ !"netdsl\.loop \d+", (!\d+) \}', re.MULTILINE)


@emits(NOTHING)
def independent(builder: Any) -> None:
    """Say, first in a loop without loops inside, that no iteration touches memory that another one writes."""
    builder.add(whole(0), whole(0)).set_metadata(_MARK, builder.module.add_metadata([_MARK]))


def annotated(module: Any) -> str:
    """Return the text of an llvmlite module in which such loops are told to be parallel."""
    found = [each for function in module.functions for each in _loops(function.blocks)]
    for number, (blocks, ends) in enumerate(found):
        group = module.add_metadata([f"netdsl.group {number}"])
        access = module.add_metadata(["llvm.loop.parallel_accesses", group])
        loop = module.add_metadata([f"netdsl.loop {number}", access])
        for block in blocks:
            for each in block.instructions:
                if each.opname in ("load", "store"):
                    each.set_metadata("llvm.access.group", group)
        for block in ends:
            block.terminator.set_metadata("llvm.loop", loop)
    # A loop's name is a node that holds itself, which llvmlite has no words for.
    return _LOOP.sub(r"\1 = distinct !{ \1, \2 }", _GROUP.sub(r"\1 = distinct !{}", str(module)))


def _loops(blocks: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Yield the blocks of each loop that is marked, and those of them that branch back to its first."""
    marked = [block for block in blocks if any(_MARK in each.metadata for each in _told(block))]
    if not marked:
        return
    before: dict[Any, list[Any]] = {block: [] for block in blocks}
    for block in blocks:
        for each in _targets(block):
            before[each].append(block)
    loops = _all_loops(blocks[0], before)
    for block in marked:
        inner = min((loop for loop in loops.values() if block in loop), key=len)
        first = next(each for each, loop in loops.items() if loop is inner)
        yield [each for each in blocks if each in inner], [each for each in before[first] if each in inner]


def _all_loops(entry: Any, before: dict[Any, list[Any]]) -> dict[Any, set[Any]]:
    """Return the blocks of each loop of a function, by its first. Where blocks lie says nothing: what Numba
    writes for a division stands behind all else."""
    loops: dict[Any, set[Any]] = {}
    path: list[tuple[Any, Iterator[Any]]] = [(entry, iter(_targets(entry)))]
    open_, seen = {entry}, {entry}
    while path:
        block, targets = path[-1]
        following = next(targets, None)
        if following is None:
            open_.discard(path.pop()[0])
        elif following in open_:
            loop = loops.setdefault(following, {following})
            waiting = [block]
            while waiting:
                each = waiting.pop()
                if each not in loop:
                    loop.add(each)
                    waiting.extend(before[each])
        elif following not in seen:
            seen.add(following)
            open_.add(following)
            path.append((following, iter(_targets(following))))
    return loops


def _told(block: Any) -> Iterator[Any]:
    return (each for each in block.instructions if hasattr(each, "metadata"))


def _targets(block: Any) -> Sequence[Any]:
    end = block.terminator
    return [] if end is None else [each for each in end.operands if isinstance(each, ir.Block)]
