"""The plan of a group's loops: what is computed in which nest, and what is kept meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final

from netdsl.graph import Graph, Shape
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.taps import summed_extents
from netdsl.passes.fuse import WINDOWS
from netdsl.passes.storing import CHEAP, COSTS, MOVEMENTS, REDUCTIONS
from netdsl.program import LANES, Buffer

PLACED: Final = WINDOWS - {"take_window"} | {"matmul"}
"""Folds whose loops are the axes of their result, then what they sum up."""

FOLDS: Final = REDUCTIONS | PLACED
BY_POSITION: Final = MOVEMENTS | WINDOWS | {"pick", "gather", "pad", "concat"}
IN_ONE_GO: Final = {"sum": "sum_of", "maximum_over": "maximum_of", "minimum_over": "minimum_of"}
"""Folds that the library has for neighbors in memory: many sums at a time, in an order that their count
fixes."""

IN_A_LINE: Final = 16
"""Numbers from which on they are folded so: a chain of additions is slow, and what leads to it fills no
register."""


@dataclass(frozen=True, slots=True)
class Nest:
    """What is computed in one set of nested loops over the inner axes of a shape: stores and folds of one
    stage."""

    stage: int
    shape: Shape
    alone: int = -1
    """The node, for a fold that has loops of its own."""


@dataclass(slots=True)
class Plan:
    """Cuts a group into nests of loops. A fold must be complete before the nest that uses its result.

    `places` tells where values lie: leaves and what other groups stored; `stores` where this one is to store.
    """

    graph: Graph
    nodes: tuple[int, ...]
    stores: Mapping[int, Buffer]
    places: Mapping[int, Buffer]
    outer: Shape
    scratch: dict[int, Buffer] = field(default_factory=dict)
    _stages: dict[int, int] = field(default_factory=dict)

    def target(self, index: int) -> Buffer:
        """Return where a value is written that is stored or kept."""
        return self.stores.get(index) or self.scratch[index]

    def near(self, index: int) -> Buffer:
        """Return where a value is read again: what is stored in panels may be lined up for a fold as well."""
        return self.scratch.get(index) or self.stores[index]

    def stage(self, index: int, *, by_position: bool = False) -> int:
        """Return the first stage in which a value can be used."""
        if index not in self._stages:
            self._stages[index] = self._first_stage(index)
        kept = index in self.stores or index in self.scratch
        return self._stages[index] + (by_position and kept and not self.is_fold(index))

    def _first_stage(self, index: int) -> int:
        if index not in self.nodes:
            return 0
        by_position = self.graph[index].operation.name in BY_POSITION or self.is_in_one_go(index)
        operands = self.graph.operands(index)
        latest = max((self.stage(each, by_position=by_position) for each in operands), default=0)
        return latest + self.is_fold(index)

    def is_fold(self, index: int) -> bool:
        """Tell whether a node of the group makes one number of many."""
        return index in self.nodes and self.graph[index].operation.name in FOLDS

    def nest_of(self, index: int) -> Nest:
        """Return the nest in which a stored value or a fold is computed."""
        node = self.graph[index]
        if not self.is_fold(index):
            return Nest(self.stage(index), node.shape[len(self.outer) :])
        shape = self.fold_shape(index)
        alone = index if self.kept_axes(index) or self.is_in_one_go(index) else -1
        return Nest(self.stage(index) - 1, shape, alone)

    def fold_shape(self, index: int) -> Shape:
        """Return the extents that a fold goes over: the axes of its result, then what it sums up."""
        node = self.graph[index]
        if node.operation.name not in PLACED:
            return self.graph[self.graph.operands(index)[0]].shape[len(self.outer) :]
        if node.operation.name in WINDOWS:
            return (*node.shape[len(self.outer) :], *summed_extents(self.graph, index))
        left = self.graph[self.graph.operands(index)[0]].shape
        return (*node.shape[len(self.outer) :], *(left[a] for a, _ in node.setting("contract")))

    def kept_axes(self, index: int) -> tuple[int, ...]:
        """Return which of a fold's loops are axes of its result (counted within the inner axes)."""
        node = self.graph[index]
        inner = node.shape[len(self.outer) :]
        return tuple(axis for axis, extent in enumerate(inner) if extent != 1)

    def nests(self) -> dict[Nest, list[int]]:
        """Return what is computed in each nest."""
        found: dict[Nest, list[int]] = {}
        for index in sorted({*self.stores, *self.scratch, *filter(self.is_fold, self.nodes)}):
            found.setdefault(self.nest_of(index), []).append(index)
        return found

    def keep(self) -> None:
        """Keep what is dear and needed by several nests, and folds that leave more than one number."""
        reach: dict[int, set[Nest]] = {}
        members = set(self.nodes)
        for index in sorted(members, reverse=True):
            nests: set[Nest] = set()
            for user in self.graph.users(index):
                if user in members:
                    nests |= {self.nest_of(user)} if self._is_kept(user) else reach.get(user, set())
            if self.is_fold(index):
                if self.kept_axes(index) and index not in self.stores:
                    self.scratch[index] = self._scratch_buffer(index)
                if self.is_in_one_go(index):
                    self._line_up(self.graph.operands(index)[0])
            elif len(nests) > 1 and self._is_worth_keeping(index):
                self.scratch[index] = self._scratch_buffer(index)
                self._stages.clear()
            reach[index] = nests

    def is_in_one_go(self, index: int) -> bool:
        """Tell whether a fold is over neighbors in memory, and so many that they are lined up for it if need
        be."""
        if not self.is_fold(index) or self.graph[index].operation.name not in IN_ONE_GO:
            return False
        kept, summed = self.kept_axes(index), self.summed_axes(index)
        if not summed or (kept and kept[-1] > summed[0]):
            return False
        extents = [self.fold_shape(index)[axis] for axis in summed]
        return min(extents) < 0 or prod(extents) >= IN_A_LINE

    def summed_axes(self, index: int) -> tuple[int, ...]:
        """Return which of a fold's loops add up."""
        kept = self.kept_axes(index)
        shape = self.fold_shape(index)
        return tuple(axis for axis, extent in enumerate(shape) if extent != 1 and axis not in kept)

    def _line_up(self, index: int) -> None:
        """Let a value lie in one line for a fold: where it does not already, in scratch memory."""
        buffer = self.stores.get(index) or self.places.get(index)
        if (buffer is None or buffer.layout != "rows" or index in self.scratch) and index not in self.scratch:
            self.scratch[index] = self._scratch_buffer(index)
            self._stages.clear()

    def _is_worth_keeping(self, index: int) -> bool:
        return index not in self.stores and self.inner_count(index) > 1 and self._cost(index) > CHEAP

    def _is_kept(self, index: int) -> bool:
        return index in self.stores or index in self.scratch or self.is_fold(index)

    def inner_count(self, index: int) -> int:
        """Return how many numbers a value has in one step of the outer loop."""
        return prod(abs(extent) for extent in self.graph[index].shape[len(self.outer) :])

    def _cost(self, index: int) -> int:
        if index not in self.nodes or self._is_kept(index):
            return 0
        own = COSTS.get(self.graph[index].operation.name, 1)
        return own + sum(self._cost(each) for each in self.graph.operands(index))

    def _scratch_buffer(self, index: int) -> Buffer:
        node = self.graph[index]
        shape = node.shape[len(self.outer) :]
        if len(shape) == 1 and shape[0] > LANES:
            shape = (LANES * -(-shape[0] // LANES),)
        return Buffer(f"scratch{index}", shape, node.dtype, role="scratch")

    def fills_lines(self, index: int) -> bool:
        """Tell whether what is stored is a line of numbers that can be computed by 16, up to 15 beyond its
        end: all that is read and written for it lies in panels or in scratch memory."""
        is_line = len(self.graph[index].shape) - len(self.outer) == 1 and self.inner_count(index) > LANES
        if not is_line or not (index in self.scratch or self._lies_in_panels(index, self.target(index))):
            return False
        if index not in self.nodes:
            return self._lies_in_panels(index, self.places[index])
        return all(map(self._reads_whole_lines, self.graph.operands(index)))

    def _reads_whole_lines(self, index: int) -> bool:
        if self.inner_count(index) == 1:
            return True
        buffer = self.scratch.get(index) or self.stores.get(index) or self.places.get(index)
        if buffer is not None:
            return index in self.scratch or self._lies_in_panels(index, buffer)
        node = self.graph[index]
        is_simple = node.operation.family == "elementwise" or node.operation.name in ("broadcast", "one_hot")
        return is_simple and all(map(self._reads_whole_lines, self.graph.operands(index)))

    def _lies_in_panels(self, index: int, buffer: Buffer) -> bool:
        return buffer.layout == "panels" and self.inner_count(index) == self.graph[index].shape[-1]
