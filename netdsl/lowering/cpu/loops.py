"""Loops for any group of nodes: values are written as formulas of positions, nested as deep as they have to
be.

A kernel goes over `outer` axes (rows, mostly), shared out to threads. Within one step of that loop the group
is cut into nests: a reduction must be complete before its result is used. What several nests need and is
dear to compute is kept in a thread's scratch memory; all else is written in place as a formula of what lies
in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Final

from netdsl.graph import Shape, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.kernel_text import INDEPENDENT
from netdsl.lowering.cpu.nests import IN_ONE_GO, PLACED, Nest, Plan
from netdsl.lowering.cpu.values import Values
from netdsl.lowering.position import ZERO, Position
from netdsl.lowering.taps import Place
from netdsl.lowering.terms import BETTER, factors_at, lines_of_better, window_term
from netdsl.passes.fuse import WINDOWS
from netdsl.program import LANES, Count, count_of, symbol

SHARE: Final = "lo", "hi"
SUMS: Final = PLACED - {"max_pool", "argmax_pool"} | {"sum"}
START: Final = {
    **dict.fromkeys(SUMS, "f32(0.0)"),
    **dict.fromkeys(("maximum_over", "max_pool"), "f32(-1e999)"),
    "minimum_over": "f32(1e999)",
}
COMBINE: Final = {
    **dict.fromkeys(SUMS, "{acc} = {acc} + {x}"),
    **dict.fromkeys(("maximum_over", "max_pool"), "{acc} = maximum32({acc}, {x})"),
    "minimum_over": "{acc} = minimum32({acc}, {x})",
}


@dataclass(slots=True)
class Loops:
    """Writes the kernel of one group as it is planned."""

    plan: Plan
    values: Values = field(init=False)
    pending: list[str] = field(default_factory=list)
    row: Position = ()

    def __post_init__(self) -> None:
        self.values = Values(self.plan)

    def write(self) -> None:
        """Write the kernel's text."""
        self.plan.keep()
        self._open_rows()
        self.values.index.outside = frozenset(self.values.index.bounds)
        nests = self.plan.nests()
        for nest in sorted(nests, key=lambda each: (each.stage, min(nests[each]))):
            self._write_nest(nest, nests[nest])

    def _open_rows(self) -> None:
        if prod(self.plan.outer) == 1:
            self.row = tuple(ZERO for _ in self.plan.outer)
            return
        low, high = (self.values.text.parameter(name, symbol(name)) for name in SHARE)
        batched = is_batched(self.plan.outer)
        r = self.values.index.variable("r", None if batched else prod(self.plan.outer))
        self.values.depths["r"] = self.values.text.open(f"for r in range({low}, {high}):")
        if batched:
            self.row = (r, *(self._open(f"q{axis}", each) for axis, each in enumerate(self.plan.outer[1:])))
        else:
            self.row = self.values.index.unflattened(r, self.plan.outer)
        self.values.row_depth = len(self.values.text.blocks) - 1

    def _write_nest(self, nest: Nest, members: list[int]) -> None:
        if nest.alone >= 0:
            write = self._fold_in_one_go if self.plan.is_in_one_go(nest.alone) else self._write_fold
            write(nest.alone)
            return
        folds = [index for index in members if self.plan.is_fold(index)]
        for index in folds:
            self._start(index)
        self._write_loops(nest, members)
        for index in folds:
            self._end(index)
        for index in members:
            if index not in folds:
                self.values.written[index] = self.plan.near(index)

    def _write_loops(self, nest: Nest, members: list[int]) -> None:
        """Go over all inner axes: in one loop, or in panels of 16, or axis by axis, the last one in panels if
        need be, so that no index needs a division; axis by axis if there is no such way."""
        ways = (self._write_line, self._write_panels, self._write_axes, self._write_axes_in_panels)
        flat = min(nest.shape, default=1) > 0 and prod(nest.shape) > 1
        for write in ways if flat else ways[2:] if nest.shape else ():
            before = (
                [block.copy() for block in self.values.text.blocks],
                dict(self.values.text.arguments),
                self.values.text.variables,
            )
            self.values.index.divided = False
            write(nest, members)
            if not self.values.index.divided:
                return
            self.values.text.blocks, self.values.text.arguments, self.values.text.variables = before
        self._write_axes(nest, members)

    def _write_line(self, nest: Nest, members: list[int]) -> None:
        i = self._open("i", self._count(nest, members))
        self._write_body(self.values.index.unflattened(i, nest.shape), members)
        self._close()

    def _count(self, nest: Nest, members: list[int]) -> int:
        """Return how many numbers of a nest are computed: whole lines where that disturbs nobody."""
        count = prod(nest.shape)
        return count + -count % LANES if all(map(self.plan.fills_lines, members)) else count

    def _write_panels(self, nest: Nest, members: list[int]) -> None:
        depth = len(self.values.text.blocks)
        for flat in self._lanes_of(self._count(nest, members)):
            self._write_body(self.values.index.unflattened(flat, nest.shape), members)
            self._close_to(depth)

    def _write_axes(self, nest: Nest, members: list[int]) -> None:
        depth = len(self.values.text.blocks)
        position = tuple(self._open(f"i{axis}", extent) for axis, extent in enumerate(nest.shape))
        self._write_body(position, members)
        self._close_to(depth)

    def _write_axes_in_panels(self, nest: Nest, members: list[int]) -> None:
        depth = len(self.values.text.blocks)
        *outer, last = nest.shape
        position = tuple(self._open(f"i{axis}", extent) for axis, extent in enumerate(outer))
        inside = len(self.values.text.blocks)
        for column in self._lanes_of(last):
            self._write_body((*position, column), members)
            self._close_to(inside)
        self._close_to(depth)

    def _lanes_of(self, count: int) -> Iterator[Count]:
        """Open loops over panels and their 16 lanes, then over the lanes that are left; yield the index."""
        whole, rest = divmod(count, LANES)
        for panels, lanes in ((whole, LANES), (1, rest)):
            if panels * lanes:
                panel = self._open("p", panels) if lanes == LANES else count_of(whole)
                yield panel * LANES + self._open("lane", lanes)

    def _close_to(self, depth: int) -> None:
        while len(self.values.text.blocks) > depth:
            self._close()

    def _open(self, name: str, extent: int) -> Count:
        """Open a loop; return its index, 0 without a loop where there is nothing to repeat."""
        if extent == 1:
            return ZERO
        end = self.values.extent(extent)
        self.values.depths[name] = self.values.text.open(f"for {name} in range({end}):")
        return self.values.index.variable(name, None if extent < 0 else extent)

    def _close(self) -> None:
        self.values.text.lines(self.pending)
        self.pending.clear()
        self.values.text.close()

    def _write_body(self, inner: Position, members: list[int]) -> None:
        inside = len(self.values.text.blocks) - 1 > self.values.row_depth
        if inside and not any(map(self.plan.is_fold, members)):
            self.values.text.line(INDEPENDENT)
        for index in members:
            if self.plan.is_fold(index):
                self._combine(index, inner)
            else:
                self._store(index, (*self.row, *inner))
        if (
            self.values.text.blocks[-1].header == ""
            or len(self.values.text.blocks) - 1 == self.values.row_depth
        ):
            self.values.text.lines(self.pending)
            self.pending.clear()

    def _store(self, index: int, position: Position) -> None:
        value = self.values.value(index, position)
        if self.plan.graph[index].dtype == "bool":
            value = f"(f32(1.0) if {value} else f32(0.0))"
        shape = self.plan.graph[index].shape
        buffers = {each.name: each for each in (self.plan.target(index), self.plan.near(index))}
        places = [self.values.element(each, shape, position) for each in buffers.values()]
        self.pending.append(" = ".join([*places, value]))

    # ---- folds --------------------------------------------------------------------------------

    def _start(self, index: int) -> None:
        name = self.plan.graph[index].operation.name
        self.values.folded[index] = self.values.text.variable(self.plan.graph[index].operation.name)
        if name in BETTER:
            first = -1 if name == "argmax_pool" else 0
            self.values.text.line(f"{self.values.folded[index]} = {first}")
            worst = "-1e999" if name == "argmax" else "1e999"
            self.values.text.line(f"{self.values.folded[index]}_best = f32({worst})")
        else:
            self.values.text.line(f"{self.values.folded[index]} = {START[name]}")

    def _combine(self, index: int, inner: Position) -> None:
        node = self.plan.graph[index]
        name, accumulator = node.operation.name, self.values.folded[index]
        if name not in BETTER:
            self.values.text.line(COMBINE[name].format(acc=accumulator, x=self._term(index, inner)))
            return
        if name == "argmax_pool":
            value, place = self._window(index, inner)
            here = self.values.index.flat(inner[-len(node.setting("size")) :], node.setting("size"))
        else:
            value, place = self._term(index, inner), None
            here = inner[node.setting("axis") - len(self.plan.outer)]
        lines = lines_of_better(name, value, f"{accumulator}_best", accumulator, here, place)
        self.values.text.lines(lines)

    def _end(self, index: int) -> None:
        self.values.depths[self.values.folded[index]] = self.values.row_depth
        if index in self.plan.stores:
            zeros = tuple(ZERO for _ in self.plan.graph[index].shape[len(self.plan.outer) :])
            self._store(index, (*self.row, *zeros))
            self.values.text.lines(self.pending)
            self.pending.clear()

    def _write_fold(self, index: int) -> None:
        """Write a fold that leaves more than one number, in loops of its own.

        Where the last axis stays, the sums lie in memory and the innermost loop goes along them: it reads
        and writes neighbors. Else a variable holds one sum at a time.
        """
        shape = self.plan.fold_shape(index)
        kept = set(self.plan.kept_axes(index))
        summed = self.plan.summed_axes(index)
        trailing = (
            [axis for axis in kept if all(axis > each for each in summed)]
            if not self._is_placed(index)
            else []
        )
        if self._is_placed(index):
            trailing = [axis for axis in kept if axis == max(kept)]
        if trailing and self.plan.graph[index].operation.name in START:
            self._fold_in_memory(index, shape, sorted(kept - set(trailing)), summed, trailing)
        else:
            self._fold_in_variable(index, shape, sorted(kept), summed)
        self.values.written[index] = self.plan.near(index)

    def _fold_in_one_go(self, index: int) -> None:
        """Write a call of the library that folds neighbors in memory, for each line of them."""
        node = self.plan.graph[index]
        operand = self.plan.graph.operands(index)[0]
        shape, folded = self.plan.graph[operand].shape, self.plan.fold_shape(index)
        buffer = self.values.written.get(operand) or self.plan.places[operand]
        depth, kept = len(self.values.text.blocks), self.plan.kept_axes(index)
        at = {axis: self._open(f"i{axis}", folded[axis]) for axis in kept}
        start = tuple(at.get(axis, ZERO) for axis in range(len(folded)))
        place = self.values.element(buffer, shape, (*self.row, *start))
        pointer, offset = place[:-1].split("[", 1)
        address_text = f"{pointer}_" if offset == "0" else f"{pointer}_ + 4*({offset})"
        count = "*".join(self.values.extent(folded[axis]) for axis in self.plan.summed_axes(index))
        fold = f"{IN_ONE_GO[node.operation.name]}({address_text}, {count})"
        if kept:
            self._store_fold(index, start, fold)
            self._close_to(depth)
            self.values.written[index] = self.plan.near(index)
            return
        self.values.folded[index] = self.values.text.variable(node.operation.name)
        self.values.text.line(f"{self.values.folded[index]} = {fold}")
        self._end(index)

    def _is_placed(self, index: int) -> bool:
        return self.plan.graph[index].operation.name in PLACED

    def _fold_in_variable(self, index: int, shape: Shape, kept: Sequence[int], summed: Sequence[int]) -> None:
        depth = len(self.values.text.blocks)
        at = {axis: self._open(f"i{axis}", shape[axis]) for axis in kept}
        self._start(index)
        inside = len(self.values.text.blocks)
        at.update({axis: self._open(f"i{axis}", shape[axis]) for axis in summed})
        position = tuple(at.get(axis, ZERO) for axis in range(len(shape)))
        self._combine(index, position)
        self._close_to(inside)
        self._store_fold(index, position, self.values.folded[index])
        while len(self.values.text.blocks) > depth:
            self._close()

    def _fold_in_memory(
        self, index: int, shape: Shape, outside: Sequence[int], summed: Sequence[int], trailing: Sequence[int]
    ) -> None:
        name = self.plan.graph[index].operation.name
        depth = len(self.values.text.blocks)
        at = {axis: self._open(f"i{axis}", shape[axis]) for axis in outside}
        inside = len(self.values.text.blocks)
        for start, axes in ((True, trailing), (False, [*summed, *trailing])):
            here = dict(at) | {axis: self._open(f"i{axis}", shape[axis]) for axis in axes}
            position = tuple(here.get(axis, ZERO) for axis in range(len(shape)))
            target = self._fold_element(index, position)
            if start:
                self.values.text.line(f"{target} = {START[name]}")
            else:
                self.values.text.line(COMBINE[name].format(acc=target, x=self._term(index, position)))
            while len(self.values.text.blocks) > inside:
                self._close()
        while len(self.values.text.blocks) > depth:
            self._close()

    def _fold_element(self, index: int, position: Position) -> str:
        shape = self.plan.graph[index].shape
        inner = tuple(
            ZERO if extent == 1 else place
            for extent, place in zip(shape[len(self.plan.outer) :], position, strict=False)
        )
        buffer = self.plan.target(index)
        return self.values.element(buffer, shape, (*self.row, *inner))

    def _store_fold(self, index: int, position: Position, value: str) -> None:
        self.values.text.line(f"{self._fold_element(index, position)} = {value}")

    def _window(self, index: int, position: Position) -> tuple[str, Place]:
        whole, rank = (*self.row, *position), len(self.plan.graph[index].shape)
        values, graph = self.values, self.plan.graph
        return window_term(values, graph, index, whole[:rank], whole[rank:], values.guarded)

    def _term(self, index: int, position: Position) -> str:
        """Return what a fold adds up at a position of its loops."""
        node = self.plan.graph[index]
        operands = self.plan.graph.operands(index)
        if node.operation.name in WINDOWS:
            return self._window(index, position)[0]
        if node.operation.name != "matmul":
            return self.values.value(operands[0], (*self.row, *position))
        result = (*self.row, *position)[: len(node.shape)]
        summed = position[len(node.shape) - len(self.plan.outer) :]
        places = factors_at(self.plan.graph, index, result, summed)
        left, right = (self.values.value(each, at) for each, at in zip(operands, places, strict=True))
        return f"{left} * {right}"
