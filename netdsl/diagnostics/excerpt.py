"""The part of a source that a message shows: its lines with what is said about them underlined."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

from netdsl.diagnostics.cells import Cells, printable
from netdsl.diagnostics.span import Source, Span
from netdsl.lazy_dataclass import dataclass

# Puts a text into a color: (text, style) -> text. Styles: "error", "warning", "note", "secondary", "gutter".
Paint: TypeAlias = Callable[[str, str], str]

_PRIMARY = "^"
# Of a line longer than this only the part around the first remark is looked at.
_LONG = 2000


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said about a place, and how it is underlined: with `^` in the severity's color, or with `-`."""

    span: Span
    message: str
    mark: str
    style: str


@dataclass(frozen=True, slots=True)
class Underline:
    """A remark on one line: the columns it covers, and the message if this is where it is said."""

    first: int
    end: int
    message: str
    mark: str
    style: str


def excerpt(source: Source, remarks: Sequence[Remark], gutter: int, paint: Paint) -> list[str]:
    """Return the lines that the remarks stand in, in order, each with its underlines; gaps are marked."""
    lines: dict[int, list[Remark]] = {}
    for remark in remarks:
        for number in {remark.span.line, last_line(remark.span)}:
            lines.setdefault(number, []).append(remark)
    shown: list[str] = []
    before: int | None = None
    for number in sorted(lines):
        shown += _between(source, before, number, gutter, paint)
        shown += _line(source, number, lines[number], gutter, paint)
        before = number
    return shown


def last_line(span: Span) -> int:
    """Return the line a span ends in; one that takes in a newline does not reach into the next line."""
    return span.source.text.count("\n", 0, max(span.start, span.end - 1)) + 1


def _between(source: Source, before: int | None, number: int, gutter: int, paint: Paint) -> list[str]:
    """Return what stands between two shown lines: nothing, the one line that is there, or a mark."""
    if before is None or number == before + 1:
        return []
    if number == before + 2:
        return _line(source, number - 1, [], gutter, paint)
    return [paint(" " * gutter + " ⋮", "gutter")]


def _line(source: Source, number: int, remarks: Sequence[Remark], gutter: int, paint: Paint) -> list[str]:
    start, text = _text_of(source, number, remarks)
    cells = Cells(text)
    underlines = [_underline(each, number, start, text, cells) for each in remarks]
    shown, shift = cells.window([each.first for each in underlines])
    moved = [Underline(u.first - shift, u.end - shift, u.message, u.mark, u.style) for u in underlines]
    rows = [(f"{number:>{gutter}} │", shown)]
    rows += [(" " * gutter + " │", row) for row in underline_rows(moved, paint)]
    return [paint(head, "gutter") + (f" {row}" if row else "") for head, row in rows]


def _text_of(source: Source, number: int, remarks: Sequence[Remark]) -> tuple[int, str]:
    """Return where a line, or the part of it that can be shown, starts, and its text without the newline."""
    start = 0
    for _ in range(number - 1):
        start = source.text.index("\n", start) + 1
    end = source.text.find("\n", start)
    end = len(source.text) if end < 0 else end
    if end - start > _LONG:
        start = max(start, min((each.span.start for each in remarks), default=start) - _LONG // 4)
        end = min(end, start + _LONG)
    return start, source.text[start:end].rstrip("\r\n")


def _underline(remark: Remark, number: int, start: int, text: str, cells: Cells) -> Underline:
    """Return the columns that a remark covers in a line; its message is said at the span's last line."""
    span, ends_here = remark.span, last_line(remark.span) == number
    indent = len(text) - len(text.lstrip())
    first = cells.column(span.start - start if span.line == number else indent)
    end = cells.column(span.end - start if ends_here else len(text))
    message = printable(remark.message) if ends_here else ""
    return Underline(first, max(end, first + 1), message, remark.mark, remark.style)


def underline_rows(underlines: Sequence[Underline], paint: Paint) -> list[str]:
    """Return the row of marks with the rightmost message, and below it a row for each other message."""
    if not underlines:
        return []
    ordered = sorted(underlines, key=lambda u: (u.first, u.mark == _PRIMARY))
    *below, last = ordered
    marks = _marks(ordered, paint)
    if last.end >= max(each.end for each in ordered):
        marks += f" {paint(last.message, last.style)}" if last.message else ""
    else:
        below = ordered
    said = [each for each in below if each.message]
    return [marks, *(_said_below(said[:i], said[i], paint) for i in reversed(range(len(said))))]


def _marks(underlines: Sequence[Underline], paint: Paint) -> str:
    row: list[tuple[str, str]] = [(" ", "")] * max(each.end for each in underlines)
    # The primary marks are drawn last, so that they lie over the others.
    for each in sorted(underlines, key=lambda u: u.mark == _PRIMARY):
        row[each.first : each.end] = [(each.mark, each.style)] * (each.end - each.first)
    return _painted(row, paint)


def _said_below(waiting: Sequence[Underline], said: Underline, paint: Paint) -> str:
    """Return a row with a message, and lines down to those messages that are still to come."""
    row: list[tuple[str, str]] = [(" ", "")] * said.first
    for each in waiting:
        if each.first < said.first:
            row[each.first] = ("│", each.style)
    return _painted([*row, (said.message, said.style)], paint)


def _painted(row: Sequence[tuple[str, str]], paint: Paint) -> str:
    runs = groupby(row, key=lambda cell: cell[1])
    return "".join(
        paint("".join(text for text, _ in run), style) if style else " " * len(list(run))
        for style, run in runs
    )
