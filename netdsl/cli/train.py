"""`netdsl train`: trains a network."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.cli.figures import figures_table
from netdsl.cli.mistakes import print_diagnostics
from netdsl.cli.options import (
    OVERRIDE,
    Parser,
    add_experiment,
    add_format,
    add_json,
    add_machine,
    command_parser,
    options_of,
)
from netdsl.diagnostics import Diagnostic, Exit

if TYPE_CHECKING:
    from netdsl.semantics.experiment import Figure
    from netdsl.training.progress import Style
    from netdsl.training.records import Result
    from netdsl.training.signals import Signals

STYLES = ("auto", "table", "plain", "course")

ABOUT = """\
Train a network. Ctrl-C ends it after the step that is running and saves the state; --resume goes on, to
the same weights bit for bit.

After each epoch the loss of the train part is its mean over the epoch's steps; metrics of the train part
are measured on up to 10000 of its rows (--measure-train)."""


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "train",
        ABOUT,
        "  netdsl train digits.net lr=0.01 train.epochs=20\n  netdsl train digits.net --resume",
    )
    add_experiment(result)
    add_machine(result)
    result.add_argument(
        "--run-dir", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (runs)"
    )
    result.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="RUN",
        help="go on with a run, or with the newest of this file",
    )
    result.add_argument("--no-save", action="store_true", help="keep nothing on disk")
    result.add_argument("--style", choices=STYLES, default="auto", help="how progress is told (auto)")
    result.add_argument("--quiet", action="store_true", help="tell no progress")
    result.add_argument(
        "--measure-train",
        metavar="ROWS",
        default="10000",
        help="rows of the train part to measure; `all`, or 0",
    )
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Train, print the result, return the exit code."""
    from netdsl.training.signals import BEFORE, Signals

    with Signals(BEFORE) as signals:
        return _run(arguments, signals)


def _run(arguments: Namespace, signals: "Signals") -> int:
    from netdsl.run.training import Runs, train_file
    from netdsl.training.progress import reporter_for

    style: Style = "json" if arguments.json else "quiet" if arguments.quiet else arguments.style
    resume = _resume(arguments)
    runs = Runs(
        parent=None if arguments.no_save else arguments.run_dir,
        resume=Path(resume) if isinstance(resume, str) else None,
        newest=resume is True,
        sample=_sample(arguments.measure_train),
    )
    trained = train_file(
        arguments.file,
        options_of(arguments),
        runs,
        reporter_for(style),
        signals,
        lambda found: print_diagnostics(found, arguments.format),
    )
    trained.close()
    _print(trained.result, trained.experiment.figures, arguments)
    return _exit_code(trained.result, arguments)


def _resume(arguments: Namespace) -> str | bool | None:
    """Return the run to go on with; `--resume lr=1` names none, the word after it is a value."""
    given: str | bool | None = arguments.resume
    if isinstance(given, str) and OVERRIDE.fullmatch(given):
        arguments.words.append(given)
        return True
    return given


def _sample(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        parser().error(f"argument --measure-train: `{text}` is neither a number of rows nor `all`")
    return int(text)


def _print(result: "Result", figures: Sequence["Figure"], arguments: Namespace) -> None:
    if result.signal is not None or not (arguments.quiet or arguments.json):
        print(_ending(result), file=sys.stderr)
    if arguments.json:
        print(json.dumps(result.record()))
        return
    if result.parts:
        print(figures_table(result.parts, figures, grids=list(result.parts)[-1:]))
    if result.weights is not None:
        print(f"weights: {result.weights}")
    if not arguments.quiet:
        for each in result.advice:
            print(f"advice: {each}", file=sys.stderr)


def _ending(result: "Result") -> str:
    where = f"epoch {result.epochs}, step {result.steps}, {result.seconds:.1f} s"
    match result.reason:
        case "finished":
            return f"trained to the end: {where}"
        case "early":
            return f"stopped early after {where}; the weights are those of epoch {result.epoch}"
        case "target":
            return f"the target was reached: {where}"
        case "time":
            return f"the time was up: {where}"
        case "interrupted" if result.folder is not None:
            return f"stopped after {where}; everything is saved. To go on: --resume {result.folder}"
        case "interrupted":
            return f"stopped after {where}; nothing was saved (--no-save)"


def _exit_code(result: "Result", arguments: Namespace) -> int:
    if result.signal is not None:
        return 128 + result.signal
    if not result.unmet:
        return int(Exit.OK)
    told = []
    for each in result.unmet:
        value = result.parts.get(each.part, {}).get(each.figure)
        ended = f"{value:.6g}" if isinstance(value, float) else "nothing"
        message = f"{each.part}.{each.figure} ended at {ended}, its target is {each.value:g}"
        told.append(Diagnostic("E0703", message, help="train longer, choose other settings, or ask for less"))
    print_diagnostics(told, arguments.format)
    return int(Exit.FAILED)
