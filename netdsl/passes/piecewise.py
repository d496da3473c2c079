"""Steps of a phase that are cut alike go through their work piece by piece, so that a step finds in the cache
what the one before it has made.

Attention's products and its softmax work example by example: scores of 32 examples are megabytes, those of
one fit into the second cache. With `lowering/cpu/within_pieces.py` attention takes an eighth less time, there
and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from netdsl.program import ELSEWHERE, Count, Portion, Range, Step, count_of

CACHE: Final = 1 << 19
"""Bytes that the steps of a piece should touch at most: a part of a core's second cache."""

MANY: Final = 4096
"""Rows by which what lies in memory for each row is told from what is there once."""


def piece_by_piece(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps of a phase, those joined that share out one range of rows.

    Two of them touch the same memory only where each row has its own part of it, or else there would be a
    barrier between them.
    """
    alike: dict[Range, list[Step]] = {}
    for step in steps:
        if isinstance(step.work, Range) and _is_of_rows(step.work):
            alike.setdefault(step.work, []).append(step)
    found: list[Step] = []
    for step in steps:
        several = alike.get(step.work, []) if isinstance(step.work, Range) else []
        if len(several) < 2:
            found.append(step)
        elif several[0] is step and isinstance(step.work, Range):
            found.append(_joined(several, step.work))
    return tuple(found)


def _is_of_rows(work: Range) -> bool:
    return bool(work.total.value({"rows": 0}) == 0)


def _joined(steps: Sequence[Step], work: Range) -> Step:
    touched = sum(step.bytes.value({"rows": MANY}) for step in steps)
    grains = CACHE * work.total.value({"rows": MANY}) // max(1, touched) // work.grain
    return replace(
        steps[0],
        calls=tuple(call for step in steps for call in step.calls),
        work=replace(work, piece=work.grain * max(1, grains)),
        reads=tuple(dict.fromkeys(each for step in steps for each in step.reads)),
        writes=tuple(dict.fromkeys(each for step in steps for each in step.writes)),
        origins=tuple(dict.fromkeys(each for step in steps for each in step.origins)),
        flops=_sum(step.flops for step in steps),
        bytes=_sum(step.bytes for step in steps),
        portions=tuple(each for step in steps for each in step.portions or (_portion(step),)),
    )


def _portion(step: Step) -> Portion:
    return Portion(len(step.calls), step.origins, step.flops, ((ELSEWHERE, step.bytes),))


def _sum(counts: Iterable[Count]) -> Count:
    return sum(counts, count_of(0))
