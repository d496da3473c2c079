"""Uses of definitions: which argument goes where, the frame a body runs in, and the names of uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.amount import MOST_USES, uses_within
from netdsl.semantics.bodies import run_body
from netdsl.semantics.expressions import argument, evaluate, implied, make_slot, operand
from netdsl.semantics.frame import DEEPEST_USE, BodyNames, Frame, Site, Use, take
from netdsl.semantics.items import (
    Item,
    Leaf,
    Objective,
    Recipe,
    Record,
    Tensor,
    Weights,
    describe,
    is_number,
)
from netdsl.semantics.patterns import bind_pattern
from netdsl.semantics.problems import MistakeError, mistake
from netdsl.semantics.settings import Slot, fit
from netdsl.semantics.signatures import extents_by_setting, signature, unknown_setting, words_of
from netdsl.semantics.suspicions import suspect_loss, suspect_settings, suspect_use
from netdsl.semantics.targets import compared
from netdsl.semantics.tensors import lift, real
from netdsl.semantics.weights import LAYER_FUNCTIONS
from netdsl.syntax import tree

LAYER_SPECIALS: Final[Mapping[str, Item]] = {"training": Leaf("training", flag=True)}

_CALLS: Final[Mapping[str, frozenset[str]]] = {
    "layer": frozenset({"layer", "model"}),
    "model": frozenset({"layer", "model"}),
    "objective": frozenset({"layer", "model", "loss", "penalty"}),
    "loss": frozenset({"layer", "loss"}),
    "metric": frozenset({"layer", "loss", "metric"}),
    "penalty": frozenset({"layer", "penalty"}),
    "initializer": frozenset({"layer", "initializer"}),
    "optimizer": frozenset({"layer", "optimizer"}),
    "schedule": frozenset({"layer", "schedule"}),
    "scaler": frozenset({"layer", "scaler"}),
}
"""Which kinds of definitions can be applied in the body of which."""

_PLACES: Final = {
    "objective": "the loss of a training",
    "initializer": "an initializer",
    "optimizer": "an optimizer",
}

_NEVER_APPLIED: Final = frozenset({"initializer", "optimizer"})
_TENSORS_FIRST: Final = frozenset({"loss", "metric", "penalty", "schedule", "model"})
_BY_NAME_ONLY: Final = frozenset({"loss", "metric"})


def use(recipe: Recipe, expr: tree.Call, flow: Item | None, frame: Frame, name: str | None) -> Item:
    """Apply a definition where tensors are given, else return it with the settings it is given."""
    arguments = _Arguments(recipe, expr, flow, frame)
    arguments.match()
    wanted = [each.name.text for each in recipe.definition.tensors]
    missing = [each for each in wanted if each not in arguments.tensors]
    applied = not missing and (wanted or recipe.kind in ("layer", "model"))
    started = (arguments.tensors and not frame.partial) or flow is not None
    if not applied and started and recipe.kind not in _NEVER_APPLIED:
        raise mistake(
            "E0202",
            f"`{recipe.name}` also needs `{missing[0]}`",
            expr.span,
            f"`{missing[0]}` is missing",
            help=f"it is declared `{signature(recipe.definition)}`",
        )
    given = {**recipe.given, **arguments.settings}
    static = frame.graph is None and recipe.kind == "schedule"
    summed = any(isinstance(item, Weights) for item in arguments.tensors.values())
    if not applied or static or summed:
        held = {each: (item, expr.span) for each, item in arguments.tensors.items()}
        partial = Recipe(recipe.definition, recipe.module, {**given, **held})
        return implied(partial, frame, expr.span) if summed else partial
    return apply(recipe, arguments.tensors, given, frame.site(expr.span, name))


@dataclass(slots=True)
class _Arguments:
    """What a call gives, matched to the tensors and settings of a signature."""

    recipe: Recipe
    expr: tree.Call
    flow: Item | None
    frame: Frame
    tensors: dict[str, Item] = field(default_factory=dict)
    settings: dict[str, tuple[Item, Span]] = field(default_factory=dict)

    def match(self) -> None:
        definition = self.recipe.definition
        tensors = [each.name.text for each in definition.tensors]
        if self.recipe.kind in _NEVER_APPLIED:
            tensors = []
        self._flow(tensors)
        settings = [each for each in definition.settings if each.name.text not in self.recipe.given]
        for each in self.expr.positional:
            self._positional(each, tensors, settings)
        for named in self.expr.named:
            self._named(named, tensors)

    def _flow(self, tensors: list[str]) -> None:
        if self.flow is None:
            return
        if not tensors or self.recipe.kind not in _CALLS.get(self.frame.kind, frozenset()):
            raise wrong_kind(self.recipe, self.expr.callee.span, self.frame)
        self.tensors[tensors.pop(0)] = self.flow

    def _positional(self, expr: tree.Expr, tensors: list[str], settings: list[tree.Setting]) -> None:
        if tensors and (self.tensors or self.recipe.kind in _TENSORS_FIRST):
            item = operand(expr, self.frame)
            if not self.tensors and self.recipe.kind in _BY_NAME_ONLY and is_number(item):
                raise self._by_name(expr, settings)
            self.tensors[tensors.pop(0)] = item
            return
        slot = self._slot(settings[0]) if settings else None
        item = argument(expr, slot, self.frame) if slot else evaluate(expr, self.frame)
        if tensors and isinstance(item, (Tensor, Record)):
            self.tensors[tensors.pop(0)] = item
        elif slot is None:
            raise self._too_many(expr, item)
        elif self.recipe.kind in _BY_NAME_ONLY:
            raise self._by_name(expr, settings)
        else:
            self.settings[settings.pop(0).name.text] = (
                fit(slot, item, expr.span, self.frame.site(expr.span)),
                expr.span,
            )

    def _by_name(self, expr: tree.Expr, settings: Sequence[tree.Setting]) -> MistakeError:
        name = settings[0].name.text if settings else "setting"
        return mistake(
            "E0204",
            f"the settings of a {self.recipe.kind} are given by name",
            expr.span,
            "which setting?",
            help=f"write `{name}={expr.span.text}`",
        )

    def _too_many(self, expr: tree.Expr, item: Item) -> MistakeError:
        return mistake(
            "E0204",
            f"`{self.recipe.name}` has no place for {describe(item)}",
            expr.span,
            "one too many",
            help=f"it is declared `{signature(self.recipe.definition)}`",
        )

    def _named(self, named: tree.Named, tensors: list[str]) -> None:
        name = named.name.text
        settings = {each.name.text: each for each in self.recipe.definition.settings}
        if name in self.tensors or name in self.settings:
            raise mistake("E0203", f"`{name}` is given twice", named.name.span, "given before")
        if name in tensors:
            tensors.remove(name)
            self.tensors[name] = operand(named.value, self.frame)
        elif name in settings:
            slot = self._slot(settings[name])
            span = named.value.span
            item = argument(named.value, slot, self.frame)
            self.settings[name] = (fit(slot, item, span, self.frame.site(span)), span)
        else:
            raise unknown_setting(self.recipe.definition, named)

    def _slot(self, setting: tree.Setting) -> Slot:
        return slot_of(self.recipe, setting, {**self.recipe.given, **self.settings}, self.frame)


def slot_of(
    recipe: Recipe, setting: tree.Setting, given: Mapping[str, tuple[Item, Span]], frame: Frame
) -> Slot:
    """Return a setting's slot; its default may use the settings before it."""
    names = {name: item for name, (item, _) in given.items()}
    for earlier in _needed(recipe.definition, setting):
        if earlier.name.text not in names and earlier.default is not None:
            names[earlier.name.text] = _default(recipe, earlier, given, frame)
    inner = Frame(frame.world, recipe.module, recipe.kind, names=names)
    return make_slot(setting.name, recipe.name, setting.default, setting.domain, inner)


def _needed(definition: tree.Definition, setting: tree.Setting) -> Sequence[tree.Setting]:
    """Return the settings that the default of one may use: those before it, where it is a formula."""
    earlier = definition.settings[: definition.settings.index(setting)]
    match setting.default:
        case None | tree.Number() | tree.Flag() | tree.Text() | tree.Extent():
            return ()
        case tree.Path(text=text):
            return [each for each in earlier if each.name.text == text]
        case _:
            return earlier


def _default(
    recipe: Recipe, setting: tree.Setting, given: Mapping[str, tuple[Item, Span]], frame: Frame
) -> Item:
    default = slot_of(recipe, setting, given, frame).default
    assert default is not None
    return default


def wrong_kind(recipe: Recipe, span: Span, frame: Frame) -> MistakeError:
    """Return the error for a definition of a kind that cannot be applied here."""
    article = "an" if recipe.kind[0] in "aeio" else "a"
    place = _PLACES.get(frame.kind, f"a {frame.kind}")
    return mistake(
        "E0105",
        f"`{recipe.name}` is {article} {recipe.kind}, and cannot be applied in {place}",
        span,
        f"{article} {recipe.kind}",
        secondary=[] if recipe.module.is_library else [Label(recipe.definition.name.span, "declared here")],
    )


# ---- running a definition -----------------------------------------------------------------------


def apply(
    recipe: Recipe, tensors: Mapping[str, Item], given: Mapping[str, tuple[Item, Span]], site: Site
) -> Item:
    """Run a definition's body with its tensors and settings.

    Errors: MistakeError for tensors or settings that do not fit; PoisonedError for mistakes in the body.
    """
    frame = site.frame
    if recipe.kind not in _CALLS.get(frame.kind, frozenset({recipe.kind})):
        raise wrong_kind(recipe, site.span, frame)
    _check_nesting(recipe, site)
    suspect_settings(recipe, given, site)
    if recipe.kind == "layer":
        suspect_use(recipe, tensors, site)
    elif recipe.kind == "loss" and frame.kind == "objective":
        suspect_loss(recipe, tensors, site)
    if frame.remember is not None and recipe.kind == "schedule" and has_memory(recipe.definition):
        return frame.remember(recipe, tensors, given, site)
    inner = _inner_frame(recipe, site)
    if sizes := extents_by_setting(recipe.definition):
        _give_settings(recipe, given, inner, site)
    _give_tensors(recipe, tensors, inner, site, {name: inner.names[name] for name in sizes})
    if not sizes:
        _give_settings(recipe, given, inner, site)
    result = _finished(recipe, run_body(recipe.definition, inner), frame)
    frame.see(site.span, result, inner.path)
    return result


def has_memory(definition: tree.Definition) -> bool:
    """Tell whether a schedule keeps something from epoch to epoch."""
    return any(isinstance(each, tree.State) for each in definition.body)


def _check_nesting(recipe: Recipe, site: Site) -> None:
    uses = site.frame.uses
    if any(each.definition is recipe.definition for each in uses):
        raise mistake(
            "E0112",
            f"`{recipe.name}` uses itself",
            site.told_at,
            "goes round in a circle",
            secondary=[Label(recipe.definition.name.span, "declared here")],
            help="use `repeat` for something that is done several times",
        )
    world = site.frame.world
    world.uses += 1
    levels = DEEPEST_USE - len(uses)
    if levels < 1:
        raise site.mistake("E0404", f"definitions are nested deeper than {DEEPEST_USE}", "too deep")
    if world.uses - 1 + uses_within(recipe.definition, recipe.module, world.amounts, levels) > MOST_USES:
        raise site.too_many("this makes it too large")


def _inner_frame(recipe: Recipe, site: Site) -> Frame:
    frame = site.frame
    learns = recipe.kind in ("layer", "model")
    name = _use_name(recipe, site) if learns else ""
    path, stream = _path(recipe, name, site)
    inherits = recipe.kind == frame.kind or frame.kind in ("objective", "metric", "loss")
    return Frame(
        frame.world,
        recipe.module,
        recipe.kind,
        frame.graph,
        specials=LAYER_SPECIALS if learns else frame.specials if inherits else {},
        functions=LAYER_FUNCTIONS if learns else frame.functions if inherits else {},
        words=words_of(recipe.definition),
        path=path,
        stream=stream,
        repeat=frame.repeat,
        uses=(*frame.uses, Use(recipe.definition, site.span, frame.module.is_library)),
        body=BodyNames(),
        whole=frame.whole,
        implied=frame.implied if recipe.kind == frame.kind else None,
        maker=frame.maker,
        memory=frame.memory if recipe.kind == frame.kind else None,
        remember=frame.remember if recipe.kind == frame.kind else None,
    )


def _use_name(recipe: Recipe, site: Site) -> str:
    """Return the name of a use: its label, else `layer_k`. Raises MistakeError for a name that is taken."""
    body = site.frame.body
    body.counts[recipe.name] += 1
    name = site.label or body.numbered(recipe.name)
    take(name, site)
    return name


def _path(recipe: Recipe, name: str, site: Site) -> tuple[str, str]:
    """Return the path of a use, and the name of its random draws: other ones at each call of a model."""
    frame = site.frame
    if recipe.kind == "model":
        _check_one_model(recipe, site)
        frame.world.calls[recipe.name] += 1
        calls = frame.world.calls[recipe.name]
        return recipe.name, recipe.name if calls == 1 else f"{recipe.name}#{calls}"
    if recipe.kind == "layer":
        return f"{frame.path}/{name}", f"{frame.stream}/{name}"
    return frame.path, frame.stream


def _check_one_model(recipe: Recipe, site: Site) -> None:
    """Check that a name of a model stands for one model: its weights are kept under that name."""
    first = site.frame.world.models.setdefault(recipe.name, recipe.definition)
    if first is not recipe.definition:
        raise site.mistake(
            "E0108",
            f"two models are called `{recipe.name}`, and their weights would have the same paths",
            "the second of them",
            secondary=[Label(first.name.span, "the first"), Label(recipe.definition.name.span, "the second")],
            help="give one of them another name",
        )


def _give_tensors(
    recipe: Recipe, tensors: Mapping[str, Item], inner: Frame, site: Site, extents: dict[str, Item]
) -> None:
    given = tensors
    if recipe.kind in ("loss", "metric"):
        given = compared(recipe.definition, tensors, site)
    if recipe.kind == "loss" and site.frame.kind == "objective":
        _note_pairs(tensors, site)
    for parameter in recipe.definition.tensors:
        name = parameter.name.text
        if name not in given:
            continue
        item = given[name]
        if recipe.kind != "schedule" and not isinstance(item, Weights):
            tensor = real(lift(item, site), site)
            bind_pattern(parameter, tensor, extents, recipe.name, site)
            item = tensor
        inner.names[name] = item
        inner.declared[name] = parameter.name.span
    inner.names.update(extents)
    for name in extents:
        inner.declared.setdefault(name, recipe.definition.span)


def _note_pairs(tensors: Mapping[str, Item], site: Site) -> None:
    """Note which output a loss compares with which field."""
    given = [each for each in tensors.values() if isinstance(each, Tensor)]
    outputs = [each.output for each in given if each.output]
    fields = [each.field for each in given if each.field]
    site.frame.world.pairs.extend((output, field) for output in outputs for field in fields)


def _give_settings(recipe: Recipe, given: Mapping[str, tuple[Item, Span]], inner: Frame, site: Site) -> None:
    have: dict[str, tuple[Item, Span]] = {}
    for setting in recipe.definition.settings:
        name = setting.name.text
        if name in given:
            have[name] = given[name]
        elif setting.default is None:
            raise _missing_setting(recipe, setting, site)
        else:
            slot = slot_of(recipe, setting, have, inner)
            assert slot.default is not None
            item = fit(slot, slot.default, setting.default.span, inner.site(setting.default.span))
            have[name] = (item, setting.default.span)
        inner.names[name] = have[name][0]
        inner.declared[name] = setting.name.span


def _missing_setting(recipe: Recipe, setting: tree.Setting, site: Site) -> MistakeError:
    settings: Sequence[tree.Setting] = recipe.definition.settings
    first = settings[0] is setting
    return site.mistake(
        "E0202",
        f"`{recipe.name}` needs `{setting.name.text}`",
        f"`{setting.name.text}` is missing",
        help=f"write `{recipe.name}(…)`" if first else f"write `{recipe.name}({setting.name.text}=…)`",
        notes=[f"it is declared `{signature(recipe.definition)}`"],
    )


def _finished(recipe: Recipe, result: Item, frame: Frame) -> Item:
    if recipe.kind == "layer" and recipe.module.is_library and isinstance(result, Tensor):
        return replace(result, made=recipe.name)
    if recipe.kind == "penalty" and frame.kind == "objective" and isinstance(result, Tensor):
        return Objective(None, result)
    return result
