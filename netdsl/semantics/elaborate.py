"""From files and the schema of the data to an experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from netdsl.diagnostics import Diagnostic, DiagnosticError, Source, allowances, codes
from netdsl.graph import Graph, Value
from netdsl.semantics.blocks import check_blocks, data_block, train_block
from netdsl.semantics.cones import cone
from netdsl.semantics.data_plan import planned
from netdsl.semantics.experiment import DataPlan, Experiment, Output, Resolved, Weight
from netdsl.semantics.files import Files
from netdsl.semantics.frame import Observer, World
from netdsl.semantics.items import Tensor
from netdsl.semantics.names import check_names, check_params, tell_unused
from netdsl.semantics.problems import IDLE, Problems, mistake, warning
from netdsl.semantics.schema import Schema
from netdsl.semantics.work import Work
from netdsl.semantics.worlds import make_world
from netdsl.syntax import Salvage, tree


def elaborate(
    files: Files, overrides: Mapping[str, str], train: str | None, schema: Schema | None
) -> Experiment:
    """Return the experiment that a train block describes, with its graph.

    Errors: DiagnosticError with every mistake found.
    """
    problems = Problems()
    work = worked_out(files, overrides, train, schema, problems)
    if not problems.has_errors:
        tell_unused(work.world)
    problems.stop_if_any()
    return assembled(work, overrides)


def plan_data(files: Files, overrides: Mapping[str, str], train: str | None) -> DataPlan | None:
    """Return what the data of a training is to be; None for one without data.

    Errors: DiagnosticError when the data block has mistakes, or the file could not be read whole, with all
    other mistakes that can be told without data.
    """
    if files.salvage is not None:
        raise _unreadable(files, files.salvage, overrides, train)
    if files.doubled:
        raise mistakes(files, overrides, train)
    problems = Problems()
    world = make_world(files, overrides, problems)
    plan: DataPlan | None = None
    with problems.statement():
        found = data_block(world.files, train_block(world.files, train))
        plan = None if found is None else planned(found, world)
    if problems.has_errors:
        raise mistakes(files, overrides, train)
    return plan


def _unreadable(
    files: Files, salvage: Salvage, overrides: Mapping[str, str], train: str | None
) -> DiagnosticError:
    found = mistakes(files, overrides, train)
    problems = beside_unread(salvage, found.diagnostics)
    return DiagnosticError(problems.in_order(), more=found.more + problems.more)


def beside_unread(salvage: Salvage, found: Iterable[Diagnostic]) -> Problems:
    """Return what could not be read, and of the mistakes found in the rest those that do not come of that."""
    problems = Problems()
    for each in salvage.diagnostics:
        problems.tell(each)
    broken = {_line(each) for each in salvage.diagnostics}
    unread = salvage.lost & {"model", "data", "train"}
    for each in salvage.independent(found):
        missing = each.code in ("E0601", "E0603", "E0604") and unread
        if not missing and _line(each) not in broken:
            problems.tell(each)
    return problems


def _line(diagnostic: Diagnostic) -> tuple[str, int] | None:
    span = diagnostic.primary.span if diagnostic.primary else None
    return (span.source.name, span.line) if span else None


def mistakes(files: Files, overrides: Mapping[str, str], train: str | None) -> DiagnosticError:
    """Return every mistake that can be told without the data, and warnings beside them, to be raised."""
    problems = Problems()
    try:
        worked_out(files, overrides, train, None, problems)
    except DiagnosticError as error:
        for each in error.diagnostics:
            problems.tell(each)
        problems.more += error.more
    return DiagnosticError(without_idle(problems, files.doubled), more=problems.more)


def check_allowances(source: Source, problems: Problems) -> None:
    """Warn of comments that allow what is no warning."""
    known = codes()
    for code, span in allowances(source):
        if code not in known or not code.startswith("W"):
            wrong = "is an error, and only warnings can be allowed" if code in known else "is no warning"
            problems.tell(warning("W0103", f"`{code}` {wrong}", span, "allows nothing"))


def without_idle(problems: Problems, doubled: Collection[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return what was found, but for what other mistakes may be the cause of."""
    found = (each for each in problems.in_order() if each.code not in IDLE)
    return tuple(each for each in found if not _mixed_up(each, doubled))


def _mixed_up(found: Diagnostic, doubled: Collection[Diagnostic]) -> bool:
    """Tell whether a mistake may only be there because the other declaration of a name was meant."""
    names = {each.primary.span.text for each in doubled if each.primary}
    return found not in doubled and any(f"`{name}`" in found.message for name in names)


def worked_out(
    files: Files,
    overrides: Mapping[str, str],
    train: str | None,
    schema: Schema | None,
    problems: Problems,
    observer: Observer | None = None,
) -> Work:
    """Return a training as far as it could be worked out; mistakes are told.

    Errors: DiagnosticError where it is not clear which training is meant.
    """
    for each in files.doubled:
        problems.tell(each)
    world = make_world(files, overrides, problems, observer)
    check_allowances(files.file.source, problems)
    check_blocks(world.files, problems)
    check_names(world)
    check_params(world)
    block = train_block(world.files, train)
    work = Work(world, block, schema)
    try:
        with problems.statement():
            work.run()
    except RecursionError:
        message = "definitions and expressions are nested too deeply"
        problems.tell(mistake("E0404", message, block.title.span, "this training").diagnostic)
    return work


def assembled(work: Work, overrides: Mapping[str, str]) -> Experiment:
    """Return the experiment of a training that was worked out without a mistake."""
    assert work.plan is not None
    assert work.model is not None
    assert work.figures is not None
    graph = _graph(work)
    whole = work.figures.whole_graph()
    targets = _targets(work, graph, whole)
    return Experiment(
        name=work.train.name,
        model=work.model.name.text,
        graph=graph,
        whole=whole,
        weights=(*work.weights, *_fitted(work)),
        rules=work.rules,
        schedules=tuple(work.schedules.states.values()) if work.schedules else (),
        clip=work.clip[0],
        clip_at=work.clip[1],
        inputs=work.given,
        targets=targets,
        outputs=tuple(_output(work, name, each) for name, each in work.shown.items()),
        figures=tuple(work.figures.found),
        training=work.plan,
        schema=work.schema,
        data=work.data_plan,
        resolved=_resolved(work.world, overrides),
        optimizer=_text(work, "optimizer"),
        loss=_text(work, "loss"),
        warnings=work.world.problems.warnings,
        rate=work.rate,
    )


def _graph(work: Work) -> Graph:
    """Return what is asked for, and nothing that was only passed on the way."""
    assert work.objective is not None
    assert work.figures is not None
    outputs: dict[str, Value] = {f"output/{name}": each.value for name, each in work.shown.items()}
    if work.objective.loss is not None:
        outputs["loss"] = work.objective.loss.value
    if work.objective.penalty is not None:
        outputs["penalty"] = work.objective.penalty.value
    outputs |= work.figures.outputs
    if work.fields is not None:
        used = {*work.given, *(field for _, field in work.world.pairs)}
        outputs |= {
            key: each for key, each in work.fields.outputs().items() if key.removeprefix("prepared/") in used
        }
    moving = {each.path for each in work.weights if not each.frozen}
    updates = {path: value for path, value in work.builder.updates.items() if path in moving}
    return cone(work.builder, outputs, updates)


def _fitted(work: Work) -> tuple[Weight, ...]:
    return tuple(work.fields.fitted.weights) if work.fields else ()


def _targets(work: Work, graph: Graph, whole: Graph | None) -> tuple[str, ...]:
    """Return the fields that only losses and metrics look at."""
    if work.schema is None:
        return ()
    seen = {*graph.leaves("input"), *(whole.leaves("input") if whole else ())}
    return tuple(
        each.name for each in work.schema.fields if each.name in seen and each.name not in work.given
    )


def _output(work: Work, name: str, tensor: Tensor) -> Output:
    target = work.compared_with(name)
    field = work.schema.field(target) if work.schema and target else None
    classes = field.classes if field else ()
    binary = len(classes) == 2 and tensor.shape in ((), (1,))
    scores = tensor.shape[-1:] == (len(classes),)
    return Output(name, tensor.shape, target, classes if binary or scores else ())


def _text(work: Work, field: str) -> str:
    expr = work.train.value(field)
    return expr.span.text if expr is not None else ""


def _resolved(world: World, overrides: Mapping[str, str]) -> tuple[Resolved, ...]:
    """Return every param of the file and every field that the command line gave, as they were used."""
    found = {
        name: Resolved(name, each.default.span.text, overridden=False)
        for name, each in world.files.main.declarations.items()
        if isinstance(each, tree.Param)
    }
    return tuple(
        {
            **found,
            **{name: Resolved(name, text, overridden=True) for name, text in overrides.items()},
        }.values()
    )
