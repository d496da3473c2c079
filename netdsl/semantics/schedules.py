"""Schedules: what an optimizer's settings see of the time, and schedules that remember figures."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Final

from netdsl.diagnostics import Span
from netdsl.graph import Builder, Graph, Run, Value, evaluate
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.cones import cone
from netdsl.semantics.experiment import ScheduleState
from netdsl.semantics.frame import Frame, Site, World
from netdsl.semantics.functions import Function, Given
from netdsl.semantics.items import Item, Leaf, Now, Quantity, Recipe, Tensor, describe
from netdsl.semantics.tensors import lift, real

SPECIALS: Final[Mapping[str, Item]] = {
    "step": Leaf("step", "steps"),
    "steps": Leaf("steps", "steps"),
    "epoch": Leaf("epoch", "epochs"),
    "epochs": Leaf("epochs", "epochs"),
    "progress": Leaf("progress"),
    "now": Now(),
}


@dataclass(frozen=True, slots=True)
class Logged:
    """A figure that a schedule reacts to."""

    part: str
    figure: str
    span: Span


@dataclass(slots=True)
class Schedules:
    """The schedules with memory of a training, by where they are used; `clock` is where training begins."""

    world: World
    clock: Mapping[str, float]
    states: dict[tuple[str, int], ScheduleState] = field(default_factory=dict)
    logged: list[Logged] = field(default_factory=list)

    def frame(self, builder: Builder) -> Frame:
        """Return the frame that an optimizer's settings are worked out in."""
        frame = Frame(self.world, self.world.files.main, "schedule", builder, specials=SPECIALS)
        frame.implied = scheduled
        frame.remember = self.remember
        return frame

    def remember(
        self, recipe: Recipe, tensors: Mapping[str, Item], given: Mapping[str, tuple[Item, Span]], site: Site
    ) -> Item:
        """Return the scalar that a schedule with memory sets."""
        key = (site.told_at.source.name, site.told_at.start)
        if key not in self.states:
            graph, states, start = self._worked_out(recipe, tensors, given, site)
            names = {each.name for each in self.states.values()}
            name = recipe.name
            while name in names:
                name = f"{recipe.name}_{int(name.rpartition('_')[2] or 1) + 1 if name != recipe.name else 2}"
            self.states[key] = ScheduleState(name, graph, states, start)
        return Tensor(site.add("scalar", name=self.states[key].name))

    def _worked_out(
        self, recipe: Recipe, tensors: Mapping[str, Item], given: Mapping[str, tuple[Item, Span]], site: Site
    ) -> tuple[Graph, Mapping[str, float], float]:
        graph, states = self._run(recipe, tensors, given, site, still=False)
        first, _ = self._run(recipe, tensors, given, site, still=True)
        figures = {f"{each.part}.{each.figure}": inf for each in self.logged}
        start = float(evaluate(first, Run(rows=1, scalars={**self.clock, **figures, **states}))["value"])
        if not isfinite(start):
            raise site.mistake(
                "E0611",
                f"`{recipe.name}` has no value before the first epoch has ended",
                "depends on a figure alone",
                help="let it begin with its `base`, and change that by a state",
            )
        return graph, states, start

    def _run(
        self,
        recipe: Recipe,
        tensors: Mapping[str, Item],
        given: Mapping[str, tuple[Item, Span]],
        site: Site,
        *,
        still: bool,
    ) -> tuple[Graph, Mapping[str, float]]:
        builder = Builder(self.world.registry)
        memory = _ScalarMemory(builder, still)
        frame = site.frame.inner(
            graph=builder, memory=memory, remember=None, functions={"logged": self._logged()}
        )
        moved = {name: _transplanted(item, builder) for name, item in tensors.items()}
        carried = {name: (_transplanted(item, builder), span) for name, (item, span) in given.items()}
        inner = frame.site(site.span, site.label)
        result = real(lift(self.world.apply(recipe, moved, carried, inner), inner), inner)
        if result.shape != ():
            raise site.mistake(
                "E0205", f"`{recipe.name}` sets one number, not {describe(result)}", "not one number"
            )
        return cone(builder, {"value": result.value}, memory.updates), memory.starts

    def _logged(self) -> Function:
        def run(site: Site, given: Given) -> Item:
            text, span = given["figure"]
            part, _, figure = str(text).rpartition(".")
            self.logged.append(Logged(part, figure, span))
            return Tensor(site.add("scalar", name=f"{part}.{figure}"))

        return Function("logged", ("figure",), 1, run, named=("figure",))


@dataclass(slots=True)
class _ScalarMemory:
    """The states of a schedule: scalars. `still` leaves each at its start, to see where a schedule begins."""

    builder: Builder
    still: bool
    starts: dict[str, float] = field(default_factory=dict)
    updates: dict[str, Value] = field(default_factory=dict)

    def declare(self, name: str, start: float, site: Site) -> Tensor:
        """Return the leaf of a new state."""
        self.starts[name] = float(start)
        leaf = Tensor(site.add("scalar", name=name))
        self.updates[name] = leaf.value
        return leaf

    def update(self, name: str, value: Tensor, site: Site) -> Tensor:
        """Note what a state becomes."""
        if name not in self.starts:
            raise not_a_state(name, site)
        if value.shape != ():
            raise site.mistake("E0611", "a state of a schedule is one number", "not one number")
        if self.still:
            return Tensor(self.updates[name])
        self.updates[name] = value.value
        return replace(value, unit=None)


def not_a_state(name: str, site: Site) -> Exception:
    """Return the error for `:=` of a name that keeps nothing."""
    return site.mistake(
        "E0110",
        f"`{name}` is no state, so it cannot change",
        "bound once",
        help=f"declare it: `state {name} = 0`",
    )


def _transplanted(item: Item, builder: Builder) -> Item:
    """Return a value over scalars in another graph."""
    if not isinstance(item, Tensor) or item.value.builder is builder:
        return item
    graph = cone(item.value.builder, {"value": item.value})
    return replace(item, value=builder.copy(graph, {})[graph.outputs["value"]])


def scheduled(recipe: Recipe, site: Site) -> Item:
    """Return the value of a schedule that stands by itself."""
    if recipe.kind != "schedule":
        return recipe
    wanted = [each.name.text for each in recipe.definition.tensors]
    for name in wanted:
        if name not in recipe.given:
            raise site.mistake(
                "E0202",
                f"`{recipe.name}` needs `{name}`",
                f"`{name}` is missing",
                help=f"write `{recipe.name}({name})`, such as `{recipe.name}(0.01)`",
            )
    tensors = {name: _nested(recipe.given[name][0], site) for name in wanted}
    given = {name: each for name, each in recipe.given.items() if name not in wanted}
    return site.frame.world.apply(recipe, tensors, given, site)


def _nested(item: Item, site: Site) -> Item:
    return scheduled(item, site) if isinstance(item, Recipe) else item


def rate(item: Item, site: Site, what: str) -> Tensor:
    """Return a setting of an optimizer as a scalar of the graph."""
    if isinstance(item, Recipe):
        item = scheduled(item, site)
    if isinstance(item, (Quantity, Now)):
        raise site.mistake("E0207", f"{what} is a plain number, not {describe(item)}", "has a unit")
    tensor = real(lift(item, site), site)
    if tensor.shape != ():
        raise site.mistake("E0205", f"{what} is one number, not {describe(tensor)}", "not one number")
    return tensor
