"""From text to tree."""

from lark.exceptions import UnexpectedInput

from netdsl.diagnostics import Diagnostic, DiagnosticError, Source, Span
from netdsl.syntax import tables, tree
from netdsl.syntax.builder import Builder
from netdsl.syntax.limits import FILE_SIZE, TooMuch, large_file
from netdsl.syntax.mistakes.hidden import hidden_characters, without_hidden
from netdsl.syntax.mistakes.nothing import no_program, no_text
from netdsl.syntax.recovery import Salvage, place, salvage


def parse(source: Source) -> tree.File:
    """Return the tree of a text.

    Errors: DiagnosticError with every mistake found.
    """
    read = attempt(source)
    if read.diagnostics:
        raise DiagnosticError(read.diagnostics)
    return read.file


def attempt(source: Source) -> Salvage:
    """Return the tree of a text, as far as it can be read, and every mistake found."""
    if len(source.text) > FILE_SIZE:
        return _nothing(source, large_file(Span(source, 0, 0), len(source.text)))
    if (told := no_text(source)) is not None:
        return _nothing(source, told)
    hidden = tuple(hidden_characters(source))
    text = without_hidden(source)
    builder = Builder(source)
    try:
        file = builder.build(tables.parser().parse(text))
    except TooMuch as much:
        return Salvage(tree.File(source, ()), (*hidden, much.told(source)), frozenset())
    except UnexpectedInput:
        if (told := no_program(source, text)) is not None:
            return _nothing(source, told)
        return salvage(source, text, hidden)
    diagnostics = sorted([*hidden, *builder.diagnostics], key=place)
    return Salvage(file, tuple(diagnostics), frozenset(builder.lost))


def _nothing(source: Source, told: Diagnostic) -> Salvage:
    """Return that nothing can be read of a source, and why."""
    return Salvage(tree.File(source, ()), (told,), frozenset())
