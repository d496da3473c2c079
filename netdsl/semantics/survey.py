"""What can be told of a file while it is being written: all its trainings, with and without mistakes."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.blocks import data_block, train_block
from netdsl.semantics.data_plan import planned
from netdsl.semantics.elaborate import assembled, beside_unread, without_idle, worked_out
from netdsl.semantics.experiment import DataPlan, Experiment, Weight
from netdsl.semantics.files import Files
from netdsl.semantics.frame import Observer
from netdsl.semantics.names import tell_unused
from netdsl.semantics.problems import Problems
from netdsl.semantics.schema import Schema
from netdsl.semantics.worlds import make_world


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What was found of one training: `experiment` where there was no mistake, `weights` as far as they were
    made, and everything there is to tell."""

    experiment: Experiment | None
    weights: tuple[Weight, ...]
    diagnostics: tuple[Diagnostic, ...]


def data_wanted(files: Files, overrides: Mapping[str, str], train: str | None) -> DataPlan | None:
    """Return what the data of a training is to be, whatever is wrong elsewhere; None where it is unclear."""
    problems = Problems()
    plan: DataPlan | None = None
    try:
        world = make_world(files, overrides, problems)
        with problems.statement():
            found = data_block(world.files, train_block(world.files, train))
            plan = None if found is None else planned(found, world)
    except DiagnosticError:
        return None
    return None if problems.has_errors else plan


def survey(
    files: Files,
    overrides: Mapping[str, str],
    train: str | None,
    schema: Schema | None,
    observer: Observer | None = None,
) -> Survey:
    """Work out a training as far as it goes, with or without its data, and return what was found.

    Nothing is raised for mistakes. `observer` is told what the expressions of the user's files stand for.
    """
    problems = Problems()
    experiment: Experiment | None = None
    weights: tuple[Weight, ...] = ()
    try:
        work = worked_out(files, overrides, train, schema, problems, observer)
        weights = work.weights
        whole = files.salvage is None and (work.without_data or schema is not None)
        if whole and not problems.has_errors:
            tell_unused(work.world)
            experiment = assembled(work, overrides)
    except DiagnosticError as error:
        for each in error.diagnostics:
            problems.tell(each)
    found = without_idle(problems, files.doubled) if experiment is None else problems.in_order()
    if files.salvage is not None:
        found = beside_unread(files.salvage, found).in_order()
    return Survey(experiment, weights, found)
