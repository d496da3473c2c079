"""Works out one training, step by step: data, model, what is minimized, how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from netdsl.graph import Builder, Graph
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.blocks import Block, data_block
from netdsl.semantics.data_plan import planned
from netdsl.semantics.experiment import DataPlan, EarlyStop, TargetStop, TrainingPlan, UpdateRule, Weight
from netdsl.semantics.figures import Figures, no_metric
from netdsl.semantics.files import find
from netdsl.semantics.fitness import suspect_batch, suspect_data, suspect_frozen
from netdsl.semantics.frame import Frame, World
from netdsl.semantics.inputs import Fields, bound_inputs, expected_inputs, open_fields
from netdsl.semantics.items import Item, Objective, Recipe, Record, Tensor
from netdsl.semantics.names import check_expression
from netdsl.semantics.objective import Compared, no_loss, objective
from netdsl.semantics.parts import check_part, in_part
from netdsl.semantics.problems import PoisonedError, mistake, unknown
from netdsl.semantics.rules import Rules
from netdsl.semantics.scaling import NotInvertibleError, fitting, inverted
from netdsl.semantics.schedules import Schedules
from netdsl.semantics.schema import Schema
from netdsl.semantics.tensors import lift, real, reshaped
from netdsl.semantics.training_plan import check_figure, check_share, clip_of, frozen_parts, planned_training
from netdsl.semantics.unmade import Terms, called_metrics, check_steps, outputs_of, words_in
from netdsl.semantics.weights import WeightMaker
from netdsl.syntax import tree

Clip: TypeAlias = tuple[Literal["value", "norm"] | None, float]


@dataclass(slots=True)
class Work:
    """The steps of working out one training, and what each leaves for the next."""

    world: World
    train: Block
    schema: Schema | None
    builder: Builder = field(init=False)
    maker: WeightMaker = field(default_factory=WeightMaker)
    data: Block | None = None
    without_data: bool = False
    data_plan: DataPlan | None = None
    fields: Fields | None = None
    model: tree.Definition | None = None
    given: tuple[str, ...] = ()
    plan: TrainingPlan | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict)
    shown: dict[str, Tensor] = field(default_factory=dict)
    objective: Objective | None = None
    figures: Figures | None = None
    weights: tuple[Weight, ...] = ()
    clip: Clip = (None, 0.0)
    schedules: Schedules | None = None
    rules: Mapping[str, UpdateRule] = field(default_factory=dict)
    rate: Graph | None = None

    def __post_init__(self) -> None:
        self.builder = Builder(self.world.registry)

    def run(self) -> None:
        """Go through all steps; a mistake in one is told, and what does not need it goes on."""
        tell = self.world.problems.statement
        with tell():
            self.later()
        with tell():
            self.read_data()
        self.plan = planned_training(self.train, not self.without_data, self.world)
        with tell():
            self.run_model()
        with tell():
            self.freeze()
        with tell():
            self.clip = clip_of(self.train, self.world)
        if self.outputs and (self.fields is not None or self.without_data):
            with tell():
                self.compare()
        else:
            self.check_comparisons()
        with tell():
            self.optimize()
        self.check_stops()
        if self.schema is not None:
            suspect_batch(self.plan, self.schema, self.train, self.world.problems)

    def later(self) -> None:
        """Refuse what this version has not yet."""
        expr = self.train.value("augment")
        if expr is not None and not (isinstance(expr, tree.List) and not expr.items):
            raise mistake(
                "E0190", "`augment` comes with a later version of netdsl", expr.span, "not there yet"
            )

    def read_data(self) -> None:
        """Read the data block, and put the fields into the graph."""
        self.data = data_block(self.world.files, self.train)
        if self.data is None:
            self.without_data = True
            return
        self.data_plan = planned(self.data, self.world)
        if self.schema is not None:
            self.fields = open_fields(self.schema, self.data, self.builder, self.world)

    # ---- the model ------------------------------------------------------------------------------

    def frame(self, kind: str) -> Frame:
        """Return a frame of the model's graph."""
        return Frame(self.world, self.train.module, kind, self.builder, maker=self.maker)

    def run_model(self) -> None:
        """Apply the model to the data."""
        recipe = self._model()
        self.model = definition = recipe.definition
        given: dict[str, Item] = {}
        if definition.tensors:
            if self.without_data:
                raise self._no_data(definition)
            given = self._inputs(definition)
        site = self.frame("model").site(definition.name.span)
        result = self.world.apply(recipe, given, recipe.given, site)
        found = result.fields if isinstance(result, Record) else {definition.name.text: result}
        self.outputs = {
            name: replace(real(lift(each, site), site), output=name) for name, each in found.items()
        }

    def _inputs(self, definition: tree.Definition) -> dict[str, Item]:
        """Return the inputs of the model; before the data is known, what its signature says of them."""
        if self.fields is None:
            return expected_inputs(definition, self.builder)
        given = bound_inputs(definition, self.fields, self.data)
        self.given = tuple(each.field for each in given.values() if each.field)
        suspect_data(self.fields, given, self.data, definition, self.world.problems)
        return {name: replace(each, field=None) for name, each in given.items()}

    def _model(self) -> Recipe:
        expr = self.train.value("model")
        models = [
            (name, each)
            for name, each in self.world.files.main.declarations.items()
            if isinstance(each, tree.Definition) and each.kind == "model"
        ]
        if expr is None:
            if len(models) == 1 and isinstance(models[0][1], tree.Definition):
                return Recipe(models[0][1], self.world.files.main)
            raise mistake(
                "E0603",
                "this training names no model",
                self.train.title.span,
                "which model?",
                help="add `model = …`",
            )
        if not isinstance(expr, tree.Path):
            raise mistake("E0604", "`model` names a model", expr.span, "not a name")
        return self._named_model(expr, [name for name, _ in models])

    def _named_model(self, expr: tree.Path, models: list[str]) -> Recipe:
        module = self.train.module
        if len(expr.parts) == 2:
            module = module.aliases.get(expr.parts[0].text, module)
        found = find(module, expr.parts[-1].text, expr.parts[-1].span)
        if found is None or not isinstance(found.declaration, tree.Definition):
            raise unknown("E0604", "model", expr.text, expr.span, models, listing="the models are")
        if found.declaration.kind != "model":
            raise mistake(
                "E0105", f"`{expr.text}` is a {found.declaration.kind}, not a model", expr.span, "not a model"
            )
        self.world.used.add((found.module.name, expr.parts[-1].text))
        return Recipe(found.declaration, found.module)

    def _no_data(self, definition: tree.Definition) -> Exception:
        return mistake(
            "E0603",
            f"`{definition.name.text}` has inputs, and the training has no data",
            self.train.title.span,
            "no data",
            help="add `data = …`, the name of a data block",
        )

    def freeze(self) -> None:
        """List the weights, and which of them stay as they are."""
        paths = [each.path for each in self.maker.made.values()]
        name = self.model.name.text if self.model else ""
        parts = frozen_parts(self.train)
        for part, span in parts:
            with self.world.problems.statement():
                if self.outputs:
                    check_part(part, span, paths, name)
                elif self.model is not None:
                    check_steps(part, span, self.model)
        frozen = {path for path in paths if any(in_part(path, part, name) for part, _ in parts)}
        self.weights = tuple(
            Weight(each.path, each.shape, each.kind, each.initial, each.span, each.path in frozen)
            for each in self.maker.made.values()
        )
        if self.outputs:
            suspect_frozen(self.weights, self.train, self.world.problems)

    # ---- what is minimized and told -------------------------------------------------------------

    def compare(self) -> None:
        """Work out the loss, and the metrics in raw units."""
        assert self.model is not None
        assert self.plan is not None
        name = self.model.name.text
        fields, targets = (self.fields.prepared, self.fields.targets) if self.fields else ({}, [])
        functions = {"fit": fitting("loss", self.fields.fitted)} if self.fields else {}
        compared = Compared(self.outputs, fields, targets, self.plan.batch, name, functions)
        expr = self.train.value("loss")
        if expr is None and self.fields is not None:
            raise mistake(
                "E0603", "this training has no `loss`", self.train.title.span, "minimizes what?",
                help="add `loss = cross_entropy` for classes, `loss = mse` for numbers",
            )  # fmt: skip
        with self.world.problems.statement():
            self.objective = objective(expr, compared, self.maker.made, self.frame("train"))
        self.shown = {key: self._in_raw_units(each) for key, each in self.outputs.items()}
        raw = self.fields.raw if self.fields else {}
        self._check_distinct(raw)
        self.figures = Figures(self.frame("metric"), replace(compared, outputs=self.shown, fields=raw))
        metrics = self.train.value("metrics")
        if metrics is not None:
            self.figures.add_all(metrics)

    def _check_distinct(self, fields: Mapping[str, Tensor]) -> None:
        """Check that no output has the name of a field: losses and metrics speak of both."""
        assert self.model is not None
        both = sorted(set(self.outputs) & set(fields))
        if both:
            raise mistake(
                "E0104",
                f"`{both[0]}` could mean two things: an output of the model, and a field of the data",
                self.model.name.span,
                "has an output of this name",
                help="rename the model, or the output in its `return (name = …)`",
            )

    def _in_raw_units(self, output: Tensor) -> Tensor:
        """Undo the scaling of the target that an output is compared with."""
        target = self.compared_with(output.output or "")
        if target is None or self.fields is None or f"prepared/{target}" not in self.fields.outputs():
            return output
        raw, prepared = self.fields.raw[target], self.fields.prepared[target]
        if output.shape != raw.shape and not {output.shape, raw.shape} <= {(), (1,)}:
            raise PoisonedError  # what compares them has told it
        scaler, span = self.fields.scalers.get(target, next(iter(self.fields.scalers.values())))
        site = self.frame("scaler").site(span)
        try:
            shaped = reshaped(output, raw.shape, site)
            value = inverted(self.builder, raw.value, prepared.value, shaped.value, site)
        except NotInvertibleError as why:
            raise mistake(
                "E0506", f"`{scaler.name}` scales the target `{target}` and cannot be undone: {why}", span,
                "predictions could not be told in raw units",
            ) from None  # fmt: skip
        return reshaped(replace(output, value=value), output.shape, site)

    def check_comparisons(self) -> None:
        """Check the names in the loss and metrics where a mistake keeps what they compare from being made."""
        outputs = outputs_of(self.model) if self.model else []
        for name, kinds, refuse in (
            ("loss", ("loss", "penalty"), no_loss),
            ("metrics", ("metric", "loss"), no_metric),
        ):
            expr = self.train.value(name)
            if expr is None:
                continue
            kind = kinds[0]
            if self.model is not None and self.schema is not None:
                known = [*outputs, *(each.name for each in self.schema.fields), "weights"]
                check_expression(expr, kind, known, self.train.module, self.world)
            seen = {*outputs, "weights", *words_in(self.data.value("source") if self.data else None)}
            seen |= {each.name for each in self.schema.fields} if self.schema else set()
            if self.model is None:
                seen |= words_in(self.train.value("model"))
            Terms(kinds, seen, refuse, self.frame(kind)).check(expr)

    def compared_with(self, output: str) -> str | None:
        """Return the only target that losses compare an output with."""
        targets = {field for name, field in self.world.pairs if name == output}
        mine = targets & set(self.fields.targets if self.fields else ())
        if not mine and not targets and self.fields and len(self.outputs) == len(self.fields.targets) == 1:
            return self.fields.targets[0]
        return next(iter(mine)) if len(mine) == 1 else None

    # ---- how it is trained ----------------------------------------------------------------------

    def optimize(self) -> None:
        """Work out the optimizer's formula for each weight."""
        expr = self.train.value("optimizer")
        if expr is not None:
            check_expression(expr, "schedule", (), self.train.module, self.world)
        if expr is None:
            raise mistake(
                "E0603", "this training has no `optimizer`", self.train.title.span, "trains how?",
                help="add `optimizer = adam(0.001)`",
            )  # fmt: skip
        self.schedules = Schedules(self.world, self._clock())
        rules = Rules(expr, self.schedules, self.model.name.text if self.model else "", bool(self.outputs))
        self.rules = rules.for_weights(self.weights)
        self.rate = rules.rate()

    def _clock(self) -> Mapping[str, float]:
        assert self.plan is not None
        rows = self.schema.rows.get("train", 0) if self.schema else 1
        per_epoch = -(-rows // self.plan.batch) if self.plan.batch else 1
        steps = self.plan.length * (per_epoch if self.plan.measure == "epochs" else 1)
        epochs = self.plan.length if self.plan.measure == "epochs" else -(-steps // max(per_epoch, 1))
        return {
            "step": 0,
            "t": 1,
            "epoch": 0,
            "steps": max(steps, 1),
            "epochs": max(epochs, 1),
            "examples": rows,
        }

    def check_stops(self) -> None:
        """Check that the figures which stops and schedules ask for will be there."""
        assert self.plan is not None
        known = self._figure_names()
        parts = self._parts()
        asked = [
            (each.part, each.figure, each.span)
            for each in self.plan.stops
            if isinstance(each, (EarlyStop, TargetStop))
        ]
        asked += [
            (each.part, each.figure, each.span) for each in (self.schedules.logged if self.schedules else [])
        ]
        for part, figure, span in asked:
            assert span is not None
            with self.world.problems.statement():
                check_figure(part, figure, span, known, parts)
        for stop in self.plan.stops:
            if isinstance(stop, TargetStop) and self.figures and stop.figure in self.figures.shares:
                with self.world.problems.statement():
                    check_share(stop)

    def _figure_names(self) -> set[str]:
        """Return the figures that are one number, also those that a mistake keeps from being made."""
        found = self.figures.found if self.figures else []
        names = {each.name for each in found if not each.shape}
        metrics = self.train.value("metrics")
        if metrics is not None:
            names |= called_metrics(metrics) - {each.name for each in found}
        return names

    def _parts(self) -> list[str]:
        if self.without_data:
            return ["train"]
        if self.schema is None:
            return ["train", "valid"]  # which there are is not known
        return [name for name, rows in self.schema.rows.items() if rows]
