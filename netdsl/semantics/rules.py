"""Optimizers: the formula of each weight, with its own rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.graph import Builder, Graph, Shape, Value
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.cones import cone
from netdsl.semantics.experiment import UpdateRule, Weight
from netdsl.semantics.expressions import evaluate
from netdsl.semantics.frame import Site
from netdsl.semantics.items import Item, Leaf, Now, Recipe, Record, Tensor, describe
from netdsl.semantics.parts import in_part
from netdsl.semantics.rates import ByPart, places_of_parts, representative
from netdsl.semantics.schedules import Schedules, not_a_state, rate
from netdsl.semantics.tensors import aligned
from netdsl.semantics.uses import slot_of
from netdsl.syntax import tree


@dataclass(slots=True)
class Rules:
    """Works out the `optimizer` field for each weight; weights of one shape and one rate share a rule.

    Where a mistake kept the model from being `made`, no part is looked for.
    """

    expr: tree.Expr
    schedules: Schedules
    model: str
    made: bool = True
    _known: dict[tuple[object, ...], UpdateRule] = field(default_factory=dict)

    def for_weights(self, weights: Sequence[Weight]) -> Mapping[str, UpdateRule]:
        """Return a rule for each weight that is trained, by its path."""
        recipe, _ = self._optimizer(Builder(self.schedules.world.registry))
        if not self.made:
            return {}
        learned = [each for each in weights if each.is_parameter]
        trained = [each for each in learned if not each.frozen]
        settings = self._by_part(recipe).values()
        for each in settings:
            each.check([weight.path for weight in learned], [weight.path for weight in trained])
        parts = [part for each in settings for part in each.names()]
        return {each.path: self._rule(each, parts) for each in trained}

    def rate(self) -> Graph | None:
        """Return the graph of the setting `lr`, None for an optimizer that has none."""
        builder = Builder(self.schedules.world.registry)
        recipe, site = self._optimizer(builder)
        setting = next((each for each in recipe.definition.settings if each.name.text == "lr"), None)
        if setting is None:
            return None
        item = recipe.given["lr"][0] if "lr" in recipe.given else None
        if item is None:
            item = slot_of(recipe, setting, recipe.given, site.frame).default
        item = representative(item)
        if item is None:
            return None
        return cone(builder, {"value": rate(item, site, "`lr`").value})

    def _optimizer(self, builder: Builder) -> tuple[Recipe, Site]:
        frame = self.schedules.frame(builder)
        site = frame.site(self.expr.span)
        recipe = evaluate(self.expr, frame)
        if not isinstance(recipe, Recipe) or recipe.kind != "optimizer":
            cure = "such as `adam(0.001)`"
            if isinstance(recipe, str) and recipe.isidentifier():
                cure = f"definitions are called by their names, without quotes: `{recipe}`"
            raise site.mistake("E0609", f"{describe(recipe)} is no optimizer", "not an optimizer", help=cure)
        return recipe, site

    def _by_part(self, recipe: Recipe) -> dict[str, ByPart]:
        """Return the settings that differ by part."""
        return {
            name: ByPart(name, item, self.model, span, places_of_parts(self.expr, span))
            for name, (item, span) in recipe.given.items()
            if isinstance(item, Record)
        }

    def _rule(self, weight: Weight, parts: Sequence[str]) -> UpdateRule:
        inside = tuple(part for part in parts if in_part(weight.path, part, self.model))
        key = (weight.shape, inside)
        if key not in self._known:
            self._known[key] = self._worked_out(weight.path, weight.shape)
        return self._known[key]

    def _worked_out(self, path: str, shape: Shape) -> UpdateRule:
        builder = Builder(self.schedules.world.registry)
        recipe, site = self._optimizer(builder)
        w = Tensor(site.add("weight", name="w", shape=shape))
        g = Tensor(site.add("input", name="g", shape=shape, dtype="float"))
        tensors = self._tensors(recipe, w, g, site)
        by_part = self._by_part(recipe)
        given = {
            name: (self._own(by_part[name].of(path) if name in by_part else item, name, site), span)
            for name, (item, span) in recipe.given.items()
        }
        memory = _RuleMemory(builder, shape, next(iter(tensors), "w"))
        frame = site.frame.inner(
            kind="optimizer",
            memory=memory,
            specials={"t": Leaf("t"), "w": w, "g": g},
            implied=None,
            remember=None,
        )
        frame.world.apply(recipe, tensors, given, frame.site(site.span))
        if "w" not in memory.updates:
            raise site.mistake(
                "E0609",
                f"`{recipe.name}` never changes the weight",
                "does nothing",
                help=f"end it with `{memory.weight} := …`",
            )
        return UpdateRule(cone(builder, {}, memory.updates), memory.starts)

    def _tensors(self, recipe: Recipe, w: Tensor, g: Tensor, site: Site) -> dict[str, Item]:
        names = [each.name.text for each in recipe.definition.tensors]
        if len(names) not in (0, 2):
            raise site.mistake(
                "E0609",
                f"`{recipe.name}` takes {len(names)} values; an optimizer takes a weight and its gradient",
                "not an optimizer's signature",
                help=f"declare it `optimizer {recipe.name}(w, g; …)`",
            )
        return dict(zip(names, (w, g), strict=False))

    def _own(self, item: Item, name: str, site: Site) -> Item:
        """Return a setting for one weight, as a scalar where it is a schedule."""
        return rate(item, site, f"`{name}`") if isinstance(item, (Recipe, Tensor, Now, tuple)) else item


@dataclass(slots=True)
class _RuleMemory:
    """The states of an optimizer, of the shape of the weight. `weight` is what the formula calls that."""

    builder: Builder
    shape: Shape
    weight: str
    starts: dict[str, float] = field(default_factory=dict)
    updates: dict[str, Value] = field(default_factory=dict)

    def declare(self, name: str, start: float, site: Site) -> Tensor:
        """Return the leaf of a new state."""
        self.starts[name] = float(start)
        leaf = site.add("state", name=name, shape=self.shape)
        self.updates[name] = leaf
        return Tensor(leaf)

    def update(self, name: str, value: Tensor, site: Site) -> Tensor:
        """Note what a state or the weight becomes."""
        if name not in self.starts and name != self.weight:
            raise not_a_state(name, site)
        full = self._full(value, site)
        self.updates["w" if name == self.weight else name] = full
        return replace(value, value=full, unit=None)

    def _full(self, value: Tensor, site: Site) -> Value:
        spread = aligned([value, Tensor(site.constant(0.0).broadcast(self.shape))], site)[0]
        if spread.shape != self.shape:
            raise site.mistake(
                "E0303", "what a weight becomes must have its shape", "another shape", secondary=value.trail
            )
        return spread
