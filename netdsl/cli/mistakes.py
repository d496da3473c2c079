"""How a command that failed says so: diagnostics, signals, and bugs of ours."""

import errno
import json
import os
import platform
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

import netdsl
from netdsl.diagnostics import (
    Diagnostic,
    DiagnosticError,
    Exit,
    render,
    summary,
    to_github,
    to_json,
    use_color,
)

FORMATS = ("text", "json", "github")
_PACKAGE = Path(netdsl.__file__).resolve().parent

UNWRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""How writing to stdout fails; all other files are written by netdsl.files, which tells of them itself."""


def tell(error: BaseException, arguments: Sequence[str]) -> int:
    """Tell what ended a command, and return the exit code."""
    if os.environ.get("NETDSL_DEBUG") == "1":
        traceback.print_exception(error)
    if isinstance(error, DiagnosticError):
        print_diagnostics(error.diagnostics, format_of(arguments), error.more)
        return int(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return _interrupted(error)
    if isinstance(error, MemoryError):
        return _told(_memory(), arguments)
    if isinstance(error, OSError) and error.errno in UNWRITTEN and error.filename is None:
        return _told(_unwritten(error), (), Exit.FILES)
    if isinstance(error, Exception):
        return _told(_bug(error), arguments, Exit.BUG)
    raise error


def print_diagnostics(diagnostics: Iterable[Diagnostic], kind: str = "text", more: int = 0) -> None:
    """Print diagnostics: text to stderr, what a program reads to stdout. `more` errors are only counted."""
    found = tuple(diagnostics)
    match kind:
        case "json":
            for each in found:
                print(json.dumps({"event": "diagnostic", **to_json(each)}))
        case "github":
            for each in found:
                print(to_github(each))
        case _ if found:
            sys.stderr.write(render(found, use_color(sys.stderr)))
            if len(found) > 1:
                sys.stderr.write(f"\n{summary(found, more)}\n")
            sys.stderr.flush()


def format_of(arguments: Sequence[str]) -> str:
    """Return what `--format` asks for, also where the arguments could not be parsed."""
    for position, each in enumerate(arguments):
        if each.startswith("--format="):
            found = each.removeprefix("--format=")
            return found if found in FORMATS else "text"
        if each == "--format" and position + 1 < len(arguments):
            found = arguments[position + 1]
            return found if found in FORMATS else "text"
    return "text"


def _interrupted(error: KeyboardInterrupt) -> int:
    from netdsl.training.signals import Interrupted

    sys.stderr.write(f"\n{error if isinstance(error, Interrupted) else 'stopped'}\n")
    return error.exit_code if isinstance(error, Interrupted) else int(Exit.INTERRUPTED)


def _told(diagnostic: Diagnostic, arguments: Sequence[str], code: Exit = Exit.FAILED) -> int:
    print_diagnostics([diagnostic], format_of(arguments))
    return int(code)


def _memory() -> Diagnostic:
    return Diagnostic(
        "E0902",
        "there is not enough memory",
        help="take a smaller batch or fewer units; `netdsl compile` tells what a model needs",
    )


def _unwritten(error: OSError) -> Diagnostic:
    full = error.errno != errno.EIO
    return Diagnostic(
        "E0801" if full else "E0804",
        f"cannot write the output: {os.strerror(error.errno or 0).lower()}",
        help="make room, or send the output elsewhere" if full else "check the disk it is sent to",
    )


def _bug(error: Exception) -> Diagnostic:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if _PACKAGE in Path(each.filename).resolve().parents] or frames
    places = [f"{_within_package(each.filename)}:{each.lineno} in {each.name}" for each in ours[-1:]]
    text = str(error).strip().split("\n")[0][:300]
    return Diagnostic(
        "E9999",
        f"netdsl failed by a mistake of its own: {type(error).__name__}" + (f": {text}" if text else ""),
        notes=(
            *(f"at {each}" for each in places),
            f"netdsl {netdsl.__version__}, Python {platform.python_version()}, {platform.system()}",
        ),
        help="please report it with the .net file; NETDSL_DEBUG=1 shows where it comes from",
    )


def _within_package(name: str) -> str:
    """Return a path without the folders above the package, which may hold the user's name."""
    path = Path(name).resolve()
    return path.relative_to(_PACKAGE.parent).as_posix() if _PACKAGE in path.parents else path.name
