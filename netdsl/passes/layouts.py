"""In which layout values lie: what products, sums and windows want, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from netdsl.graph import Graph, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, outputs_of
from netdsl.passes.contractions import (
    contraction_of,
    in_memory,
    is_sum_over_places,
    lies_in_rows,
    lies_side_by_side,
    product_form,
)
from netdsl.passes.convolutions import images_of, is_planar, is_planar_pool, kernel_of, pooled, reads_rows
from netdsl.passes.fuse import fuse
from netdsl.passes.lanes import Domain, domain_of, extent_of, goes_along_lanes
from netdsl.program import LANES, Group, Grouping, Template
from netdsl.program.layout import columns, places, same_matrix

ALIASED: Final = 1024
"""Rows of a multiple of so many floats begin at the same place of a page, and push each other out of the
cache: a product reads them half as fast as panels."""

WIDE: Final = 8
"""Columns from which on a sum over the rows goes along lanes."""

LEAVES: Final = frozenset({"input", "weight", "state", "constant"})


@dataclass(slots=True)
class Layouts:
    """Finds which values lie in panels, and which are wanted turned.

    `inside` are those of the bodies of loops, by the loop's node: what a loop reads and writes lies outside
    and inside alike. `barred` are values that cannot lie in panels because of the other side. The inputs of a
    body (`is_body`) lie where the loop says, not where a field's rows are taken to.
    """

    grouping: Grouping
    is_body: bool = False
    panels: set[int] = field(default_factory=set)
    turned: set[int] = field(default_factory=set)
    barred: set[int] = field(default_factory=set)
    examples: frozenset[int] = frozenset()
    """The values that lie with an example in each lane."""

    lying: set[int] = field(init=False)
    inside: dict[int, Layouts] = field(init=False)

    def __post_init__(self) -> None:
        self.lying = lying_in_memory(self.graph, (group.stores for group in self.grouping.groups))
        self.inside = {
            index: Layouts(fuse(self.graph[index].setting("body"), is_body=True), is_body=True)
            for index in self.graph
            if self.graph[index].operation.name == "loop"
        }

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self.grouping.graph

    def form(self, group: Group) -> Template:
        """Tell which product a group is; factors that cannot lie as they must have no kernel."""
        index = contraction_of(self.graph, group)
        form = product_form(self.graph, index)
        left, right = self.graph.operands(index)
        if form in ("product", "back") and not (right in self.lying and self.may_be_panels(right)):
            return "any"
        in_panels = {"product": [index], "back": [index, left], "gradient": [right]}.get(form, [])
        return form if all(self._can_be_panels(each) for each in in_panels) else "any"

    def is_joining(self, group: Group) -> bool:
        """Tell whether a group joins values that are made in panels, and written where they are to lie:
        gradients, or anything in the body of a loop."""
        if self.is_body:
            return lies_side_by_side(self.graph, group.stores[0]) and self.is_shown(group)
        return all(map(self._is_gradient, self.graph.operands(group.stores[0])))

    def is_shown(self, group: Group) -> bool:
        """Tell whether what a group reads and stores can lie in the same panels."""
        return all(each in self.lying and self.may_be_panels(each) for each in self._around(group))

    def _is_gradient(self, index: int) -> bool:
        return self.form(Group("product", (index,), (index,))) == "gradient"

    def _can_be_panels(self, index: int) -> bool:
        """Tell whether the memory that shows a batched value can hold it in panels, if need be a field's."""
        place = in_memory(self.graph, index, self.lying)
        may = place not in self.barred and not lies_in_rows(self.graph, place)
        return may and same_matrix(self.graph[place].shape, self.graph[index].shape)

    def is_convolution(self, group: Group) -> bool:
        """Tell whether a group is a convolution that the library computes: its kernel and its outputs lie in
        panels then, and its images too, unless they are read as they come."""
        index = group.stores[0]
        if not is_planar(self.graph, index):
            return False
        before, behind = images_of(self.graph, index)
        in_panels = [behind] if reads_rows(self.graph, index) else [before, behind]
        kernel = kernel_of(self.graph, index)
        return (
            kernel in self.lying
            and self.may_be_panels(kernel)
            and all(self._can_be_panels(each) for each in in_panels)
        )

    def is_pool(self, group: Group) -> bool:
        """Tell whether a group is a pool that the library computes: all its values but taps lie in panels."""
        index = group.stores[0]
        if not is_planar_pool(self.graph, index):
            return False
        return all(
            self._can_be_panels(each) and self.may_be_panels(in_memory(self.graph, each, self.lying))
            for each in self._floats_of_pool(index)
        )

    def _floats_of_pool(self, index: int) -> list[int]:
        return [each for each in pooled(self.graph, index) if self.graph[each].dtype == "float"]

    def _begin_convolution(self, index: int) -> None:
        before, behind = images_of(self.graph, index)
        self.panels |= {kernel_of(self.graph, index), in_memory(self.graph, behind, self.lying)}
        place = in_memory(self.graph, before, self.lying)
        if self._can_be_panels(before) and (not reads_rows(self.graph, index) or self.may_be_panels(place)):
            self.panels.add(place)

    def spread(self) -> None:
        """Begin with what products want, and go on to what is computed beside it until nothing is added."""
        links = list(self._links())
        while any(_bar(link) for link in links):
            pass
        for each in (self, *self.inside.values()):
            each.begin()
        size = -1
        while size != (size := sum(len(each.panels) for each in (self, *self.inside.values()))):
            for each in (self, *self.inside.values()):
                each.spread_once()
            for link in links:
                if any(index in each.panels for each, index in link):
                    for each, index in link:
                        each.panels |= {index} - each.barred

    def begin(self) -> None:
        """Begin with what products and sums want."""
        for group in self.grouping.groups:
            if group.form == "product":
                self._begin(group)
            elif group.form == "join":
                if self.is_joining(group):
                    self.panels |= {*self._around(group)} if self.is_body else {*group.stores}
            elif group.form == "part":
                if self.is_shown(group):
                    self.panels |= {*self._around(group)}
            elif self.is_convolution(group):
                self._begin_convolution(group.stores[0])
            elif self.is_pool(group):
                values = self._floats_of_pool(group.stores[0])
                self.panels |= {in_memory(self.graph, each, self.lying) for each in values}
            elif group.form != "loop":
                self.panels.update(self._around_a_sum(group))

    def spread_once(self) -> None:
        """Go on to what is computed beside values in panels, and to new values of weights."""
        for group in self.grouping.groups:
            self._spread_group(group)
        self._spread_updates()

    def _links(self) -> Iterable[Link]:
        """Yield what is the same memory outside of a loop and inside: states at the start, before and after a
        step, sequences and items, what is fixed, what is collected."""
        for index, inner in self.inside.items():
            node, body = self.graph[index], inner.graph
            operands = [in_memory(self.graph, each, self.lying) for each in self.graph.operands(index)]
            given = apart(dict(node.settings), operands)
            leaves, becomes = body.leaves("input"), outputs_of(body, STATE)
            for kind, values in zip((STATE, ITEM, FIXED), given, strict=True):
                for number, place in enumerate(values):
                    link: Link = [(self, place)]
                    if (leaf := leaves.get(f"{kind}{number}")) is not None:
                        link.append((inner, leaf))
                    if kind == STATE:
                        link.append((inner, becomes[number]))
                    yield link
            for part in self.graph.users(index):
                yield [(self, part), (inner, outputs_of(body, OUT)[self.graph[part].setting("number")])]

    def _begin(self, group: Group) -> None:
        (index,) = group.stores
        operands = self.graph.operands(contraction_of(self.graph, group))
        left, right = (in_memory(self.graph, each, self.lying) for each in operands)
        match self.form(group):
            case "product":
                self.panels |= {index, right}
                if columns(self.graph[left].shape) % ALIASED == 0 and self._can_be_panels(operands[0]):
                    self.panels.add(left)
            case "back":
                self.panels |= {index, right, left}
                self.turned.add(right if self._is_read_each_turn(right) else left)
            case "gradient":
                self.panels |= {index, right}

    def _is_read_each_turn(self, index: int) -> bool:
        """Tell whether a matrix is the same in all turns of a loop, and turned whole before the first: an
        LSTM's way back takes a tenth less time."""
        is_fixed = self.is_body and self.graph[index].operation.name == "input"
        return is_fixed and columns(self.graph[index].shape) % LANES == 0

    def _around_a_sum(self, group: Group) -> Iterable[int]:
        """Yield the value whose columns a group sums up, if that is all it does, and sums over places."""
        index = group.stores[0]
        over_places = is_sum_over_places(self.graph, index)
        if over_places:
            yield index
        if group.nodes == (index,) and (over_places or is_column_sum(self.graph, index)):
            operand = in_memory(self.graph, self.graph.operands(index)[0], self.lying)
            if self.may_be_panels(operand):
                yield operand

    def _spread_group(self, group: Group) -> None:
        domain = lanes_domain(self.graph, group)
        if domain is None or domain.flat:
            return
        beside = [
            index for index in self._around(group) if extent_of(self.graph[index].shape, domain) == "full"
        ]
        if any(index in self.panels for index in beside):
            self.panels |= {index for index in beside if self.may_be_panels(index)}

    def _around(self, group: Group) -> Iterable[int]:
        """Return what a group stores and what it reads from memory."""
        yield from group.stores
        for index in group.nodes:
            for each in self.graph.operands(index):
                place = in_memory(self.graph, each, self.lying)
                if place in self.lying and place not in group.nodes:
                    yield place

    def may_be_panels(self, index: int) -> bool:
        """Tell whether whoever makes a value can lay it in panels."""
        node = self.graph[index]
        if index in self.barred or (node.operation.name == "input" and not self.is_body):
            return False
        if node.operation.name in ("constant", "scatter_add", "rank_over") or node.dtype == "int":
            return False
        if lies_in_rows(self.graph, index):
            return False
        return node.operation.family != "random" or is_batched(node.shape)

    def _spread_updates(self) -> None:
        leaves = self.graph.kept()
        for name, index in self.graph.updates.items():
            both = {leaves[name], index} if name in leaves else set()
            if both & self.panels and domain_of(self.graph, index) is not None:
                self.panels |= both & self.lying


Link: TypeAlias = list[tuple[Layouts, int]]
"""A value outside and inside of a loop, each with the layouts of its graph."""


def _bar(link: Link) -> bool:
    """Bar all of a link where one cannot lie in panels; tell whether that is new."""
    if all(each.may_be_panels(index) for each, index in link):
        return False
    new = [(each, index) for each, index in link if index not in each.barred]
    for each, index in new:
        each.barred.add(index)
    return bool(new)


def lanes_domain(graph: Graph, group: Group) -> Domain | None:
    """Return the matrix along whose lanes a group can be computed, None if it cannot."""
    if group.form != "loops" or any(graph[index].dtype == "int" for index in group.stores):
        return None
    domains = {domain_of(graph, index) for index in group.stores}
    (domain, *others) = domains
    if domain is None or others or not goes_along_lanes(graph, group.nodes, domain):
        return None
    return domain


def is_column_sum(graph: Graph, index: int) -> bool:
    """Tell whether a node sums up the rows of a matrix that has as many columns as make lanes worth while."""
    if graph[index].operation.name != "sum":
        return False
    shape = graph[graph.operands(index)[0]].shape
    is_wide = len(shape) > 1 and is_batched(shape) and places(shape) == 1 and columns(shape) >= WIDE
    return is_wide and graph[index].setting("axes") == (0,)


def lying_in_memory(graph: Graph, stores: Iterable[Iterable[int]]) -> set[int]:
    """Return the values that lie in memory by themselves: leaves, and what is stored."""
    leaves = {index for index in graph if graph[index].operation.name in LEAVES}
    return leaves.union(*stores)
