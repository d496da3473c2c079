"""The front door for Python: `netdsl.check`, `train`, `compile`, `load`, `evaluate`, `predict`."""

import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from netdsl.diagnostics import Diagnostic, DiagnosticError, render, use_color
from netdsl.run.checkpoint import restore
from netdsl.run.engine import Engine
from netdsl.run.evaluation import evaluate_weights
from netdsl.run.net import Net, Trained
from netdsl.run.opening import open_file
from netdsl.run.options import Options, value_text
from netdsl.run.prediction import Predictions, predict_rows
from netdsl.run.training import Runs, parts_of, start_values, train_file
from netdsl.semantics.schema import PartName
from netdsl.training.measure import Figures
from netdsl.training.progress import Style, reporter_for
from netdsl.training.signals import BEFORE, Interrupted, Signals

Name = str | PathLike[str]
Device = Literal["auto", "cpu", "cuda"]


def check(
    file: Name,
    *,
    overrides: Mapping[str, object] | None = None,
    block: str | None = None,
    data_dir: Name | None = None,
    text: str | None = None,
) -> tuple[Diagnostic, ...]:
    """Return every mistake in a file, and what is worth a look; nothing is raised for them.

    With `text` that is what is checked, under the file's name, as an editor wants it.
    """
    options = _options(overrides or {}, block, None, None, data_dir)
    try:
        return open_file(Path(file), options, text).warnings
    except DiagnosticError as error:
        return error.diagnostics


def train(
    file: Name,
    *,
    overrides: Mapping[str, object] | None = None,
    block: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
    device: Device = "auto",
    data_dir: Name | None = None,
    run_dir: Name | None = "runs",
    resume: Name | bool = False,
    style: Style = "auto",
    **params: object,
) -> Trained:
    """Train what a file says: `run = netdsl.train("digits.net", lr=0.01)`.

    Values for the file's `param`s are given by name; those of fields, and of params with the name of an
    option, in `overrides`: `{"train.epochs": 3}`. `run_dir=None` keeps nothing on disk. The `device` "auto"
    is a CUDA device where one works. Ctrl-C saves the state and raises Interrupted, a KeyboardInterrupt.

    Errors: DiagnosticError with every mistake that was found.
    """
    options = _options({**(overrides or {}), **params}, block, seed, threads, data_dir, device)
    runs = Runs(
        None if run_dir is None else Path(run_dir),
        resume=None if isinstance(resume, bool) else Path(resume),
        newest=resume is True,
    )
    with Signals(BEFORE) as signals:
        trained = train_file(Path(file), options, runs, reporter_for(style), signals, _show)
    if trained.result.signal is not None:
        where = "" if trained.folder is None else f"; go on with resume={str(trained.folder)!r}"
        raise Interrupted(trained.result.signal, f"stopped in epoch {trained.result.epochs + 1}{where}")
    return trained


def compile(
    file: Name,
    *,
    overrides: Mapping[str, object] | None = None,
    block: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
    device: Device = "auto",
    data_dir: Name | None = None,
    **params: object,
) -> Net:
    """Compile what a file says, with its weights where a training would start: `net(image=x)` computes.

    Errors: DiagnosticError with every mistake that was found.
    """
    options = _options({**(overrides or {}), **params}, block, seed, threads, data_dir)
    opened = open_file(Path(file), options)
    return Net(Engine(opened.experiment, threads, device), start_values(opened, parts_of(opened.dataset)))


def load(
    path: Name, *, threads: int | None = None, device: Device = "auto", data_dir: Name | None = None
) -> Net:
    """Return the network of a run's folder, of a weights file, or (not trained) of a `.net` file.

    Errors: DiagnosticError where it cannot be read.
    """
    found = Path(path)
    if found.suffix == ".net":
        return compile(found, threads=threads, device=device, data_dir=data_dir)
    restored = restore(found, _options({}, None, None, threads, data_dir), data=False)
    return Net(Engine(restored.opened.experiment, threads, device), restored.checkpoint.values)


def evaluate(
    weights: Name,
    part: PartName | None = None,
    *,
    threads: int | None = None,
    device: Device = "auto",
    data_dir: Name | None = None,
    folder: Name | None = None,
) -> Mapping[str, Figures]:
    """Return the figures of a run's weights by part: of one, or of all that its data has.

    `folder` is where data files are looked for, if not where they were when the weights were trained.

    Errors: DiagnosticError where weights or data cannot be read.
    """
    options = _options({}, None, None, threads, data_dir, device)
    with Signals() as signals:
        home = None if folder is None else Path(folder)
        return evaluate_weights(Path(weights), part, options, signals, folder=home).parts


def predict(
    weights: Name,
    rows: Name,
    *,
    threads: int | None = None,
    device: Device = "auto",
    separator: str | None = None,
) -> Predictions:
    """Apply a run's weights to the rows of a CSV, NumPy or IDX file; `load` takes arrays.

    Errors: DiagnosticError where weights or rows cannot be read.
    """
    options = _options({}, None, None, threads, None, device)
    return predict_rows(Path(weights), Path(rows), options, separator)


def _show(found: Sequence[Diagnostic]) -> None:
    sys.stderr.write(render(found, use_color(sys.stderr)))


def _options(
    given: Mapping[str, object],
    block: str | None,
    seed: int | None,
    threads: int | None,
    data_dir: Name | None,
    device: Device = "auto",
) -> Options:
    return Options(
        overrides={name: value_text(value) for name, value in given.items()},
        block=block,
        seed=seed,
        data_dir=None if data_dir is None else Path(data_dir),
        threads=threads,
        device=device,
    )
