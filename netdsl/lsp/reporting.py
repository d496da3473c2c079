"""Diagnostics as an editor shows them, and the fixes that they offer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types
from pygls.uris import from_fs_path

from netdsl.diagnostics import Diagnostic, Fix, Label, Severity, Span
from netdsl.diagnostics.excerpt import last_line
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.positions import lines_of, range_of
from netdsl.resources import resource
from netdsl.syntax import tree

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}
_UNUSED = frozenset({"W0101", "W0102"})
_MEANT = re.compile(r"did you mean `([^`\n]+)`\?")


def address_of(path: Path) -> str:
    """Return the address of a file."""
    return str(from_fs_path(str(path)))


def uri_of(span: Span, analysis: Analysis, uri: str) -> str | None:
    """Return the address of the file that a place is in; None for a text that is no file."""
    name = span.source.name
    if span.source.name == analysis.source.name:
        return uri
    if name in analysis.paths:
        return address_of(analysis.paths[name])
    if name.startswith("library/"):
        return address_of(resource(name))
    return None


def location(span: Span, analysis: Analysis, uri: str, encoding: str) -> types.Location | None:
    """Return a place as an editor goes to it."""
    address = uri_of(span, analysis, uri)
    return None if address is None else types.Location(address, range_of(span, encoding))


def published(analysis: Analysis, uri: str, encoding: str) -> list[types.Diagnostic]:
    """Return all that is told of a file. What is wrong in a file that it imports is told at the import."""
    return [_published(each, analysis, uri, encoding) for each in analysis.diagnostics]


def _published(told: Diagnostic, analysis: Analysis, uri: str, encoding: str) -> types.Diagnostic:
    span = told.primary.span if told.primary else None
    elsewhere = span is not None and span.source.name != analysis.source.name
    labels = [*((told.primary,) if told.primary and elsewhere else ()), *told.secondary]
    related = [each for label in labels for each in _related(label, analysis, uri, encoding)]
    parts = [told.message if not elsewhere or span is None else f"{span}: {told.message}"]
    if told.primary and told.primary.message and not elsewhere:
        parts[0] += f" ({told.primary.message})"
    parts += [f"note: {each}" for each in told.notes] + ([f"help: {told.help}"] if told.help else [])
    return types.Diagnostic(
        range=_place(told, analysis, encoding),
        message="\n".join(parts),
        severity=_SEVERITIES[told.severity],
        code=told.code,
        source="netdsl",
        related_information=related or None,
        tags=[types.DiagnosticTag.Unnecessary] if told.code in _UNUSED else None,
    )


def _place(told: Diagnostic, analysis: Analysis, encoding: str) -> types.Range:
    lines = lines_of(analysis.source, encoding)
    if told.primary is None:
        return lines.line_range(0)
    span = told.primary.span
    if span.source.name == analysis.source.name:
        # What goes on over several lines is marked in its first, as the end of a line is.
        end = span.end if last_line(span) == span.line else lines.offset(lines.line_range(span.start).end)
        return lines.range(span.start, max(end, span.start))
    return _import_of(span.source.name, analysis, encoding) or lines.line_range(0)


def _import_of(name: str, analysis: Analysis, encoding: str) -> types.Range | None:
    """Return where a file is imported that has a mistake; any import stands for one at second hand."""
    imports = [each for each in analysis.file.declarations if isinstance(each, tree.Import)]
    same = [each for each in imports if name.endswith(each.path.value.rsplit("/", 1)[-1])]
    return next((range_of(each.path.span, encoding) for each in (*same, *imports)), None)


def _related(
    label: Label, analysis: Analysis, uri: str, encoding: str
) -> Iterator[types.DiagnosticRelatedInformation]:
    place = location(label.span, analysis, uri, encoding)
    if place is not None:
        yield types.DiagnosticRelatedInformation(place, label.message or "here")


# ---- fixes --------------------------------------------------------------------------------------


def fix_of(told: Diagnostic) -> Fix | None:
    """Return how a mistake is mended: the fix it has, or the word that was meant."""
    if told.fix is not None or told.primary is None or told.help is None:
        return told.fix
    span, meant = told.primary.span, _MEANT.search(told.help)
    return Fix(span, meant[1]) if meant and f"`{span.text}`" in told.message else None


def actions(analysis: Analysis, wanted: types.CodeActionParams, encoding: str) -> list[types.CodeAction]:
    """Return the fixes of what is told in a range."""
    uri = wanted.text_document.uri
    told = zip(analysis.diagnostics, published(analysis, uri, encoding), strict=True)
    here = [(each, shown) for each, shown in told if _meet(shown.range, wanted.range)]
    fixes = [
        _action(fix, shown, uri, encoding)
        for each, shown in here
        if (fix := fix_of(each)) is not None and fix.span.source.name == analysis.source.name
    ]
    warnings = [
        _allowance(each, shown, uri, encoding)
        for each, shown in here
        if each.severity is Severity.WARNING and _is_here(each.primary, analysis)
    ]
    return [*fixes, *warnings]


def _is_here(label: Label | None, analysis: Analysis) -> bool:
    return label is not None and label.span.source.name == analysis.source.name


def _allowance(told: Diagnostic, shown: types.Diagnostic, uri: str, encoding: str) -> types.CodeAction:
    """Return the action that allows a warning where it stands, by a comment at the end of its line."""
    assert told.primary is not None
    span = told.primary.span
    lines = lines_of(span.source, encoding)
    row = lines.line_range(span.start)
    text = span.source.text[lines.offset(row.start) : lines.offset(row.end)]
    # Behind a comment the word goes on in it.
    new = f", allow {told.code}" if "#" in text else f"  # allow {told.code}"
    return types.CodeAction(
        title=f"Allow {told.code} here",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[shown],
        edit=types.WorkspaceEdit(changes={uri: [types.TextEdit(types.Range(row.end, row.end), new)]}),
    )


def _action(fix: Fix, shown: types.Diagnostic, uri: str, encoding: str) -> types.CodeAction:
    edit = types.TextEdit(range_of(fix.span, encoding), fix.replacement)
    return types.CodeAction(
        title=_title(fix),
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[shown],
        edit=types.WorkspaceEdit(changes={uri: [edit]}),
        is_preferred=True,
    )


def _title(fix: Fix) -> str:
    old, new = (" ".join(each.split()) for each in (fix.span.text, fix.replacement))
    if not old:
        return f"Insert `{new}`"
    return f"Replace `{old[:40]}` by `{new[:40]}`" if new else f"Remove `{old[:40]}`"


def _meet(one: types.Range, other: types.Range) -> bool:
    return not (_key(one.end) < _key(other.start) or _key(other.end) < _key(one.start))


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character
