"""Messages about what a user wrote or gave: spans, diagnostics, their rendering and their pages."""

from netdsl.diagnostics.allowing import allowances, is_allowed
from netdsl.diagnostics.catalog import codes, explain, title
from netdsl.diagnostics.color import use_color
from netdsl.diagnostics.diagnostic import Diagnostic, DiagnosticError, Exit, Fix, Label, Severity
from netdsl.diagnostics.records import to_github, to_json
from netdsl.diagnostics.rendering import render, summary
from netdsl.diagnostics.span import Source, Span
from netdsl.diagnostics.suggestion import suggest

__all__ = [
    "Diagnostic",
    "DiagnosticError",
    "Exit",
    "Fix",
    "Label",
    "Severity",
    "Source",
    "Span",
    "allowances",
    "codes",
    "explain",
    "is_allowed",
    "render",
    "suggest",
    "summary",
    "title",
    "to_github",
    "to_json",
    "use_color",
]
