"""A diagnostic as a person reads it: on a terminal, or in plain text."""

from collections import Counter
from collections.abc import Iterable

from netdsl.diagnostics.cells import printable
from netdsl.diagnostics.color import painter
from netdsl.diagnostics.diagnostic import Diagnostic, Label, Severity
from netdsl.diagnostics.excerpt import Paint, Remark, excerpt, last_line
from netdsl.diagnostics.span import Source


def render(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """Return the messages as text, a blank line between them, each line ended by a newline."""
    paint = painter(color)
    return "\n".join(_message(each, paint) for each in diagnostics)


def summary(diagnostics: Iterable[Diagnostic], more: int = 0) -> str:
    """Return how many there are of each severity: `2 errors, 1 warning`.

    With `more` errors than these: `100 of 500 errors, 1 warning`.
    """
    counts = Counter(each.severity for each in diagnostics)
    return ", ".join(
        _count(counts[each], each, more if each is Severity.ERROR else 0) for each in Severity if counts[each]
    )


def _count(told: int, severity: Severity, more: int) -> str:
    word = severity.value + ("s" if told + more > 1 else "")
    return f"{told} of {told + more} {word}" if more else f"{told} {word}"


def _message(diagnostic: Diagnostic, paint: Paint) -> str:
    style = diagnostic.severity.value
    code, first, *more = f"[{diagnostic.code}]", *_lines(diagnostic.message)
    lines = [paint(style + code, style) + paint(f": {first}", "message"), *more]
    remarks = _remarks(diagnostic)
    gutter = max((len(str(last_line(each.span))) for each in remarks), default=1)
    for source in _sources(remarks):
        here = [each for each in remarks if each.span.source is source]
        lines.append(paint(" " * gutter + " ┌─", "gutter") + f" {printable(str(here[0].span))}")
        lines += excerpt(source, here, gutter, paint)
    lines += _footer(diagnostic, gutter, paint)
    return "".join(f"{line}\n" for line in lines)


def _remarks(diagnostic: Diagnostic) -> list[Remark]:
    primary = (diagnostic.primary,) if diagnostic.primary else ()
    style = diagnostic.severity.value
    return [_remark(each, "^", style) for each in primary] + [
        _remark(each, "-", "secondary") for each in diagnostic.secondary
    ]


def _remark(label: Label, mark: str, style: str) -> Remark:
    return Remark(label.span, label.message, mark, style)


def _sources(remarks: Iterable[Remark]) -> list[Source]:
    """Return the sources that are spoken of, the primary's first; told apart by identity, not by text."""
    return list({id(each.span.source): each.span.source for each in remarks}.values())


def _footer(diagnostic: Diagnostic, gutter: int, paint: Paint) -> list[str]:
    parts = [("note", each) for each in diagnostic.notes]
    parts += [("help", diagnostic.help)] if diagnostic.help else []
    lines = []
    for word, text in parts:
        first, *more = _lines(text)
        lines.append(f"{' ' * gutter} {paint('=', 'gutter')} {paint(word, word)}: {first}")
        lines += [f"{' ' * gutter}   {' ' * len(word)}  {each}" for each in more]
    return lines


def _lines(text: str) -> list[str]:
    return [printable(line) for line in text.split("\n")]
