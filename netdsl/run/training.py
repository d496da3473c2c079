"""Trains what a file says, from its text to the folder of a run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.files import Lock, fail
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.run.bits import bits_notes
from netdsl.run.engine import Engine
from netdsl.run.inspect import inspect
from netdsl.run.manifest import manifest_of
from netdsl.run.net import Trained
from netdsl.run.opening import Opened, open_file
from netdsl.run.options import Options
from netdsl.run.precision import precision_notes
from netdsl.run.schedules import number_of, schedule_of
from netdsl.run.start import initial_values
from netdsl.run.transfer import begun_with
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import PartName
from netdsl.training.checkpoints import Origin, load_checkpoint
from netdsl.training.executable import Failure, Finding, Part, Values
from netdsl.training.job import SAMPLE, Job, Order
from netdsl.training.loop import train
from netdsl.training.progress import Reporter
from netdsl.training.records import Result
from netdsl.training.signals import Signals
from netdsl.training.store import Store, new_store, newest_run, read_manifest

if TYPE_CHECKING:
    from netdsl.data import Dataset


Tell: TypeAlias = Callable[[Sequence[Diagnostic]], None]
"""Takes warnings, to be shown."""

PARTS: tuple[PartName, ...] = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Runs:
    """Where runs are kept, and whether one is gone on with: `resume` names it, `newest` asks for the newest
    of this file. Without a parent nothing is written."""

    parent: Path | None = Path("runs")
    resume: Path | None = None
    newest: bool = False
    sample: int | None = SAMPLE


def train_file(
    path: Path, options: Options, runs: Runs, reporter: Reporter, signals: Signals, tell: Tell
) -> Trained:
    """Train what a file says; what is worth a look in it is told first.

    Errors: DiagnosticError with every mistake in the file or its data; those of the trainer.
    """
    name = path.stem
    store = _resumed(runs, name)
    if store is not None:
        manifest = read_manifest(store.folder)
        overrides = {**manifest["overrides"], **options.overrides}
        options = replace(options, overrides=overrides, block=options.block or manifest["block"])
    opened = open_file(path, options)
    tell(opened.warnings)
    if store is not None:
        _check_same(store, opened)
    engine = Engine(opened.experiment, options.threads, options.device)
    tell(precision_notes(engine, None if store is None else manifest.get("precision")))
    tell(() if store is None else bits_notes(engine, manifest))
    training = _Training(opened, engine, runs, reporter, signals, tell)
    return Trained(engine, training.run(store, name))


def parts_of(dataset: "Dataset | None") -> dict[PartName, Values]:
    """Return the fields of each part that has rows, in raw units."""
    if dataset is None:
        return {}
    rows = dataset.schema.rows
    return {part: dataset.part(part) for part in PARTS if rows.get(part)}


@dataclass(frozen=True, slots=True, eq=False)
class _Training:
    """What a training needs, opened and compiled."""

    opened: Opened
    engine: Engine
    runs: Runs
    reporter: Reporter
    signals: Signals
    tell: Tell

    def run(self, store: Store | None, name: str) -> Result:
        """Go on in the folder of a run, or begin one, if any is to be kept."""
        raw = parts_of(self.opened.dataset)
        self._tell_constants(raw)
        start = self._start(raw, resumed=store is not None)
        job = job_of(self.opened, self.engine, raw, self.runs.sample, start)
        if store is not None:
            return self._kept(job, raw, store, resume=True)
        if self.runs.parent is not None:
            return self._kept(job, raw, new_store(self.runs.parent, name), resume=False)
        return train(job, reporter=self.reporter, signals=self.signals)

    def _start(self, raw: Mapping[PartName, Values], *, resumed: bool) -> Values:
        """Return where the training starts. A run that is gone on with needs no weights to begin with."""
        if resumed:
            return initial_values(self.opened.experiment, raw.get("train", {}))
        return start_values(self.opened, raw, self.tell)

    def _kept(self, job: Job, raw: Mapping[PartName, Values], store: Store, *, resume: bool) -> Result:
        with Lock(store.folder / "lock"):
            manifest = manifest_of(self.opened, store.folder, raw, self.engine)
            if not resume:
                store.describe(self.opened.resolved, manifest)
            origin = Origin(self.opened.texts, manifest)
            return train(
                job, reporter=self.reporter, signals=self.signals, store=store, origin=origin, resume=resume
            )

    def _tell_constants(self, raw: Mapping[PartName, Values]) -> None:
        from netdsl.data.scaling import constant_columns

        experiment = self.opened.experiment
        if "train" in raw and experiment.schema is not None:
            self.tell(constant_columns(experiment.schema, experiment.weights, raw["train"]))


def job_of(
    opened: Opened,
    engine: Engine,
    raw: Mapping[PartName, Values],
    sample: int | None = SAMPLE,
    start: Values | None = None,
) -> Job:
    """Return the training of an experiment, ready to run; `start` is where, as the file says if not given."""
    experiment = opened.experiment
    values = start_values(opened, raw) if start is None else start
    dataset = opened.dataset
    parts: dict[str, Part] = (
        {} if dataset is None else {name: engine.part(dataset, name, values) for name in raw}
    )
    programs = engine.programs()
    if parts:
        programs.training.bind(parts["train"].prepared)
    rate = experiment.rate

    def examine(failure: Failure) -> Finding:
        return inspect(experiment, raw.get("train", {}), failure)

    return Job(
        name=experiment.model,
        plan=experiment.training,
        figures=experiment.figures,
        programs=programs,
        start=values,
        parts=parts,
        order=_order(experiment, parts),
        schedules=tuple(map(schedule_of, experiment.schedules)),
        rate=None if rate is None else lambda scalars: number_of(rate, scalars),
        inspect=examine,
        device=engine.device_name,
        sample=sample,
    )


def start_values(
    opened: Opened, raw: Mapping[PartName, Values], tell: Tell = lambda warnings: None
) -> dict[str, NDArray[np.float32]]:
    """Return where a training starts: at random, or from a weights file where the block says so.

    Errors: those of `begun_with`.
    """
    begun = begun_with(opened, initial_values(opened.experiment, raw.get("train", {})))
    tell(begun.warnings)
    return begun.values


def _order(experiment: Experiment, parts: Mapping[str, Part]) -> Order | None:
    from netdsl.data.batches import order

    if not parts:
        return None
    rows, seed = parts["train"].rows, experiment.training.seed
    if experiment.training.batch is None or experiment.training.batch >= rows:
        # All rows are in each step, and their order would only change the rounding.
        everything = np.arange(rows, dtype=np.int64)
        return lambda epoch: everything
    return lambda epoch: order(rows, seed, epoch)


def _resumed(runs: Runs, name: str) -> Store | None:
    if runs.resume is not None:
        folder = runs.resume
    elif runs.newest:
        found = newest_run(runs.parent, name) if runs.parent is not None else None
        if found is None:
            fail(
                "E0835",
                f"there is no run of `{name}` in `{runs.parent}` to go on with",
                help="leave `--resume` out",
            )
        folder = found
    else:
        return None
    read_manifest(folder)
    return Store(folder)


def _check_same(store: Store, opened: Opened) -> None:
    """Refuse to go on with a file that says something else than the run was begun with.

    Errors: E0836.
    """
    kept = load_checkpoint(store.last).origin
    assert kept is not None
    before, now = dict(kept.sources), dict(opened.texts)
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    other = [
        name for name, value in opened.overrides.items() if kept.manifest["overrides"].get(name) != value
    ]
    if differing or other:
        what = f"`{differing[0]}`" if differing else f"the value of `{other[0]}`"
        message = f"{what} is not as it was when the run `{store.folder}` began"
        cure = (
            f"the file of the run is `{store.folder / 'model.net'}`; to begin with its weights under new "
            f'settings, write `start = "{store.last}"` in the train block'
        )
        raise DiagnosticError([Diagnostic("E0836", message, help=cure)])
