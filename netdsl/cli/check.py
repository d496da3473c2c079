"""`netdsl check`: tells the mistakes in a file, and compares its gradients with finite differences."""

import dataclasses
import json
import math
import shutil
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.cli.mistakes import print_diagnostics
from netdsl.cli.options import Parser, add_experiment, add_format, command_parser, options_of, whole
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Label

if TYPE_CHECKING:
    from netdsl.explain.gradient_table import GradientReport


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "check",
        "Tell the mistakes in a .net file: its names, settings and shapes, and how it fits its data.",
        "  netdsl check digits.net\n  netdsl check digits.net --format github\n"
        "  netdsl check digits.net --gradients --weights runs/digits-1",
    )
    add_experiment(result)
    result.add_argument("--strict", action="store_true", help="a warning counts as a mistake")
    result.add_argument(
        "--gradients", action="store_true", help="compare the gradient of each weight with finite differences"
    )
    result.add_argument(
        "--weights", type=Path, metavar="RUN", help="with --gradients: at these weights (at their start)"
    )
    result.add_argument(
        "--rows", type=_rows, metavar="N", help="with --gradients: on so many rows of the data (8 at most)"
    )
    result.add_argument(
        "--compiled",
        action="store_true",
        help="with --gradients: compare those of the compiled program, in float32, as well",
    )
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Check, and say so where nothing is wrong."""
    from netdsl.run.opening import open_file

    _expect_gradients(arguments)
    if arguments.gradients:
        return _gradients(arguments)
    opened = open_file(arguments.file, options_of(arguments))
    print_diagnostics(opened.warnings, arguments.format)
    if arguments.format == "text":
        print(f"{arguments.file}: no mistakes", file=sys.stderr)
    elif arguments.format == "json":
        print(json.dumps({"event": "result", "errors": 0, "warnings": len(opened.warnings)}))
    return int(Exit.FAILED) if arguments.strict and opened.warnings else 0


def _expect_gradients(arguments: Namespace) -> None:
    """Refuse options that say how gradients are checked where they are not.

    Errors: E0903.
    """
    for name in ("weights", "rows", "compiled"):
        if getattr(arguments, name) and not arguments.gradients:
            message = f"netdsl check: `--{name}` says how gradients are checked"
            raise DiagnosticError([Diagnostic("E0903", message, help="add `--gradients`, or leave it out")])


def _gradients(arguments: Namespace) -> int:
    """Compare gradients with finite differences, and print what was found."""
    from netdsl.explain.gradient_table import gradient_table
    from netdsl.run.gradient_check import Settings, check_file

    settings = Settings(arguments.rows, arguments.weights, arguments.compiled)
    opened, report = check_file(arguments.file, options_of(arguments), settings)
    print_diagnostics((*opened.warnings, *_wrong(report)), arguments.format)
    if arguments.format == "json":
        _print_records(report, len(opened.warnings))
    else:
        print(gradient_table(report, width=shutil.get_terminal_size((120, 24)).columns))
    return int(Exit.FAILED) if report.wrong or (arguments.strict and opened.warnings) else 0


def _wrong(report: "GradientReport") -> list[Diagnostic]:
    """Return an error for each operation that is at fault, or for the gradients where none is known."""
    if not report.wrong:
        return []
    names = ", ".join(f"`{each.name}`" for each in report.wrong[:5]) + (", …" if report.wrong[5:] else "")
    cure = "a derived gradient is netdsl's own work: please report it, with the .net file"
    found = [
        Diagnostic(
            "E0710",
            f"the gradient of `{each.operation}` is wrong by {each.error:.1e} of its size",
            None if each.span is None else Label(each.span, "an operation of this line"),
            notes=(f"so those of {names} are not the objective's",),
            help=cure,
        )
        for each in report.faults
    ]
    message = f"the gradients of {names} are not the objective's, and each operation by itself is right"
    return found or [Diagnostic("E0710", message, help=cure)]


def _print_records(report: "GradientReport", warnings: int) -> None:
    for event, found in (
        ("gradient", (*report.weights, *report.inner)),
        ("corner", report.corners),
    ):
        for each in found:
            print(json.dumps({"event": event, **_finite(dataclasses.asdict(each))}))
    told = {
        "event": "result",
        "errors": len(_wrong(report)),
        "warnings": warnings,
        "point": report.point,
        "rows": report.rows,
        "objective": report.objective,
        "tolerance": report.tolerance,
        "gradients": len(report.weights) + len(report.inner),
        "wrong": [each.name for each in report.wrong],
    }
    print(json.dumps(_finite(told)))


def _finite(record: dict[str, object]) -> dict[str, object]:
    """Write null for what is no finite number, as all records do."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }


def _rows(text: str) -> int:
    count = whole(text)
    if count < 1:
        raise ArgumentTypeError(f"{count} are too few: give at least 1")
    return count
