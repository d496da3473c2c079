"""From text to tree."""

from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label, Source, Span
from netdsl.syntax import tables, tree
from netdsl.syntax.builder import Builder


def parse(source: Source) -> tree.File:
    """Return the tree of a text.

    Errors: DiagnosticError with every mistake found.
    """
    builder = Builder(source)
    try:
        return builder.build(tables.parser().parse(source.text))
    except UnexpectedInput as error:
        raise DiagnosticError([_unexpected(source, error)]) from None


def _unexpected(source: Source, error: UnexpectedInput) -> Diagnostic:
    start = error.pos_in_stream or 0
    width = 1 if isinstance(error, UnexpectedCharacters) else max(1, len(getattr(error, "token", "")))
    span = Span(source, start, min(start + width, len(source.text)))
    return Diagnostic("E0001", f"`{span.text}` cannot stand here", Label(span, "unexpected"))
