"""Choose for each group what computes it, how its work is cut, and in which layout its values lie."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from netdsl.graph import Graph, Shape, batches, count, is_batched
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, outputs_of
from netdsl.passes.contractions import (
    contraction_of,
    in_memory,
    is_sum_over_places,
    lies_in_rows,
    product_form,
)
from netdsl.passes.convolutions import (
    images_of,
    is_lanewise,
    is_planar,
    is_planar_pool,
    kernel_of,
    pooled,
    reads_rows,
)
from netdsl.passes.fuse import fuse
from netdsl.passes.lanes import Domain, domain_of, extent_of, goes_along_lanes
from netdsl.passes.waiting import reaches
from netdsl.program import (
    Choice,
    Cut,
    Examples,
    Group,
    Grouping,
    Lines,
    Panels,
    Part,
    Rows,
    Template,
    Tiles,
    Unit,
    Whole,
)
from netdsl.program.layout import columns, places, same_matrix

CHUNK: Final = 128
"""Rows of a weight's tile, at most: what an optimizer reads of it then fits into the first cache."""

ALIASED: Final = 1024
"""Rows of a multiple of so many floats begin at the same place of a page, and push each other out of the
cache: a product reads them half as fast as panels."""

WIDE: Final = 8
"""Columns from which on a sum over the rows goes along lanes."""

MANY: Final = 4
"""Panels from which on the work of a product is cut by panels; with fewer it is cut by rows."""

TOGETHER: Final = 64
"""Rows of a piece, at least, where the rows of an example are its places."""

LEAVES: Final = frozenset({"input", "weight", "state", "constant"})


def choose_kernels(grouping: Grouping) -> Choice:
    """Choose kernels and layouts, and join units that follow each other on the same pieces.

    Values go into panels where a product of the library reads or writes them, and from there to all that is
    computed beside them, element by element; weights lie as their products read them.
    """
    layouts = Layouts(grouping)
    layouts.spread()
    return _choice(layouts)


def _choice(layouts: Layouts) -> Choice:
    grouping = layouts.grouping
    units = [_unit(grouping, group, layouts) for group in grouping.groups]
    joined = _Joining(grouping.graph, list(units), layouts.lying).joined()
    passing = _passing(grouping.graph, joined, layouts)
    return Choice(
        grouping.graph,
        grouping.host,
        tuple(joined),
        frozenset(layouts.panels),
        frozenset(layouts.turned),
        frozenset(passing),
        {loop: _choice(inner) for loop, inner in layouts.inside.items()},
    )


# ---- layouts ----------------------------------------------------------------------------------


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
    lying: set[int] = field(init=False)
    inside: dict[int, Layouts] = field(init=False)

    def __post_init__(self) -> None:
        self.lying = lying_in_memory(self.graph, (group.stores for group in self.grouping.groups))
        self.inside = {
            index: Layouts(fuse(self.graph[index].setting("body")), is_body=True)
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
                self.turned.add(left)
            case "gradient":
                self.panels |= {index, right}

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
        leaves = {**self.graph.leaves("weight"), **self.graph.leaves("state")}
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


# ---- units ------------------------------------------------------------------------------------


def _unit(grouping: Grouping, group: Group, layouts: Layouts) -> Unit:
    graph = grouping.graph
    match group.form:
        case "product":
            return _product_unit(graph, group, layouts)
        case "draw":
            cut = cut_of(graph, group.stores[0]) if group.stores[0] in layouts.panels else Whole()
            return Unit((Part("draw", group),), cut)
        case "scatter" | "rank" as template:
            return Unit((Part(template, group),), Whole())
        case "copy" | "loop" as template:
            return Unit((Part(template, group),), Whole())
        case "windows" if layouts.is_convolution(group):
            return _convolution_unit(graph, group)
        case "windows" if layouts.is_pool(group):
            shape = graph[group.stores[0]].shape
            return Unit((Part("pool", group),), Examples(_together(shape), batches(shape)))
    return _loops_unit(graph, group, layouts)


def _convolution_unit(graph: Graph, group: Group) -> Unit:
    """Cut a convolution into pieces of images, and a kernel's gradient into tiles, if each of them has whole
    groups of 16 channels."""
    (index,) = group.stores
    shape = graph[index].shape
    cut: Cut = Whole()
    if is_batched(shape):
        cut = Examples(_together(shape), batches(shape))
    elif is_lanewise(graph, index) or shape[-2] % 16 == 0:
        cut = tiles_of(places(shape), columns(shape))
    return Unit((Part("convolution", group),), cut)


def _product_unit(graph: Graph, group: Group, layouts: Layouts) -> Unit:
    (index,) = group.stores
    form = layouts.form(group)
    shape = graph[index].shape
    match form:
        case "gradient":
            return Unit((Part(form, group),), tiles_of(places(shape), columns(shape)))
        case "product" if places(shape) == 1 and -(-columns(shape) // 16) < MANY:
            return Unit((Part(form, group),), rows_of(shape))
        case "back" if not is_in_squares(shape):
            return Unit((Part(form, group),), Panels(columns(shape), batches(shape)))
        case "product" | "back":
            return Unit((Part(form, group),), cut_of(graph, index))
    return Unit((Part("any", group),), rows_of(shape))


def rows_of(shape: Shape) -> Rows | Whole:
    """Cut a value into its examples, if it has some."""
    return Rows(batches(shape)) if is_batched(shape) else Whole()


def cut_of(graph: Graph, index: int) -> Cut:
    """Return how work along the lanes of a value in panels is cut."""
    shape = graph[index].shape
    if not is_batched(shape):
        return tiles_of(places(shape), columns(shape))
    if places(shape) == 1:
        return Panels(columns(shape), batches(shape))
    return Examples(_together(shape), batches(shape))


def _together(shape: Shape) -> int:
    """Return how many examples make a piece of some length: a power of two."""
    size = 1
    while size * places(shape) < TOGETHER:
        size *= 2
    return size


def is_in_squares(shape: Shape) -> bool:
    """Tell whether the pieces of a value with places begin at multiples of 16 rows, where its turned copy is
    cut."""
    return places(shape) == 1 or _together(shape) * places(shape) % 16 == 0


def tiles_of(rows: int, columns: int) -> Tiles:
    """Cut a weight into tiles of equal height, as far as multiples of 16 allow."""
    pieces = -(-rows // CHUNK)
    return Tiles(rows, columns, -(-rows // (16 * pieces)) * 16)


def _loops_unit(graph: Graph, group: Group, layouts: Layouts) -> Unit:
    domain = lanes_domain(graph, group)
    in_panels = all(index in layouts.panels for index in group.stores)
    if domain is not None and in_panels:
        return Unit((Part("lanes", group),), cut_of(graph, group.stores[0]))
    if domain is not None and not domain.batches and _is_flat(graph, group, layouts):
        return Unit((Part("lanes", group),), Lines(count(graph[group.stores[0]].shape)))
    if (summed := _summed(graph, group, layouts)) is not None:
        return summed
    batched = all(is_batched(graph[index].shape) for index in group.stores)
    return Unit((Part("loops", group),), rows_of(graph[group.stores[0]].shape) if batched else Whole())


def _is_flat(graph: Graph, group: Group, layouts: Layouts) -> bool:
    """Tell whether all that a group reads and stores are neighbors in the same order, or numbers."""
    total = count(graph[group.stores[0]].shape)
    shapes = [graph[index].shape for index in group.nodes]
    shapes += [graph[each].shape for index in group.nodes for each in graph.operands(index)]
    same = all(count(shape) in (total, 1) and not is_batched(shape) for shape in shapes)
    around = set(group.stores) | {each for index in group.nodes for each in graph.operands(index)}
    return same and not around & layouts.panels


def _summed(graph: Graph, group: Group, layouts: Layouts) -> Unit | None:
    """Return the unit of a sum over the rows of a value in panels, or over all of a weight in panels."""
    *feed, index = group.nodes
    if graph[index].operation.name != "sum" or group.stores != (index,):
        return None
    (operand,) = graph.operands(index)
    domain = domain_of(graph, operand)
    if domain is None or domain.flat or not goes_along_lanes(graph, feed, domain):
        return None
    if domain.batches and domain.places > 1 and not is_sum_over_places(graph, index):
        return None
    operands = (each for node in group.nodes for each in graph.operands(node))
    around = {in_memory(graph, each, layouts.lying) for each in operands} - set(feed)
    if is_sum_over_places(graph, index) and around & layouts.panels and index in layouts.panels:
        return Unit((Part("sums", group),), cut_of(graph, operand))
    if is_column_sum(graph, index) and (feed or around & layouts.panels):
        return Unit((Part("columns", group),), cut_of(graph, operand))
    everything = graph[index].setting("axes") == tuple(range(len(graph[operand].shape)))
    if not domain.batches and everything and around & layouts.panels:
        return Unit((Part("total", group),), tiles_of(domain.places, domain.columns))
    return None


def is_column_sum(graph: Graph, index: int) -> bool:
    """Tell whether a node sums up the rows of a matrix that has as many columns as make lanes worth while."""
    if graph[index].operation.name != "sum":
        return False
    shape = graph[graph.operands(index)[0]].shape
    is_wide = len(shape) > 1 and is_batched(shape) and places(shape) == 1 and columns(shape) >= WIDE
    return is_wide and graph[index].setting("axes") == (0,)


# ---- joining ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Joining:
    """Joins units of one cut: the second then works on what the first has just made, or read.

    `reads` and `stores` are those of each unit, by its number; a unit that was joined to another is None.
    """

    graph: Graph
    units: list[Unit | None]
    lying: Container[int]
    reads: list[set[int]] = field(init=False)
    makers: dict[int, int] = field(init=False)
    overwritten: dict[int, int] = field(init=False)
    """The leaf whose new value a node is."""

    def __post_init__(self) -> None:
        self.reads = [reads_of(self.graph, unit, self.lying) for unit in self.units if unit is not None]
        self.makers = {index: n for n, unit in enumerate(self.units) if unit for index in unit.stores()}
        leaves = {**self.graph.leaves("weight"), **self.graph.leaves("state")}
        updates = self.graph.updates.items()
        self.overwritten = {index: leaves[name] for name, index in updates if name in leaves}

    def joined(self) -> list[Unit]:
        """Return the units, joined where it is of use."""
        changed = True
        while changed:
            joined = [number for number in range(len(self.units)) if self._join(number)]
            changed = bool(joined)
        return [unit for unit in self.units if unit is not None]

    def _join(self, number: int) -> bool:
        """Join a unit to one that it can follow; tell whether it was."""
        unit = self.units[number]
        if unit is None:
            return False
        for other in self._candidates(number, unit):
            before = self.units[other]
            if before is None or other == number or (cut := _common_cut(before, unit)) is None:
                continue
            if self._needs_all(unit) & set(before.stores()) or self.reads[number] & _totals(before):
                continue
            if (
                self._is_aligned(before, cut)
                and self._is_aligned(unit, cut)
                and not self._stand_between(other, number)
            ):
                self.units[other], self.units[number] = Unit((*before.parts, *unit.parts), cut), None
                self.makers.update(dict.fromkeys(unit.stores(), other))
                self.reads[other] = (self.reads[other] | self.reads[number]) - set(before.stores())
                return True
        return False

    def _is_aligned(self, unit: Unit, cut: Cut) -> bool:
        """Tell whether pieces of examples begin at multiples of 16 rows where products back want that."""
        backs = [part.group.stores[0] for part in unit.parts if part.template == "back"]
        return not isinstance(cut, Examples) or all(
            cut.size * places(self.graph[index].shape) % 16 == 0 for index in backs
        )

    def _needs_all(self, unit: Unit) -> set[int]:
        """Return what a unit needs all pieces of, whatever its own are: the operands of its products. A piece
        of examples has all columns of them."""
        if isinstance(unit.cut, Examples):
            return set()
        products = [part.group for part in unit.parts if part.group.form == "product"]
        indices = [contraction_of(self.graph, group) for group in products]
        operands = {each for index in indices for each in self.graph.operands(index)}
        return {in_memory(self.graph, each, self.lying) for each in operands}

    def _candidates(self, number: int, unit: Unit) -> list[int]:
        """Return the units whose values a unit reads, and those that sum up the old value of what it
        overwrites."""
        found = {self.makers[index] for index in self.reads[number] if index in self.makers}
        leaves = {self.overwritten[index] for index in unit.stores() if index in self.overwritten}
        for other, each in enumerate(self.units):
            if each is not None and each.parts[0].template == "total" and leaves & self.reads[other]:
                found.add(other)
        return sorted(found)

    def _stand_between(self, before: int, unit: int) -> bool:
        """Tell whether a third unit must come after the first and before the second, or the second before
        it."""
        third = self._needs(unit) - {before, unit}
        return reaches(self._needs, third, before) or reaches(
            self._needs, self._needs(before) - {before}, unit
        )

    def _needs(self, number: int) -> set[int]:
        return {self.makers[index] for index in self.reads[number] if index in self.makers}


def _totals(unit: Unit) -> set[int]:
    """Return the sums over all of a weight, which are not there before the last of its tiles is done."""
    return {index for part in unit.parts if part.template == "total" for index in part.group.stores}


def _common_cut(before: Unit, unit: Unit) -> Cut | None:
    """Return how two units can be cut alike: a vector like the panels whose columns it belongs to."""
    match before.cut, unit.cut:
        case Examples(one, batches), Examples(other, same) if batches == same:
            return Examples(min(one, other), batches)
        case Panels(columns), Lines(number) if columns == number:
            return before.cut
        case (Panels() | Tiles(), _) if before.cut == unit.cut:
            return before.cut
    return None


def lying_in_memory(graph: Graph, stores: Iterable[Iterable[int]]) -> set[int]:
    """Return the values that lie in memory by themselves: leaves, and what is stored."""
    leaves = {index for index in graph if graph[index].operation.name in LEAVES}
    return leaves.union(*stores)


def reads_of(graph: Graph, unit: Unit, lying: Container[int]) -> set[int]:
    """Return what a unit reads from memory: operands that it does not compute."""
    nodes = set(unit.nodes())
    operands = {each for index in nodes for each in graph.operands(index)}
    operands |= {index for part in unit.parts if not part.group.nodes for index in part.group.stores}
    return {in_memory(graph, each, lying) for each in operands} - nodes


def _passing(graph: Graph, units: Sequence[Unit], layouts: Layouts) -> set[int]:
    """Find the values that are stored and read within one unit alone: a thread's memory of a piece is
    enough."""
    found: set[int] = set()
    kept = set(graph.roots())
    readers: dict[int, list[Unit]] = {}
    for unit in units:
        if isinstance(unit.cut, Examples):
            kept |= layouts.turned & set(unit.stores())
        for index in _reads_of_parts(graph, unit, layouts.lying):
            readers.setdefault(index, []).append(unit)
    for unit in units:
        if isinstance(unit.cut, Tiles | Panels | Examples) and len(unit.parts) > 1:
            for index in unit.stores():
                if index not in kept and all(each is unit for each in readers.get(index, [])):
                    found.add(index)
    return found


def _reads_of_parts(graph: Graph, unit: Unit, lying: Container[int]) -> set[int]:
    found: set[int] = set()
    for part in unit.parts:
        found |= reads_of(graph, replace(unit, parts=(part,)), lying)
    return found
