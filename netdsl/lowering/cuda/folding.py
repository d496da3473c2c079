"""Launches of long folds: of those over the same terms at once, and in pieces where there are few results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from netdsl.graph import count, is_batched
from netdsl.lowering.cuda.formulas import Formulas
from netdsl.lowering.cuda.points import total_of
from netdsl.lowering.cuda.reductions import SECOND, pieces_of, write_reduction, write_second_pass
from netdsl.lowering.headers import about
from netdsl.program import Buffer, Count, Grid

if TYPE_CHECKING:
    from netdsl.lowering.cuda.lower import Lowering


def launch_folds(shop: Lowering, members: Sequence[int]) -> None:
    """Launch long folds over the same terms; a second launch combines pieces, if they are cut into some."""
    first = members[0]
    pieces = pieces_of(shop.graph, first, shop.rows)
    targets = [shop.places[index].name for index in members]
    scratch = targets if pieces == 1 else [_pieces(shop, index, pieces) for index in members]
    of = shop.formulas(members)
    grid, team = write_reduction(of, members, scratch, pieces)
    (operand,) = shop.graph.operands(first)
    work = len(members) * total_of(shop.graph[operand].shape)
    reads = {each for index in members for each in shop.plan.reads[index]}
    _add(shop, of, members, grid, team.threads, reads, scratch, work)
    if pieces > 1:
        of = shop.formulas(members)
        grid = write_second_pass(of, members, pieces, scratch, targets)
        _add(shop, of, members, grid, SECOND, (), [*targets, *scratch], Count(), second=True)


def _pieces(shop: Lowering, index: int, pieces: int) -> str:
    """Return a buffer for the pieces of a fold."""
    shape, name = shop.graph[index].shape, f"{shop.prefix}pieces {index}"
    cut = (shape[0], pieces * count(shape)) if is_batched(shape) else (pieces * count(shape),)
    shop.buffers[name] = Buffer(name, cut, label="pieces of sums")
    return name


def _add(
    shop: Lowering,
    of: Formulas,
    members: Sequence[int],
    grid: Grid,
    threads: int,
    reads: Iterable[int],
    writes: Sequence[str],
    work: Count,
    *,
    second: bool = False,
) -> None:
    kernel = of.text.finish("fold", about(shop.graph, members, members), threads)
    shop.add(kernel, of.text.passed(), grid, reads, writes, shop.origins(members), work, second=second)
