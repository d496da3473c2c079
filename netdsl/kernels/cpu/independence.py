"""Loops whose iterations keep apart: told by the text of a kernel, passed on to LLVM's vectorizer.

Pointers are numbers to LLVM, so that any two of them might meet. Before a vectorized loop it would compare
each address that is written with every other: 20 buffers are 120 comparisons, for each row of 16 lanes.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from netdsl.kernels.cpu.emission import NOTHING, emits, whole

_MARK: Final = "netdsl.independent"
_GROUP: Final = re.compile(r'^(!\d+) = !\{ !"netdsl\.group \d+" \}', re.MULTILINE)
_LOOP: Final = re.compile(r'^(!\d+) = !\{ !"netdsl\.loop \d+", (!\d+) \}', re.MULTILINE)


@emits(NOTHING)
def independent(builder: Any) -> None:
    """Say, first in a loop without loops inside, that no iteration touches memory that another one writes."""
    builder.add(whole(0), whole(0)).set_metadata(_MARK, builder.module.add_metadata([_MARK]))


def annotated(module: Any) -> str:
    """Return the text of an llvmlite module in which such loops are told to be parallel.

    A loop's blocks lie one after the other, from its header to the first branch back to it.
    """
    found = [each for function in module.functions for each in _loops(function.blocks)]
    for number, blocks in enumerate(found):
        group = module.add_metadata([f"netdsl.group {number}"])
        access = module.add_metadata(["llvm.loop.parallel_accesses", group])
        loop = module.add_metadata([f"netdsl.loop {number}", access])
        for block in blocks:
            for each in block.instructions:
                if each.opname in ("load", "store"):
                    each.set_metadata("llvm.access.group", group)
        blocks[-1].terminator.set_metadata("llvm.loop", loop)
    # A loop's name is a node that holds itself, which llvmlite has no words for.
    return _LOOP.sub(r"\1 = distinct !{ \1, \2 }", _GROUP.sub(r"\1 = distinct !{}", str(module)))


def _loops(blocks: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the blocks of each loop that is marked."""
    places = {block.name: place for place, block in enumerate(blocks)}
    for first, block in enumerate(blocks):
        if any(_MARK in each.metadata for each in block.instructions if hasattr(each, "metadata")):
            for last in range(first, len(blocks)):
                back = [places[each.name] for each in _targets(blocks[last])]
                if back and min(back) < first:
                    yield blocks[min(back) : last + 1]
                    break


def _targets(block: Any) -> Sequence[Any]:
    end = block.terminator
    return end.operands if end is not None and end.opname == "br" and len(end.operands) == 1 else ()
