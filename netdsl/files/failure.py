"""Failures of the file system as messages to a user."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.files import system

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_ABSENT = {errno.ENOENT, errno.ENOTDIR}


@contextmanager
def told(doing: str, path: Path, *, needs: int = 0) -> Iterator[None]:
    """Turn an OSError inside into a DiagnosticError that says what could not be done.

    `doing` is a verb phrase for the path ("write", "make the folder"); `needs` the bytes it would take.
    """
    try:
        yield
    except OSError as failure:
        raise error_of(failure, doing, path, needs=needs) from failure


def error_of(failure: OSError, doing: str, path: Path, *, needs: int = 0) -> DiagnosticError:
    """Return the error to raise for a failed call."""
    sentence = f"cannot {doing} `{shown(path)}`: "
    if failure.errno in _FULL:
        found = Diagnostic("E0801", sentence + "the disk is full" + _space(path, needs), help=_FULL_HELP)
    elif failure.errno in _DENIED:
        found = Diagnostic("E0802", sentence + _reason(failure), help=_DENIED_HELP)
    elif failure.errno in _ABSENT:
        found = Diagnostic("E0803", sentence + _reason(failure), help=_absent_help(path))
    else:
        found = Diagnostic("E0804", sentence + _reason(failure), help=_OTHER_HELP)
    return DiagnosticError([found], Exit.FILES)


def fail(code: str, message: str, *, notes: tuple[str, ...] = (), help: str | None = None) -> NoReturn:
    """Raise a DiagnosticError about files."""
    raise DiagnosticError([Diagnostic(code, message, notes=notes, help=help)], Exit.FILES)


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the working folder where it lies in it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def size_text(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


_FULL_HELP = "make room, or give another folder; what was there before is unharmed"
_DENIED_HELP = "check who owns the folder and whether it may be written to"
_OTHER_HELP = "the system reports this; check the disk or the network folder it lies on"


def _reason(failure: OSError) -> str:
    text = os.strerror(failure.errno) if failure.errno is not None else str(failure)
    return text[:1].lower() + text[1:]


def _space(path: Path, needs: int) -> str:
    free = system.free_bytes(str(path.parent))
    if free is None:
        return ""
    wanted = f"needs {size_text(needs)}, " if needs else ""
    return f" ({wanted}{size_text(free)} free)"


def _absent_help(path: Path) -> str:
    return f"there is no folder `{shown(path.parent)}`" if not path.parent.is_dir() else "check the name"
