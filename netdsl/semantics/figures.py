"""Metrics: figures of each example, averaged, or of a whole part of the data."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final, Literal, TypeAlias

from netdsl.diagnostics import Label
from netdsl.graph import Builder, Graph, Value
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.cones import cone
from netdsl.semantics.experiment import Figure
from netdsl.semantics.expressions import evaluate
from netdsl.semantics.frame import Frame, Site, Whole
from netdsl.semantics.items import Item, Recipe, Tensor, Word, describe, text_of
from netdsl.semantics.objective import Compared, default_application
from netdsl.semantics.problems import MistakeError, mistake
from netdsl.semantics.tensors import lift, real, single
from netdsl.syntax import tree

Better: TypeAlias = Literal["lower", "higher", "neither"]

_WAYS: Final[Mapping[str, Better]] = {"lower": "lower", "higher": "higher", "neither": "neither"}

RESERVED = ("loss", "objective", "penalty", "lr")


@dataclass(slots=True)
class Figures:
    """The metrics of a training: those of an example are outputs of its graph, others have their own."""

    frame: Frame
    compared: Compared
    found: list[Figure] = field(default_factory=list)
    shares: set[str] = field(default_factory=set)
    outputs: dict[str, Value] = field(default_factory=dict)
    _whole: Builder | None = None
    _whole_outputs: dict[str, Value] = field(default_factory=dict)
    _whole_names: dict[str, Tensor] = field(default_factory=dict)

    def add_all(self, expr: tree.Expr) -> None:
        """Work out the `metrics` field: a list of metrics, or a record that names them."""
        problems = self.frame.world.problems
        match expr:
            case tree.Group(value=inner):
                self.add_all(inner)
            case tree.List(items=items):
                for each in items:
                    with problems.statement():
                        self._add(each, None)
            case tree.Record(fields=fields):
                for named in fields:
                    with problems.statement():
                        self._add(named.value, named.name)
            case _:
                with problems.statement():
                    self._add(expr, None)

    def _add(self, expr: tree.Expr, name: tree.Name | None) -> None:
        try:
            recipe, item = self._value(expr, self._frame(self.frame, self.compared, whole=False))
            kind = "example"
        except Whole:
            recipe, item = self._value(expr, self._whole_frame())
            kind = "whole"
        title = name or self._name(expr, recipe)
        self._check_name(title)
        site = self.frame.site(expr.span)
        if kind == "example":
            self.found.append(self._example(title, item, recipe, site))
        else:
            self.found.append(self._of_all(title, item, recipe, site))

    def _value(self, expr: tree.Expr, frame: Frame) -> tuple[Recipe | None, Item]:
        """Return what a metric gives, applied to the only output and target where it names none."""
        item = evaluate(expr, frame)
        site = frame.site(expr.span)
        if isinstance(item, Recipe):
            if item.kind not in ("metric", "loss"):
                raise no_metric(item, site)
            return item, frame.implied(item, site) if frame.implied else item
        return self._recipe(expr, frame), item

    def _recipe(self, expr: tree.Expr, frame: Frame) -> Recipe | None:
        if isinstance(expr, tree.Call):
            callee = evaluate(expr.callee, frame)
            return callee if isinstance(callee, Recipe) else None
        return None

    def _name(self, expr: tree.Expr, recipe: Recipe | None) -> tree.Name:
        if recipe is None:
            raise mistake(
                "E0606",
                "this metric has no name",
                expr.span,
                "how is it called?",
                help="name metrics in a record: `metrics = (error = 1 - accuracy(…))`",
            )
        return tree.Name(recipe.name, expr.span)

    def _check_name(self, name: tree.Name) -> None:
        if name.text in RESERVED:
            raise mistake("E0606", f"`{name.text}` is told anyway", name.span, "a figure has this name")
        same = next((each for each in self.found if each.name == name.text), None)
        if same is not None:
            raise mistake(
                "E0606",
                f"two metrics are called `{name.text}`",
                name.span,
                "the second one",
                secondary=[Label(same.span, "the first one")] if same.span else [],
                help=f"name them: `metrics = ({name.text} = …, other = …)`",
            )

    def _example(self, name: tree.Name, item: Item, recipe: Recipe | None, site: Site) -> Figure:
        inner = self._frame(self.frame, self.compared, whole=False).site(site.span)
        lifted = lift(item, inner)
        given = real(lifted, inner)
        if _greatest(given.value) == 1:
            self.shares.add(name.text)
        tensor = single(given, inner)
        if tensor is None or not tensor.batched:
            raise site.mistake(
                "E0307",
                f"`{name.text}` gives {text_of(given.shape)}, and not one number an example",
                "not one number",
                secondary=given.trail,
                help="reduce each example: `mean(…)`, or all of them: `over=examples`",
            )
        self.outputs[f"figure/{name.text}"] = tensor.value
        return Figure(name.text, "example", better(recipe), (), site.span)

    def _of_all(self, name: tree.Name, item: Item, recipe: Recipe | None, site: Site) -> Figure:
        inner = self._whole_frame().site(site.span)
        tensor = real(lift(item, inner), inner)
        if tensor.batched:
            raise site.mistake(
                "E0307",
                f"`{name.text}` reduces some things over all examples, and gives a number for each",
                "mixes both",
                help="reduce the result too: `mean(…, over=examples)`",
            )
        tensor = single(tensor, inner) or tensor
        self._whole_outputs[f"figure/{name.text}"] = tensor.value
        direction = better(recipe) if tensor.shape == () else "neither"
        is_confusion = recipe is not None and recipe.module.is_library and recipe.name == "confusion"
        classes = self.compared.class_names() if is_confusion else ()
        return Figure(name.text, "whole", direction, tensor.shape, site.span, classes)

    def _frame(self, frame: Frame, compared: Compared, *, whole: bool) -> Frame:
        inner = frame.inner(
            kind="metric",
            names=compared.names(),
            specials=compared.specials(),
            functions=compared.functions,
            path="metric",
            stream="metric",
            whole=whole,
        )
        inner.implied = lambda recipe, site: (
            default_application(recipe, compared, site) if recipe.kind in ("metric", "loss") else recipe
        )
        return inner

    def _whole_frame(self) -> Frame:
        """Return the frame of metrics that see all examples: outputs and fields are inputs of their graph."""
        if self._whole is None:
            self._whole = Builder(self.frame.world.registry)
        compared = replace(
            self.compared,
            functions={},
            outputs={name: self._input(name, each) for name, each in self.compared.outputs.items()},
            fields={name: self._input(name, each) for name, each in self.compared.fields.items()},
        )
        return self._frame(self.frame.inner(graph=self._whole), compared, whole=True)

    def _input(self, name: str, tensor: Tensor) -> Tensor:
        assert self._whole is not None
        if name not in self._whole_names:
            shape, dtype = tensor.value.shape, tensor.value.dtype
            leaf = self._whole.apply("input", name=name, shape=shape, dtype=dtype)
            self._whole_names[name] = replace(tensor, value=leaf)
        return self._whole_names[name]

    def whole_graph(self) -> Graph | None:
        """Return the graph of the metrics that see a whole part, None without any."""
        if self._whole is None or not self._whole_outputs:
            return None
        return cone(self._whole, self._whole_outputs)


def no_metric(recipe: Recipe, site: Site) -> MistakeError:
    """Return the error for a definition of another kind where a metric is meant."""
    return site.mistake("E0606", f"{describe(recipe)} is no metric", "not a metric")


def better(recipe: Recipe | None) -> Better:
    """Return which way a figure gets better.

    A loss is better lower. A metric says it by a setting `better`, `; better = lower in [lower, higher]`;
    without one it is better higher.
    """
    if recipe is None:
        return "neither"
    if recipe.kind == "loss":
        return "lower"
    given = recipe.given.get("better")
    if given is not None and isinstance(given[0], Word):
        return _WAYS.get(given[0].text, "higher")
    for setting in recipe.definition.settings:
        if setting.name.text == "better" and isinstance(setting.default, tree.Path):
            return _WAYS.get(setting.default.text, "higher")
    return "higher"


def _greatest(value: Value) -> float | None:
    """Return the greatest value of a mean or sum of comparisons; None of what is neither."""
    if value.dtype == "bool":
        return 1.0
    operands = [Value(value.builder, index) for index in value.builder.operands(value.index)]
    inner = _greatest(operands[0]) if operands else None
    match value.node.operation.name:
        case "constant":
            number = value.node.setting("value")
            return float(number) if isinstance(number, int | float) else None
        case "sum" if inner is not None:
            return float(inner * prod(operands[0].shape[axis] for axis in value.node.setting("axes")))
        case "divide" if inner is not None and (by := _greatest(operands[1])):
            return inner / by
        case "reshape" | "broadcast" | "cast":
            return inner
    return None
