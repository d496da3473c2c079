"""From a file, or from what a weights file holds, to an experiment and its data."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from netdsl.diagnostics import Diagnostic, DiagnosticError, Source, is_allowed
from netdsl.garbage import seldom_collected
from netdsl.lazy_dataclass import dataclass
from netdsl.run.options import Options
from netdsl.run.reading import Reader
from netdsl.semantics.experiment import DataPlan, Experiment
from netdsl.semantics.schema import Schema

if TYPE_CHECKING:
    from netdsl.data import Dataset

ABSENT: Final = frozenset({"E0523", "E0525"})
"""Codes of data that is not at hand."""


class Reads(Protocol):
    """Reads a main file and what it imports, and keeps their texts by name."""

    texts: dict[str, str]

    def main(self) -> Source:
        """Read the main file."""

    def __call__(self, path: str, importing: str) -> Source:
        """Read what a file imports."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """An experiment with its data, if it has any, and all that it was read from.

    `resolved` is the file with the overrides written into it, `folder` where its data files are looked for.
    """

    experiment: Experiment
    dataset: "Dataset | None"
    texts: Mapping[str, str]
    resolved: str
    folder: Path
    overrides: Mapping[str, str]
    block: str | None

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return what is worth a look in the file and its data, but stops nothing."""
        data = () if self.dataset is None else self.dataset.warnings
        return (*self.experiment.warnings, *(each for each in data if not is_allowed(each)))


def open_file(path: Path, options: Options, text: str | None = None) -> Opened:
    """Read a file, what it imports and its data, and work out what it says; its text may be given.

    Errors: DiagnosticError with every mistake that was found.
    """
    reader = Reader(path, options.allow, text)
    return open_texts(reader, reader.folder, options)


@seldom_collected()
def open_texts(reader: Reads, folder: Path, options: Options, schema: Schema | None = None) -> Opened:
    """Work out what a file says; its data is opened unless its schema is given."""
    from netdsl.semantics import elaborate, load_files, mistakes, plan_data, resolved_text

    files = load_files(reader.main(), reader)
    overrides = dict(options.overrides)
    if options.seed is not None:
        overrides[f"{options.block or 'train'}.seed"] = str(options.seed)
    plan = plan_data(files, overrides, options.block) if schema is None else None
    dataset = None
    if plan is not None:
        try:
            dataset = _data(plan, folder, options)
        except DiagnosticError as error:
            others = mistakes(files, overrides, options.block)
            found = [*error.diagnostics, *(each for each in others.diagnostics if each.is_error)]
            raise DiagnosticError(found, error.exit_code, others.more) from error
        schema = dataset.schema
    experiment = elaborate(files, overrides, options.block, schema)
    resolved = resolved_text(files, overrides)
    return Opened(experiment, dataset, dict(reader.texts), resolved, folder, overrides, options.block)


def _data(plan: DataPlan, folder: Path, options: Options) -> "Dataset":
    from netdsl.data import open_data

    if options.stand_in:
        from netdsl.data.stand_in import stand_in

        if (found := stand_in(plan)) is not None:
            return found
    return open_data(
        plan,
        folder=folder,
        data_dir=options.data_dir,
        seed=plan.split.seed if plan.split else 0,
        allowed=options.allow,
        report=options.report,
    )
