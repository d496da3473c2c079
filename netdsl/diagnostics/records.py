"""A diagnostic as a program reads it: a JSON record, or a line for GitHub's annotations."""

from typing import Any

from netdsl.diagnostics.diagnostic import Diagnostic, Severity
from netdsl.diagnostics.excerpt import last_line
from netdsl.diagnostics.span import Span


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return a diagnostic as a record.

    `code`, `severity` ("error", "warning", "note"), `message`, `notes` (a list of texts) and `help` (a
    text or null) are always there. `primary` is null or a place with `label`, `secondary` a list of those,
    `fix` null or a place with `replacement`. A place has `file`, `line` and `column` (from 1, in characters),
    `end_line` and `end_column` (one past the last character), and the offsets `start` and `end` (from 0).
    """
    primary, fix = diagnostic.primary, diagnostic.fix
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "primary": {**_place(primary.span), "label": primary.message} if primary else None,
        "secondary": [{**_place(each.span), "label": each.message} for each in diagnostic.secondary],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        "fix": {**_place(fix.span), "replacement": fix.replacement} if fix else None,
    }


def _place(span: Span) -> dict[str, Any]:
    end = Span(span.source, span.end, span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end.line,
        "end_column": end.column,
        "start": span.start,
        "end": span.end,
    }


def to_github(diagnostic: Diagnostic) -> str:
    """Return a diagnostic as a workflow command, which GitHub shows beside the line."""
    command = "notice" if diagnostic.severity is Severity.NOTE else diagnostic.severity.value
    properties = {"title": diagnostic.code}
    if diagnostic.primary:
        span = diagnostic.primary.span
        lines = {"line": str(span.line), "endLine": str(last_line(span))}
        properties = {"file": span.source.name, **lines, "col": str(span.column), **properties}
    given = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    help_text = f"\nhelp: {diagnostic.help}" if diagnostic.help else ""
    return f"::{command} {given}::{_escaped(diagnostic.message + help_text)}"


def _escaped(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
