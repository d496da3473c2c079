"""Mistakes in data blocks and data files, as messages to a user."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Label, Severity, Span


def fail(
    code: str,
    message: str,
    span: Span | None = None,
    label: str = "",
    *,
    notes: Iterable[str] = (),
    help: str | None = None,  # the word that the message itself shows
    exit_code: Exit = Exit.DATA,
) -> NoReturn:
    """Raise a DiagnosticError about data; `span` is the place in the `.net` file that asked for it."""
    primary = Label(span, label) if span else None
    raise DiagnosticError([Diagnostic(code, message, primary, (), tuple(notes), help)], exit_code)


def warn(code: str, message: str, span: Span | None, *, notes: Iterable[str] = (), help: str) -> Diagnostic:
    """Return a warning about data."""
    primary = Label(span, "") if span else None
    return Diagnostic(code, message, primary, (), tuple(notes), help, severity=Severity.WARNING)


@contextmanager
def placed(span: Span | None, label: str = "") -> Iterator[None]:
    """Give messages without a place that of the `.net` file which asked for the work."""
    try:
        yield
    except DiagnosticError as error:
        if span is None:
            raise
        primary = Label(span, label)
        found = [replace(each, primary=each.primary or primary) for each in error.diagnostics]
        raise DiagnosticError(found, error.exit_code) from error


def some(items: Iterable[str], *, of: int | None = None, limit: int = 10) -> tuple[str, ...]:
    """Return the first few of a list for the notes of a message, and how many more there are."""
    items = list(items)
    shown = items[:limit]
    rest = (len(items) if of is None else of) - len(shown)
    return (*shown, f"and {rest:,} more") if rest > 0 else tuple(shown)


def cell_text(text: str) -> str:
    """Return the text of a cell as messages show it."""
    if not text:
        return "nothing"
    shown = text if len(text) <= 40 else text[:39] + "…"
    printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown)
    return f"`{printable}`"
