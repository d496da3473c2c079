"""Launches of long folds: the threads of a block share the terms of a few results.

A block has `columns` results that lie beside each other, and `lanes` threads for each: a lane takes every
so many terms, in order, and then the lanes' shares are combined in pairs, in an order that the numbers
of lanes alone fix. So the bits do not depend on what runs when.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final

from netdsl.graph import Graph, Shape, count, is_batched
from netdsl.kernels.cuda.kernel import Kind
from netdsl.lowering.cpu.position import Position
from netdsl.lowering.cuda.folds import BETTER, COMBINE, combined, fold_term, folded_extents, start_of
from netdsl.lowering.cuda.formulas import Formulas
from netdsl.lowering.cuda.points import total_of, total_text
from netdsl.program import Count, Grid, count_of


@dataclass(frozen=True, slots=True)
class Team:
    """How the threads of a block share the work: so many results, so many threads for each."""

    columns: int
    lanes: int

    @property
    def threads(self) -> int:
        """The threads of a block."""
        return self.columns * self.lanes


NEIGHBORS: Final = Team(1, 128)
"""Where the terms of a result lie beside each other: neighboring threads read neighbors."""

APART: Final = Team(32, 8)
"""Where the results lie beside each other, and their terms apart."""


CUT: Final = frozenset({"sum", "maximum_over", "minimum_over"})
TERMS: Final = 2048
"""Terms of a piece, at least."""

MOST_BLOCKS: Final = 256
SECOND: Final = 128
"""Threads of a block that combines pieces."""


def team_of(of: Formulas, index: int) -> Team:
    """Return how threads share a fold: along what lies beside each other in memory."""
    (operand,) = of.graph.operands(index)
    node = of.graph[index]
    axes = node.setting("axes") if node.operation.name == "sum" else (node.setting("axis"),)
    shape = of.graph[operand].shape
    inner = [axis for axis, extent in enumerate(shape) if extent != 1]
    return NEIGHBORS if not inner or inner[-1] in axes else APART


def pieces_of(graph: Graph, index: int, rows: int) -> int:
    """Return into how many pieces the terms of each result are cut, where there are few results and many
    terms: a block for each would leave most of a device idle. `rows` are those of a usual batch."""
    node = graph[index]
    if node.operation.name not in CUT:
        return 1
    results = int(total_of(node.shape).value({"rows": rows}))
    terms = prod(-each * rows if each < 0 else each for each in folded_extents(graph, index))
    return max(1, min(terms // TERMS, MOST_BLOCKS // results))


def write_second_pass(of: Formulas, index: int, pieces: int, scratch: str, buffer: str) -> Grid:
    """Write how the pieces of each result are combined, in order."""
    name, shape = of.graph[index].operation.name, of.graph[index].shape
    total = total_text(of, shape)
    text = of.text
    text.line(f"result = cuda.blockIdx.x * {SECOND} + cuda.threadIdx.x")
    depth = len(text.blocks)
    text.open(f"if result < {total}:")
    text.line(f"share = {start_of(name)}")
    inside = len(text.blocks)
    text.open(f"for piece in range({pieces}):")
    text.line(f"other = {of.pointer(scratch)}[piece * {total} + result]")
    text.line(f"share = {combined(name, 'share', 'other')}")
    text.close_to(inside)
    text.line(f"{of.pointer(buffer)}[result] = share")
    text.close_to(depth)
    return Grid(((total_of(shape), SECOND),))


def write_reduction(of: Formulas, index: int, buffer: str, pieces: int = 1) -> tuple[Grid, Team]:
    """Write a fold for all elements of its result, or for each piece of its terms; return its grid, and how
    the threads of a block share the work."""
    team, shape = team_of(of, index), of.graph[index].shape
    name = of.graph[index].operation.name
    text = of.text
    text.line("thread = cuda.threadIdx.x")
    text.line(f"lane = thread // {team.columns}")
    text.line(f"block = cuda.blockIdx.x // {pieces}")
    text.line(f"piece = cuda.blockIdx.x % {pieces}")
    text.line(f"result = block * {team.columns} + thread % {team.columns}")
    text.line(f"shares = shared_floats(0, {team.threads})")
    if name in BETTER:
        text.line(f"places = shared_ints(1, {team.threads})")
    _write_shares(of, index, team, pieces)
    _write_tree(of, index, team)
    kind: Kind = "int" if name in BETTER else "float"
    target = of.pointer(buffer, kind)
    text.line(f"if lane == 0 and result < {total_text(of, shape)}:")
    place = "result" if pieces == 1 else f"piece * {total_text(of, shape)} + result"
    text.line(f"    {target}[{place}] = {'places' if name in BETTER else 'shares'}[thread]")
    return Grid(((total_of(shape), team.columns), (count_of(pieces), 1))), team


def _write_shares(of: Formulas, index: int, team: Team, pieces: int) -> None:
    """Write the loop in which a thread combines its terms; a thread beside the results has none."""
    name, text = of.graph[index].operation.name, of.text
    extents, shape = folded_extents(of.graph, index), of.graph[index].shape
    text.line(f"share = {_start(name)}")
    if name in BETTER:
        text.line("place = -1")
    depth = len(text.blocks)
    text.open(f"if result < {total_text(of, shape)}:")
    of.depths["result"] = depth
    result = of.index.variable("result", None if is_batched(shape) else count(shape))
    position = of.unflattened(result, shape)
    total = " * ".join(of.extent(each) for each in extents)
    text.line(f"terms = ({total} + {pieces - 1}) // {pieces}")
    text.line(f"end = min(piece * terms + terms, {total})")
    inside = text.open(f"for k in range(piece * terms + lane, end, {team.lanes}):")
    of.depths["k"] = inside
    k = of.index.variable("k", None if any(each < 0 for each in extents) else prod(extents))
    term, _ = fold_term(of, index, position, _unflattened(of, k, extents))
    if name in BETTER:
        value = of.set("x", term)
        text.line(f"if place < 0 or {_wins(name, value, 'share')}:")
        text.line(f"    share = {value}")
        text.line("    place = k")
    else:
        if name in COMBINE:
            term = of.set("x", term)
        text.line(f"share = {combined(name, 'share', term)}")
    text.close_to(depth)


def _unflattened(of: Formulas, k: Count, extents: Shape) -> Position:
    """Return the place of a term; a batch axis comes first, and takes what is left."""
    return of.index.unflattened(k, extents)


def _start(name: str) -> str:
    return "f32(0.0)" if name in BETTER else start_of(name)


def _wins(name: str, value: str, best: str) -> str:
    return f"({value} {BETTER[name]} {best}) | (({value} != {value}) & ({best} == {best}))"


def _write_tree(of: Formulas, index: int, team: Team) -> None:
    """Write how lanes combine their shares: in pairs, half as many each time."""
    name, text = of.graph[index].operation.name, of.text
    text.line("shares[thread] = share")
    if name in BETTER:
        text.line("places[thread] = place")
    text.line("cuda.syncthreads()")
    half = team.lanes // 2
    while half:
        other = f"thread + {half * team.columns}"
        text.line(f"if lane < {half}:")
        if name in BETTER:
            text.lines(f"    {line}" for line in _better_of_two(name, other))
        else:
            text.line(f"    other = shares[{other}]")
            text.line("    share = shares[thread]")
            text.line(f"    shares[thread] = {combined(name, 'share', 'other')}")
        text.line("cuda.syncthreads()")
        half //= 2


def _better_of_two(name: str, other: str) -> list[str]:
    """Return lines that keep the better of two, of equals the first; a lane without terms has place -1."""
    x, y = f"shares[{other}]", "shares[thread]"
    p, q = f"places[{other}]", "places[thread]"
    equal = f"(({x} == {y}) | (({x} != {x}) & ({y} != {y}))) & ({p} < {q})"
    return [
        f"if {p} >= 0 and ({q} < 0 or {_wins(name, x, y)} or {equal}):",
        f"    shares[thread] = {x}",
        f"    places[thread] = {p}",
    ]
