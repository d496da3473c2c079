"""The rows of a text table, with the line that each begins in."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from netdsl.data.inflate import inflated
from netdsl.data.problems import fail
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Label, Span
from netdsl.files import shown, size_text
from netdsl.lazy_dataclass import dataclass

ENCODINGS: Final = ("utf-8", "latin-1", "cp1252")
_LINE_LIMIT: Final = 16 << 20
_BOM: Final = b"\xef\xbb\xbf"


Row: TypeAlias = tuple[int, list[str]]
"""The line a row begins in, and its cells."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a table is written: `columns` are the names where the file has no header."""

    separator: str = ","
    encoding: str = "utf-8"
    columns: tuple[str, ...] | None = None


def read_rows(path: Path, form: Format, span: Span | None) -> Iterator[Row]:
    """Yield the rows that have anything in them, each with its first line's number.

    A file in gzip is unpacked. Errors: E0528 for what is no text, or wrongly quoted.
    """
    reader = csv.reader(
        _lines(path, form.encoding, span), delimiter=form.separator, strict=True, skipinitialspace=True
    )
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as failure:
            _wrong(path, f"line {line}: {failure}", span, help=_quoting(str(failure)))
        if row is None:
            return
        if row:
            yield line, row


def _lines(path: Path, encoding: str, span: Span | None) -> Iterator[str]:
    for number, line in enumerate(_raw_lines(path, span), 1):
        raw = line.removeprefix(_BOM) if number == 1 else line
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError as failure:
            reason = f"line {number} has the byte 0x{raw[failure.start]:02X}, which is no {encoding} text"
            help = 'save it as UTF-8, or name what it is: `encoding="latin-1"`'
            _wrong(path, reason, span, help=help)


def _raw_lines(path: Path, span: Span | None) -> Iterator[bytes]:
    rest = b""
    for piece in inflated(path, lambda reason: _damaged(path, reason, span)):
        if b"\0" in piece:
            help = "save it as UTF-8" if piece[:2] in {b"\xff\xfe", b"\xfe\xff"} else "is it a table at all?"
            _wrong(path, "there are NUL bytes in it", span, help=help)
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > _LINE_LIMIT:
            reason = f"a line is longer than {size_text(_LINE_LIMIT)}"
            _wrong(path, reason, span, help="is it a table at all?")
    if rest:
        yield rest


def _damaged(path: Path, reason: str, span: Span | None) -> DiagnosticError:
    label = Label(span, "read here") if span else None
    return DiagnosticError([Diagnostic("E0528", f"`{shown(path)}`: {reason}", label)], Exit.DATA)


def _wrong(path: Path, reason: str, span: Span | None, *, help: str) -> NoReturn:
    fail("E0528", f"`{shown(path)}` cannot be read as a table: {reason}", span, help=help)


def _quoting(reason: str) -> str:
    if "field larger" in reason:
        return "a quotation mark is not closed, or it is no table"
    if "new-line" in reason:
        return "save it with line ends of Unix or Windows"
    return "a quotation mark inside a quoted cell is written twice"
