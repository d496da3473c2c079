"""Which values of a graph lie in device memory, and the order in which launches make them.

A launch is a list of sections, each over all elements of some values: what a thread needs of other values it
computes from what lies in memory. A value is stored where an operation reads each of its elements often, or
where several launches need it and it is dear. Each stored value has a level: it reads values of lower levels,
or of its own level at the very place that the thread computes itself. All of one level is one launch, but for
products, convolutions and long folds, which have launches of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Final

from netdsl.graph import Graph, Shape, count, is_batched
from netdsl.lowering.cuda.finishing import finished_products
from netdsl.lowering.cuda.folds import FOLDS, WINDOWS, folded_extents
from netdsl.lowering.cuda.library import view_of
from netdsl.lowering.cuda.windows import lie_apart
from netdsl.passes.fuse import host_numbers
from netdsl.passes.storing import CHEAP, COSTS, FEW, MOVEMENTS, REDUCTIONS

PLACED: Final = frozenset({"weight", "state", "constant"})
"""Leaves that lie in memory, unless they are numbers of the host."""

LIBRARY: Final = frozenset({"matmul", "convolve", "convolve_input", "convolve_kernel"})
"""Operations with kernels written by hand."""

LONG: Final = 32
"""Terms from which on a reduction has a launch of its own, in which threads share the terms of one result."""

DRAW_COST: Final = 40
"""Of a random draw, in additions: ten rounds of multiplications."""

REPEATED_COST: Final = 16
"""From which on what is repeated is stored, rather than computed for each copy at the cost of no launch."""

SHORT_COST: Final = 128
"""Up to which a thread works a reduction out where it needs it, as a softmax over a few classes wants."""

NARROW: Final = 16
"""Elements of an example up to which what is made of others of the example is worked out again by each thread
that wants it: the loss of a classifier is one launch then, behind the logits, where three waited in a row."""

NARROW_COST: Final = 512
"""Up to which that is done, which is less than the 2 us that a launch behind another waits."""

FEW_PIECES: Final = 4
"""Pieces of a product's sums up to which each thread that wants one of a narrow product adds them up."""

SMALL: Final = 64
"""Elements up to which it is worth while to wait for a later launch."""

SORTED: Final = 64
"""Rows of a table from which on entries that are added to it are sorted first: two launches that others wait
for are worth more than a look at a few entries."""

FLAT: Final = frozenset({"reshape", "stored", "cast"})


def is_long(graph: Graph, index: int) -> bool:
    """Tell whether a reduction is over so many numbers that threads share them."""
    node = graph[index]
    if node.operation.name not in REDUCTIONS:
        return False
    extents = folded_extents(graph, index)
    return any(extent < 0 for extent in extents) or prod(extents) >= LONG


@dataclass(slots=True)
class Plan:
    """Decides what is stored. `late` are updates: nobody waits for them, and they come after all else."""

    graph: Graph
    is_body: bool = False
    """Whether it is of a loop's body, whose inputs lie in memory."""

    in_pieces: Callable[[int], int] = lambda index: 0
    """Tells of a product or convolution in how many pieces its kernel leaves sums, 0 for whole sums. The
    thread that makes an element adds them up, and does with it at once what is done next."""

    may_finish: Callable[[int], bool] = lambda index: False
    """Tells of a product whether its kernel can go on with its elements."""

    finished: dict[int, int] = field(init=False, default_factory=dict)
    """The products whose kernels store what follows them instead, by what that is."""

    host: frozenset[int] = field(init=False)
    stored: set[int] = field(init=False, default_factory=set)
    levels: dict[int, int] = field(init=False, default_factory=dict)
    before: dict[int, int] = field(init=False, default_factory=dict)
    """The levels at which kernels that leave pieces, or sort entries, are launched."""

    reads: dict[int, dict[int, bool]] = field(init=False, default_factory=dict)
    """For each stored value those in memory that it is made of: whether only at its own place."""

    last: int = field(init=False, default=0)
    """The level of updates."""

    def __post_init__(self) -> None:
        self.host = host_numbers(self.graph)
        needed = self._needed()
        costs: dict[int, int] = {}
        sources: dict[int, frozenset[int]] = {}
        for index in self.graph:
            if self.is_leaf(index):
                costs[index], sources[index] = 0, frozenset({index} - self.host)
                continue
            operands = self.graph.operands(index)
            below = sum(costs[each] for each in operands)
            costs[index] = self._times(index) * (self._own_cost(index) + below)
            sources[index] = (
                frozenset({index})
                if not operands
                else frozenset().union(*(sources[each] for each in operands))
            )
            if self._is_stored(index, needed, costs[index], len(sources[index])):
                self.stored.add(index)
                costs[index], sources[index] = 0, frozenset({index})
        for index in sorted(self.stored):
            self.reads[index] = self.read_by(index)
        self.finished = finished_products(self)
        for index, product in self.finished.items():
            self.stored.discard(product)
            del self.reads[index][product]
            self.reads[index] = {**self.reads[index], **self.reads.pop(product)}
        self._order()

    # ---- what is stored ------------------------------------------------------------------------

    def is_leaf(self, index: int) -> bool:
        """Tell whether a value is a number of the host, or lies in memory before the step."""
        return index in self.host or self._is_placed(index)

    def _is_placed(self, index: int) -> bool:
        name = self.graph[index].operation.name
        return name in PLACED or (self.is_body and name == "input")

    def _own_cost(self, index: int) -> int:
        name = self.graph[index].operation.name
        if name in MOVEMENTS:
            return 0
        if name in ("uniform", "gaussian"):
            return DRAW_COST
        return COSTS.get(name, 2 if name == "input" else 1)

    def _times(self, index: int) -> int:
        """Return how often an element's operands are computed: as often as a reduction has terms."""
        if self.graph[index].operation.name not in REDUCTIONS or is_long(self.graph, index):
            return 1
        return prod(folded_extents(self.graph, index))

    def _is_stored(self, index: int, needed: set[int], cost: int, sources: int) -> bool:
        name, users = self.graph[index].operation.name, self.graph.users(index)
        if name in FOLDS and (name not in REDUCTIONS or is_long(self.graph, index)):
            return True
        most = NARROW_COST if self._is_narrow(index) else SHORT_COST
        if name in ("loop", "loop_part") or (name in REDUCTIONS and cost > most):
            return True
        if index in needed or self.graph.is_root(index):
            return True
        if name in REDUCTIONS:
            return False
        if self._is_narrow(index):
            return cost > NARROW_COST
        dear = cost > CHEAP or sources > FEW
        return (dear and len(users) > 1) or (cost > REPEATED_COST and self._is_repeated(index))

    def _is_narrow(self, index: int) -> bool:
        """Tell whether a value has a few elements an example, and so have all that are made of it."""
        shapes = (self.graph[each].shape for each in (index, *self.graph.users(index)))
        return all(is_batched(shape) and count(shape) <= NARROW for shape in shapes if shape)

    def _is_repeated(self, index: int) -> bool:
        size = count(self.graph[index].shape)
        return any(
            is_batched(self.graph[user].shape) != is_batched(self.graph[index].shape)
            or count(self.graph[user].shape) > size
            for user in self.graph.users(index)
        )

    def _needed(self) -> set[int]:
        """Find what is read again and again: factors, tables, what windows see, what is counted and moved."""
        found: set[int] = set()
        for index in self.graph:
            name, operands = self.graph[index].operation.name, self.graph.operands(index)
            if name == "stored":
                found.add(index)
            elif name in LIBRARY:
                found.update(view_of(self.graph, each).source for each in operands)
            elif name in WINDOWS | {"scatter_add", "rank_over"} and not lie_apart(self.graph[index]):
                found.update(self.behind(each) for each in operands)
            elif name in ("gather", "concat"):
                found.update(self.behind(each) for each in operands[: 1 if name == "gather" else None])
            elif name == "loop":
                found.update(operands)
        return {each for each in found if not self.is_leaf(each)}

    def behind(self, index: int) -> int:
        """Return the value that reshapes show: it lies in memory as they do."""
        while self.graph[index].operation.name == "reshape" and index not in self.host:
            index = self.graph.operands(index)[0]
        return index

    # ---- who reads what ------------------------------------------------------------------------

    def read_by(self, index: int) -> dict[int, bool]:
        """Return the values in memory that one is made of: whether each is read only at the same place."""
        found: dict[int, bool] = {}
        seen: set[tuple[int, bool]] = set()
        todo = [(each, self.keeps_place(index)) for each in self.graph.operands(index)]
        while todo:
            each, here = todo.pop()
            if (each, here) in seen or each in self.host:
                continue
            seen.add((each, here))
            if each in self.stored or self._is_placed(each):
                found[each] = found.get(each, True) and here
            else:
                todo += [(other, here and self.keeps_place(each)) for other in self.graph.operands(each)]
        return found

    def keeps_place(self, index: int) -> bool:
        """Tell whether each element is made of those at the same place alone."""
        node = self.graph[index]
        return node.operation.family == "elementwise" or node.operation.name in FLAT

    def has_own_launch(self, index: int) -> bool:
        """Tell whether a value is made by a launch of its own."""
        name = self.graph[index].operation.name
        if index in self.finished:
            return True
        if self.is_of_library(index):
            return not self.in_pieces(index)
        return name in ("loop", "loop_part") or is_long(self.graph, index)

    def _is_made_by_kernel(self, index: int) -> bool:
        return self.has_own_launch(index) or self.is_of_library(index)

    def is_reduction(self, index: int) -> bool:
        """Tell whether threads share the terms of each result."""
        return is_long(self.graph, index)

    def is_sorted(self, index: int) -> bool:
        """Tell whether entries are sorted by their rows before they are added to a table: each element would
        look at all entries otherwise."""
        node = self.graph[index]
        return node.operation.name == "scatter_add" and node.shape[0] >= SORTED

    def is_of_library(self, index: int) -> bool:
        """Tell whether a kernel written by hand makes a value: its operands lie in memory then."""
        operands = self.graph.operands(index)
        if self.graph[index].operation.name not in LIBRARY:
            return False
        return all(view_of(self.graph, each).source not in self.host for each in operands)

    # ---- levels --------------------------------------------------------------------------------

    def _order(self) -> None:
        updates = {index for index in self.graph.updates.values() if index in self.stored}
        self._levels(frozenset(), 0)
        after = self._after(updates)
        levels = (self.before.get(each, level) for each, level in self.levels.items() if each not in after)
        self.last = 1 + max(levels, default=0)
        self._levels(frozenset(updates), self.last)
        self._put_off()

    def _put_off(self) -> None:
        """Move what makes a few numbers, such as a loss, to the last level where its users allow it: those of
        one level are one launch."""
        given = set(self.graph.outputs.values())
        ends = {index: self.last - (index not in self.before or index in given) for index in self.levels}
        latest = {index: max(level, ends[index]) for index, level in self.levels.items()}
        for index in sorted(self.stored, reverse=True):
            level = self.levels[index]
            if level < latest[index] and (self._is_small(index) or index in self.before):
                level = self.levels[index] = latest[index]
            level = self.before.get(index, level)
            for each, here in self.reads[index].items():
                if each in latest:
                    apart = self._apart(each, index, here=here)
                    latest[each] = min(latest[each], level - apart)

    def _is_small(self, index: int) -> bool:
        batched, elements = self.space(index)
        return not batched and elements <= SMALL and not self.has_own_launch(index)

    def _after(self, updates: set[int]) -> set[int]:
        found = set(updates)
        for index in sorted(self.stored):
            if not found.isdisjoint(self.reads[index]):
                found.add(index)
        return found

    def _levels(self, late: frozenset[int], last: int) -> None:
        self.levels, self.before = {}, {}
        for index in sorted(self.stored):
            level = last if index in late and not self._is_made_by_kernel(index) else 0
            for each, here in self.reads[index].items():
                if each in self.levels:
                    level = max(level, self.levels[each] + self._apart(each, index, here=here))
            if self.is_sorted(index) or (self.is_of_library(index) and self.in_pieces(index)):
                self.before[index] = level
                level += 1
            self.levels[index] = level

    def _apart(self, one: int, other: int, *, here: bool) -> int:
        """Return how many levels behind a value one that reads it stands, there or at another place."""
        if here and self.together(one, other):
            return 0
        if self._is_made_by_kernel(other) or not self.is_of_library(one) or not self._is_narrow(one):
            return 1
        # A reader adds pieces up itself, of any place.
        return 0 if 0 < self.in_pieces(one) <= FEW_PIECES else 1

    def together(self, one: int, other: int) -> bool:
        """Tell whether one thread can make the elements of both at one place."""
        if self.has_own_launch(one) or self.has_own_launch(other):
            return False
        return self.space(one) == self.space(other)

    def space(self, index: int) -> tuple[int, int]:
        """Return how many batches a value goes over, 0 for none, and how many elements an example has."""
        return space_of(self.graph[index].shape)

    @property
    def end(self) -> int:
        """Return the level behind all others."""
        return 1 + max([self.last, *self.levels.values()])


def space_of(shape: Shape) -> tuple[int, int]:
    """Return how many batches a shape has, 0 for none, and the elements of an example."""
    return (-shape[0] if is_batched(shape) else 0), count(shape)
