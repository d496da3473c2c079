"""Launches of long folds: the threads of a block share the terms of a few results.

A block has `columns` results that lie beside each other, and `lanes` threads for each: a lane takes every
so many terms, in order, and then the lanes' shares are combined in pairs, in an order that the numbers
of lanes alone fix. So the bits do not depend on what runs when.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from netdsl.graph import Graph, count, is_batched
from netdsl.kernels.cuda.kernel import Kind
from netdsl.lowering.cuda.folds import COMBINE, combined, fold_term, folded_extents, start_of
from netdsl.lowering.cuda.formulas import Formulas
from netdsl.lowering.cuda.points import total_of, total_text
from netdsl.lowering.terms import BETTER
from netdsl.program import Grid, count_of


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
"""Terms of a piece, at least: the second pass is a launch more that others wait for."""

TOGETHER: Final = 8
"""Folds that one launch makes at most: each has an array in shared memory."""

MOST_BLOCKS: Final = 256
SECOND: Final = 128
"""Threads of a block that combines pieces."""


def team_of(graph: Graph, index: int) -> Team:
    """Return how threads share a fold: along what lies beside each other in memory."""
    (operand,) = graph.operands(index)
    node = graph[index]
    axes = node.setting("axes") if node.operation.name == "sum" else (node.setting("axis"),)
    shape = graph[operand].shape
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
    blocks = -(-results // team_of(graph, index).columns)
    return max(1, min(terms // TERMS, MOST_BLOCKS // blocks))


def write_second_pass(
    of: Formulas, members: Sequence[int], pieces: int, scratch: Sequence[str], buffers: Sequence[str]
) -> Grid:
    """Write how the pieces of each result are combined, in order."""
    shape, text = of.graph[members[0]].shape, of.text
    names = [of.graph[index].operation.name for index in members]
    total = total_text(of, shape)
    text.line(f"result = cuda.blockIdx.x * {SECOND} + cuda.threadIdx.x")
    depth = len(text.blocks)
    text.open(f"if result < {total}:")
    text.lines(f"share{n} = {start_of(name)}" for n, name in enumerate(names))
    inside = len(text.blocks)
    text.open(f"for piece in range({pieces}):")
    for n, name in enumerate(names):
        text.line(f"other{n} = {of.pointer(scratch[n])}[piece * {total} + result]")
        text.line(f"share{n} = {combined(name, f'share{n}', f'other{n}')}")
    text.close_to(inside)
    text.lines(f"{of.pointer(buffers[n])}[result] = share{n}" for n in range(len(members)))
    text.close_to(depth)
    return Grid(((total_of(shape), SECOND),))


def write_reduction(
    of: Formulas, members: Sequence[int], buffers: Sequence[str], pieces: int = 1
) -> tuple[Grid, Team]:
    """Write folds over the same terms for all elements of their results, or for each piece of the terms;
    return the grid, and how the threads of a block share the work. A position of an extreme is alone."""
    team, shape = team_of(of.graph, members[0]), of.graph[members[0]].shape
    names = [of.graph[index].operation.name for index in members]
    ranked = names[0] in BETTER
    text = of.text
    text.line("thread = cuda.threadIdx.x")
    text.line(f"lane = thread // {team.columns}")
    text.line(f"block = cuda.blockIdx.x // {pieces}")
    text.line(f"piece = cuda.blockIdx.x % {pieces}")
    text.line(f"result = block * {team.columns} + thread % {team.columns}")
    text.lines(f"shares{n} = shared_floats({n}, {team.threads})" for n in range(len(members)))
    if ranked:
        text.line(f"places = shared_ints(1, {team.threads})")
    _write_shares(of, members, team, pieces)
    text.lines(f"shares{n}[thread] = share{n}" for n in range(len(members)))
    if ranked:
        text.line("places[thread] = place")
    _write_tree(of, names, team)
    kind: Kind = "int" if ranked else "float"
    targets = [of.pointer(buffer, kind) for buffer in buffers]
    text.line(f"if lane == 0 and result < {total_text(of, shape)}:")
    place = "result" if pieces == 1 else f"piece * {total_text(of, shape)} + result"
    for n, target in enumerate(targets):
        text.line(f"    {target}[{place}] = {'places' if ranked else f'shares{n}'}[thread]")
    return Grid(((total_of(shape), team.columns), (count_of(pieces), 1))), team


def _write_shares(of: Formulas, members: Sequence[int], team: Team, pieces: int) -> None:
    """Write the loop in which a thread combines its terms; a thread beside the results has none."""
    text, shape = of.text, of.graph[members[0]].shape
    names = [of.graph[index].operation.name for index in members]
    extents = folded_extents(of.graph, members[0])
    text.lines(f"share{n} = {_start(name)}" for n, name in enumerate(names))
    if names[0] in BETTER:
        text.line("place = -1")
    depth = len(text.blocks)
    text.open(f"if result < {total_text(of, shape)}:")
    of.depths["result"] = depth
    result = of.index.variable("result", None if is_batched(shape) else count(shape))
    position = of.unflattened(result, shape)
    total = " * ".join(of.extent(each) for each in extents)
    text.line(f"terms = ({total} + {pieces - 1}) // {pieces}")
    text.line(f"end = min(piece * terms + terms, {total})")
    of.depths["k"] = text.open(f"for k in range(piece * terms + lane, end, {team.lanes}):")
    k = of.index.variable("k", None if any(each < 0 for each in extents) else prod(extents))
    summed = of.index.unflattened(k, extents)
    for n, (index, name) in enumerate(zip(members, names, strict=True)):
        term, _ = fold_term(of, index, position, summed)
        if name in BETTER:
            value = of.set("x", term)
            text.line(f"if place < 0 or {_wins(name, value, 'share0')}:")
            text.line(f"    share0 = {value}")
            text.line("    place = k")
        else:
            term = of.set("x", term) if name in COMBINE else term
            text.line(f"share{n} = {combined(name, f'share{n}', term)}")
    text.close_to(depth)


def _start(name: str) -> str:
    return "f32(0.0)" if name in BETTER else start_of(name)


def _wins(name: str, value: str, best: str) -> str:
    return f"({value} {BETTER[name]} {best}) | (({value} != {value}) & ({best} == {best}))"


def _write_tree(of: Formulas, names: Sequence[str], team: Team) -> None:
    """Write how lanes combine their shares: in pairs, half as many each time."""
    text = of.text
    text.line("cuda.syncthreads()")
    half = team.lanes // 2
    while half:
        other = f"thread + {half * team.columns}"
        text.line(f"if lane < {half}:")
        for n, name in enumerate(names):
            if name in BETTER:
                text.lines(f"    {line}" for line in _better_of_two(name, other))
            else:
                text.line(f"    other{n} = shares{n}[{other}]")
                text.line(f"    share{n} = shares{n}[thread]")
                text.line(f"    shares{n}[thread] = {combined(name, f'share{n}', f'other{n}')}")
        text.line("cuda.syncthreads()")
        half //= 2


def _better_of_two(name: str, other: str) -> list[str]:
    """Return lines that keep the better of two, of equals the first; a lane without terms has place -1."""
    x, y = f"shares0[{other}]", "shares0[thread]"
    p, q = f"places[{other}]", "places[thread]"
    equal = f"(({x} == {y}) | (({x} != {x}) & ({y} != {y}))) & ({p} < {q})"
    return [
        f"if {p} >= 0 and ({q} < 0 or {_wins(name, x, y)} or {equal}):",
        f"    shares0[thread] = {x}",
        f"    places[thread] = {p}",
    ]


def alike(graph: Graph, index: int) -> Hashable:
    """Return what folds have in common that one launch makes."""
    node = graph[index]
    if node.operation.name not in CUT:
        return index
    (operand,) = graph.operands(index)
    axes = node.setting("axes") if node.operation.name == "sum" else (node.setting("axis"),)
    return graph[operand].shape, node.shape, tuple(axes)
