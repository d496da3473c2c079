"""Join units of one cut, so that the second works on what the first has just made."""

from __future__ import annotations

from collections.abc import Container, Sequence

from netdsl.graph import Graph, is_batched
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.passes.contractions import in_memory
from netdsl.passes.layouts import Layouts
from netdsl.passes.waiting import Waiting
from netdsl.program import LANES, Cut, Examples, Lines, Panels, Tiles, Unit
from netdsl.program.layout import places


@dataclass(slots=True)
class Joining:
    """Joins units of one cut: the second then works on what the first has just made, or read.

    `reads` and `stores` are those of each unit, by its number; a unit that was joined to another is None.
    """

    graph: Graph
    units: list[Unit | None]
    lying: Container[int]
    examples: frozenset[int]
    """Values with an example in each lane: pieces that touch them begin at multiples of 16 examples."""

    reads: list[set[int]] = field(init=False)
    makers: dict[int, int] = field(init=False)
    overwritten: dict[int, int] = field(init=False)
    """The leaf whose new value a node is."""
    totals: dict[int, set[int]] = field(default_factory=dict, init=False)
    """The units that begin with a sum over all of a leaf, by leaf."""

    readers: dict[int, set[int]] = field(default_factory=dict, init=False)
    """The units that read a value."""
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.reads = [reads_of(self.graph, unit, self.lying) for unit in self.units if unit is not None]
        self.makers = {index: n for n, unit in enumerate(self.units) if unit for index in unit.stores()}
        leaves = self.graph.kept()
        updates = self.graph.updates.items()
        self.overwritten = {index: leaves[name] for name, index in updates if name in leaves}
        for number, reads in enumerate(self.reads):
            self._note_totals(number)
            for index in reads:
                self.readers.setdefault(index, set()).add(number)
        self.waiting = Waiting(self._needs, self._users, len(self.units))

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
            if self._needs_all(unit) & set(before.stores()) or self.reads[number] & self._totals(before):
                continue
            if (
                self._is_aligned(before, cut)
                and self._is_aligned(unit, cut)
                and not self._stand_between(other, number)
            ):
                self.units[other], self.units[number] = Unit((*before.parts, *unit.parts), cut), None
                self.makers.update(dict.fromkeys(unit.stores(), other))
                self.reads[other] = (self.reads[other] | self.reads[number]) - set(before.stores())
                self._note_totals(other)
                for index in self.reads[number]:
                    self.readers[index] = (self.readers[index] - {number}) | {other}
                self.waiting.join(other, number)
                return True
        return False

    def _note_totals(self, number: int) -> None:
        """Note what a unit that begins with a sum over all of something reads."""
        unit = self.units[number]
        if unit is not None and unit.parts[0].template == "total":
            for index in self.reads[number]:
                self.totals.setdefault(index, set()).add(number)

    def _totals(self, unit: Unit) -> set[int]:
        """Return what is not there before the last piece is done: sums over all of a weight, and gradients of
        kernels that are summed example by example."""
        return {
            index
            for part in unit.parts
            for index in part.group.stores
            if part.template == "total"
            or (isinstance(unit.cut, Examples) and not is_batched(self.graph[index].shape))
        }

    def _is_aligned(self, unit: Unit, cut: Cut) -> bool:
        """Tell whether pieces of examples begin at multiples of 16 rows where products back want that, and of
        16 examples where these are lanes; and have as many examples as a gradient is summed over before it is
        stored."""
        if not isinstance(cut, Examples):
            return True
        gradients = isinstance(unit.cut, Examples) and any(
            not is_batched(self.graph[index].shape) for index in unit.stores()
        )
        if gradients and unit.cut != cut:
            return False
        stored = set(unit.stores())
        if cut.size % LANES and (stored | reads_of(self.graph, unit, self.lying)) & self.examples:
            return False
        backs = [part.group.stores[0] for part in unit.parts if part.template == "back"]
        return all(cut.size * places(self.graph[index].shape) % LANES == 0 for index in backs)

    def _needs_all(self, unit: Unit) -> set[int]:
        """Return what a unit needs all pieces of, whatever its own are: the operands and the offsets of its
        products, of which one call makes several panels. A piece of examples has all columns of them."""
        if isinstance(unit.cut, Examples):
            return set()
        products = [part.group for part in unit.parts if part.group.form == "product"]
        nodes = {index for group in products for index in group.nodes}
        operands = {each for index in nodes for each in self.graph.operands(index)} - nodes
        return {in_memory(self.graph, each, self.lying) for each in operands}

    def _candidates(self, number: int, unit: Unit) -> list[int]:
        """Return the units whose values a unit reads, and those that sum up the old value of what it
        overwrites."""
        found = {self.makers[index] for index in self.reads[number] if index in self.makers}
        leaves = {self.overwritten[index] for index in unit.stores() if index in self.overwritten}
        found |= {other for leaf in leaves for other in self.totals.get(leaf, ()) if self.units[other]}
        return sorted(found)

    def _stand_between(self, before: int, unit: int) -> bool:
        """Tell whether a third unit must come after the first and before the second, or the second before
        it."""
        needs = self._needs(unit)
        if self.waiting.reaches(needs - {before, unit}, before):
            return True
        # What the second needs does not need the second.
        return before not in needs and self.waiting.reaches(self._needs(before) - {before, unit}, unit)

    def _needs(self, number: int) -> set[int]:
        """Return the other units whose values a unit reads."""
        return {self.makers[index] for index in self.reads[number] if index in self.makers} - {number}

    def _users(self, number: int) -> set[int]:
        """Return the units that read the values of a unit."""
        unit = self.units[number]
        stores = unit.stores() if unit else ()
        return {each for index in stores for each in self.readers.get(index, ())} - {number}


def _common_cut(before: Unit, unit: Unit) -> Cut | None:
    """Return how two units can be cut alike: a vector like the panels whose columns it belongs to."""
    match before.cut, unit.cut:
        case Examples(one, batches, grain), Examples(other, same, also) if batches == same:
            size, finer = min(one, other), max(grain, also)
            return Examples(size, batches, finer if finer and size % finer == 0 else 0)
        case Panels(columns), Lines(number) if columns == number:
            return before.cut
        case (Panels() | Tiles(), _) if before.cut == unit.cut:
            return before.cut
    return None


def reads_of(graph: Graph, unit: Unit, lying: Container[int]) -> set[int]:
    """Return what a unit reads from memory: operands that it does not compute."""
    nodes = set(unit.nodes())
    operands = {each for index in nodes for each in graph.operands(index)}
    operands |= {index for part in unit.parts if not part.group.nodes for index in part.group.stores}
    return {in_memory(graph, each, lying) for each in operands} - nodes


def passing(graph: Graph, units: Sequence[Unit], layouts: Layouts) -> set[int]:
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
