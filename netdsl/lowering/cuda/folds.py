"""Folds that one thread computes: a loop for what makes one number of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdsl.graph import Graph, Shape
from netdsl.lowering.position import Position
from netdsl.lowering.taps import Place, summed_extents
from netdsl.lowering.terms import BETTER, factors_at, lines_of_better, window_term
from netdsl.passes.fuse import WINDOWS as SEEN
from netdsl.passes.storing import REDUCTIONS

if TYPE_CHECKING:
    from netdsl.lowering.cuda.formulas import Formulas

WINDOWS: Final = SEEN - {"take_window"}
FOLDS: Final = REDUCTIONS | WINDOWS | {"matmul", "scatter_add", "rank_over"}
START: Final = {
    "maximum_over": "f32(-1e999)",
    "max_pool": "f32(-1e999)",
    "minimum_over": "f32(1e999)",
}
COMBINE: Final = {
    "maximum_over": "{acc} if ({acc} > {x}) | ({acc} != {acc}) else {x}",
    "max_pool": "{acc} if ({acc} > {x}) | ({acc} != {acc}) else {x}",
    "minimum_over": "{acc} if ({acc} < {x}) | ({acc} != {acc}) else {x}",
}


def start_of(name: str) -> str:
    """Return what a fold begins with."""
    return START.get(name, "f32(0.0)")


def combined(name: str, accumulator: str, term: str) -> str:
    """Return the formula of a fold with one term more."""
    return COMBINE.get(name, "{acc} + {x}").format(acc=accumulator, x=term)


def folded_extents(graph: Graph, index: int) -> Shape:
    """Return the extents that a fold goes over."""
    node = graph[index]
    shapes = [graph[each].shape for each in graph.operands(index)]
    match node.operation.name:
        case "sum":
            return tuple(shapes[0][axis] for axis in node.setting("axes"))
        case "matmul":
            return tuple(shapes[0][axis] for axis, _ in node.setting("contract"))
        case "convolve_kernel":
            return shapes[1][:-1]
        case "scatter_add":
            return shapes[0]
        case name if name in WINDOWS:
            return summed_extents(graph, index)
    return (shapes[0][node.setting("axis")],)


def fold(of: Formulas, index: int, position: Position) -> str:
    """Write the loops of a fold for one element; return the variable of its result."""
    node = of.graph[index]
    name = node.operation.name
    if name == "rank_over":
        return _rank(of, index, position)
    accumulator = of.text.variable(name)
    best = f"{accumulator}_best"
    if name in BETTER:
        of.text.line(f"{accumulator} = {-1 if name == 'argmax_pool' else 0}")
        of.text.line(f"{best} = f32({'1e999' if name == 'argmin' else '-1e999'})")
    else:
        of.text.line(f"{accumulator} = {start_of(name)}")
    depth = len(of.text.blocks)
    if index in of.entries:
        summed = _open_entries(of, index, position)
    else:
        summed = tuple(of.open("k", extent) for extent in folded_extents(of.graph, index))
        if name == "scatter_add":
            _open_where_added(of, index, position, summed)
    term, place = fold_term(of, index, position, summed)
    if name in BETTER:
        here = summed[0] if place is None else of.index.flat(summed, node.setting("size"))
        of.text.lines(lines_of_better(name, of.set("x", term), best, accumulator, here, place))
    else:
        if name in COMBINE:
            term = of.set("x", term)
        of.text.line(f"{accumulator} = {combined(name, accumulator, term)}")
    of.text.close_to(depth)
    of.depths[accumulator] = len(of.text.blocks) - 1
    return accumulator


def fold_term(of: Formulas, index: int, position: Position, summed: Position) -> tuple[str, Place | None]:
    """Return what a fold combines at a position of its loops, and where a tap of a window lands."""
    node, operands = of.graph[index], of.graph.operands(index)
    match node.operation.name:
        case "sum":
            inner = dict(zip(node.setting("axes"), summed, strict=True))
            return of.value(operands[0], tuple(inner.get(a, at) for a, at in enumerate(position))), None
        case "matmul":
            left, right = factors_at(of.graph, index, position, summed)
            return f"{of.value(operands[0], left)} * {of.value(operands[1], right)}", None
        case "scatter_add":
            return of.value(operands[1], (*summed, *position[1:])), None
        case name if name in WINDOWS:
            return window_term(of, of.graph, index, position, summed)
    axis = node.setting("axis")
    return of.value(operands[0], (*position[:axis], summed[0], *position[axis + 1 :])), None


def _open_entries(of: Formulas, index: int, position: Position) -> Position:
    """Open a loop over the entries of an element's row, in order; return the position of one."""
    entries, (row, *_) = of.entries[index], position
    begin, end, order = (of.pointer(each, "int") for each in (entries.begin, entries.end, entries.order))
    place, entry = of.text.variable("place"), of.text.variable("entry")
    inside = of.text.open(f"for {place} in range({begin}[{row}], {end}[{row}]):")
    of.text.line(f"{entry} = {order}[{place}]")
    return of.index.unflattened(of.known(entry, inside, None), folded_extents(of.graph, index))


def _open_where_added(of: Formulas, index: int, position: Position, summed: Position) -> None:
    """Open a block for the rows that are added to an element's: only they are read."""
    row = of.value(of.graph.operands(index)[0], summed)
    inside = of.text.open(f"if {row} == {position[0]}:")
    for at in summed:
        of.depths.update(dict.fromkeys(at.symbols(), inside))


def _rank(of: Formulas, index: int, position: Position) -> str:
    """Count the smaller and the equal ones: the rank is the middle of the places that equals have."""
    (operand,), axis = of.graph.operands(index), of.graph[index].setting("axis")
    own = of.value(operand, position)
    rank = of.set("rank", "f32(0.5)")
    depth = len(of.text.blocks)
    k = of.open("k", of.graph[operand].shape[axis])
    other = of.value(operand, (*position[:axis], k, *position[axis + 1 :]))
    of.text.line(f"if {other} < {own}:")
    of.text.line(f"    {rank} = {rank} + f32(1.0)")
    of.text.line(f"elif {other} == {own}:")
    of.text.line(f"    {rank} = {rank} + f32(0.5)")
    of.text.line(f"elif {other} != {other}:")
    of.text.line(f"    {rank} = {other}")
    of.text.close_to(depth)
    return rank
