"""Messages about what a user wrote or gave: spans, diagnostics, their rendering and their pages."""

from netdsl.diagnostics.diagnostic import Diagnostic, DiagnosticError, Exit, Fix, Label, Severity
from netdsl.diagnostics.span import Source, Span

__all__ = ["Diagnostic", "DiagnosticError", "Exit", "Fix", "Label", "Severity", "Source", "Span"]
