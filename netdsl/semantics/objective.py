"""What a training minimizes: the loss of each example, and penalties of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.expressions import operand
from netdsl.semantics.frame import Frame, Site
from netdsl.semantics.functions import Function
from netdsl.semantics.items import Item, Leaf, Objective, Recipe, Tensor, Weights, describe
from netdsl.semantics.operators import as_objective, binary
from netdsl.semantics.parts import check_part, in_part
from netdsl.semantics.problems import MistakeError
from netdsl.semantics.tensors import real, single
from netdsl.semantics.weights import Made
from netdsl.syntax import tree


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What losses and metrics can compare: the model's outputs and the data's fields, by name.

    `functions` are those that they see besides: `fit`, where something of the training rows can be measured.
    """

    outputs: Mapping[str, Tensor]
    fields: Mapping[str, Tensor]
    targets: Sequence[str]
    batch: int | None
    model: str
    functions: Mapping[str, Function] = field(default_factory=dict)

    def names(self) -> dict[str, Item]:
        """Return what an expression of losses sees."""
        return {**self.fields, **self.outputs}

    def specials(self) -> dict[str, Item]:
        """Return what the body of a loss or metric sees besides its own names."""
        if not self.fields:
            return {}
        size: Item = Leaf("examples") if self.batch is None else self.batch
        specials: dict[str, Item] = {"examples": Leaf("examples"), "batch_size": size}
        classes = self.classes()
        return specials if classes is None else {**specials, "classes": classes}

    def classes(self) -> int | None:
        """Return the number of classes of the only label."""
        return len(self.class_names()) or None

    def class_names(self) -> tuple[str, ...]:
        """Return the classes of the only label."""
        labels = [self.fields[name].classes for name in self.targets if self.fields[name].classes]
        return labels[0] if len(labels) == 1 else ()


def objective(
    expr: tree.Expr | None, compared: Compared, weights: Mapping[str, Made], frame: Frame
) -> Objective:
    """Return the loss and the penalty that the `loss` field says; without one the model's output is the loss.

    Errors: E0607 where it is not a sum of losses and penalties, or it is not clear what is compared.
    """
    frame = frame.inner(
        kind="objective",
        names={**compared.names(), "weights": Weights(())},
        specials=compared.specials(),
        functions=compared.functions,
        path="loss",
        stream="loss",
    )
    frame.implied = lambda recipe, site: _implied(recipe, compared, weights, site)
    if expr is None:
        item: Item = next(iter(compared.outputs.values()))
        return _without_data(item, frame.site(_span(compared, frame)))
    item = operand(expr, frame)
    site = frame.site(expr.span)
    if not compared.fields:
        return _without_data(item, site)
    found = as_objective(item, site)
    if found.loss is None:
        raise site.mistake("E0607", "there is no loss here, only a penalty", "does not look at the data")
    return found


def _span(compared: Compared, frame: Frame) -> Span:
    output = next(iter(compared.outputs.values()))
    return output.trail[0].span if output.trail else frame.module.sections[0].span


def _without_data(item: Item, site: Site) -> Objective:
    """Return the objective of a model without inputs: its output is what is minimized."""
    if isinstance(item, Objective):
        return item
    found = as_objective(item, site)
    return Objective(found.loss or found.penalty, None)


def _implied(recipe: Recipe, compared: Compared, weights: Mapping[str, Made], site: Site) -> Item:
    match recipe.kind:
        case "loss":
            return default_application(recipe, compared, site)
        case "penalty":
            return _penalty(recipe, compared, weights, site)
        case _:
            raise no_loss(recipe, site)


def no_loss(recipe: Recipe, site: Site) -> MistakeError:
    """Return the error for a definition of another kind where a loss or penalty is meant."""
    if recipe.kind == "metric":
        message = f"`{recipe.name}` is a metric, which is told and not minimized"
        return site.mistake("E0607", message, "not a loss")
    return site.mistake(
        "E0607",
        f"{describe(recipe)} is no loss",
        "not a loss",
        help="a loss such as `cross_entropy` or `mse`",
    )


def default_application(recipe: Recipe, compared: Compared, site: Site) -> Item:
    """Apply a loss or metric to the model's only output and the data's only target."""
    wanted = [each.name.text for each in recipe.definition.tensors]
    if len(wanted) > 2 or not wanted:
        raise site.mistake(
            "E0607",
            f"`{recipe.name}` compares {len(wanted)} values, which must all be named",
            "which values?",
            help=f"write `{recipe.name}({', '.join(wanted)})` with outputs and fields in their places",
        )
    tensors = {wanted[0]: _only(compared.outputs, "output", compared.outputs, recipe, site)}
    if len(wanted) == 2:
        fields = {name: compared.fields[name] for name in compared.targets}
        tensors[wanted[1]] = _only(fields, "target", {**compared.outputs, **compared.fields}, recipe, site)
    return site.frame.world.apply(recipe, tensors, recipe.given, site)


def _only(
    found: Mapping[str, Tensor], what: str, visible: Mapping[str, Tensor], recipe: Recipe, site: Site
) -> Tensor:
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(f"`{name}`" for name in found)
    raise site.mistake(
        "E0607",
        f"there is no {what}, so what `{recipe.name}` compares must be named"
        if not found
        else f"there are several {what}s, {names}, so what `{recipe.name}` compares must be named",
        "compares what?",
        help=f"write `{recipe.name}(output, target)` with names among "
        + ", ".join(f"`{name}`" for name in visible),
    )


def _penalty(recipe: Recipe, compared: Compared, weights: Mapping[str, Made], site: Site) -> Item:
    parameter = recipe.definition.tensors[0].name.text
    item, span = recipe.given.get(parameter, (None, site.span))
    if not isinstance(item, Weights):
        raise site.mistake(
            "E0607",
            f"`{recipe.name}` is a penalty, and of which weights is not said",
            "of what?",
            help=f"write `{recipe.name}(weights)`, or `{recipe.name}(weights(part))`",
        )
    given = {name: each for name, each in recipe.given.items() if name != parameter}
    chosen = _chosen(item, weights, compared.model)
    total: Item = Objective(None, None)
    for made in chosen:
        inner = site.frame.inner(path="penalty", stream="penalty").site(site.span)
        term = site.frame.world.apply(recipe, {parameter: Tensor(made.leaf)}, given, inner)
        total = binary("+", total, _single(recipe, term, site), site)
    if not chosen:
        raise site.mistake("E0608", "the model has no weights to penalize", "nothing", span=span)
    return total


def _chosen(item: Weights, weights: Mapping[str, Made], model: str) -> list[Made]:
    learned = [each for each in weights.values() if each.kind == "weight"]
    if not item.parts:
        return learned
    for part, span in item.parts:
        check_part(part, span, [each.path for each in learned], model)
    return [each for each in learned if any(in_part(each.path, part, model) for part, _ in item.parts)]


def _single(recipe: Recipe, term: Item, site: Site) -> Item:
    tensor = term.penalty if isinstance(term, Objective) else term
    tensor = single(tensor, site) if isinstance(tensor, Tensor) and not tensor.batched else None
    if tensor is None:
        raise site.mistake("E0307", f"`{recipe.name}` must give one number for a weight", "not one number")
    return Objective(None, replace(real(tensor, site), trail=()))
