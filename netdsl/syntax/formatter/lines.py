"""Lines, one under the other: empty lines between them, comments beside them, `=` under `=`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Final

from netdsl.lazy_dataclass import dataclass, replace

WIDTH: Final = 100
# Further apart than this, `=` under `=` is hard to follow.
_SPREAD: Final = 24


@dataclass(frozen=True, slots=True)
class Block:
    """What an item, or a comment in a line of its own, is written as."""

    lines: tuple[str, ...]
    kind: str = ""
    """Items of one kind in lines one after the other are aligned; empty if it is not to be."""
    sign: int = 0
    """The column of its `=`."""
    comment: str = ""
    """The comment beside its last line."""
    blank: bool = False
    """Whether an empty line stands before it."""
    item: bool = True

    @property
    def single(self) -> bool:
        """Tell whether it is one line."""
        return len(self.lines) == 1


def separated(blocks: Sequence[Block]) -> list[Block]:
    """Return declarations with an empty line around each that has more than one line."""
    result = list(blocks)
    items = [index for index, block in enumerate(blocks) if block.item]
    for before, after in pairwise(items):
        between = range(before + 1, after + 1)
        tall = not (blocks[before].single and blocks[after].single)
        if tall and not any(result[index].blank for index in between):
            result[before + 1] = replace(result[before + 1], blank=True)
    return result


def written(blocks: Iterable[Block], indent: int) -> Iterator[str]:
    """Yield the lines of blocks, aligned and indented."""
    for group in _neighbors(blocks):
        aligned = _aligned(group, indent)
        yield from _with_comments(aligned, indent)


def _neighbors(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield the blocks in groups of single lines that follow each other; any other block stands alone."""
    group: list[Block] = []
    for block in blocks:
        if group and (block.blank or not block.single or not group[-1].single):
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _aligned(blocks: Sequence[Block], indent: int) -> list[Block]:
    result: list[Block] = []
    for kind, run in groupby(blocks, key=lambda block: block.kind):
        same = list(run)
        result += _under_each_other(same, indent) if kind else same
    return result


def _under_each_other(blocks: Sequence[Block], indent: int) -> list[Block]:
    """Return lines with their signs in one column, or as they were if one would become too long."""
    column = max(block.sign for block in blocks)
    padded = [
        replace(block, lines=(block.lines[0][: block.sign].ljust(column) + block.lines[0][block.sign :],))
        for block in blocks
    ]
    near = column - min(block.sign for block in blocks) <= _SPREAD
    fits = all(indent + len(block.lines[0]) <= WIDTH for block in padded)
    return padded if near and fits else list(blocks)


def _with_comments(blocks: Sequence[Block], indent: int) -> Iterator[str]:
    margin = " " * indent
    for beside, run in groupby(blocks, key=lambda block: bool(block.comment)):
        same = list(run)
        column = max(len(block.lines[-1]) for block in same) if beside else 0
        for block in same:
            if block.blank:
                yield ""
            yield from (margin + line if line else "" for line in block.lines[:-1])
            yield f"{margin}{block.lines[-1].ljust(column)}{block.comment and '  '}{block.comment}"
