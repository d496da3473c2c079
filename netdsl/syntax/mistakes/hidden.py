"""Characters that nobody sees, and that make a text read otherwise than it looks."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from netdsl.diagnostics import Diagnostic, Source, Span
from netdsl.syntax.mistakes.report import mistake

_BYTE_ORDER_MARK: Final = "\ufeff"

# Control characters, those that turn the direction of the text, those without width, separators that an
# editor shows as a new line, halves of characters, and a carriage return that ends no line.
_HIDDEN: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f]"
    r"|[\ufeff\ufff9-\ufffb\ud800-\udfff]|\r(?!\n)"
)
# These two join letters in some scripts, so they may stand in comments and texts, though not in names.
_JOINERS: Final = "\u200c\u200d"
_MOST: Final = 20


def hidden_characters(source: Source) -> Iterator[Diagnostic]:
    """Yield what is told of each hidden character; of very many only the first."""
    if _HIDDEN.search(source.text, _start(source)) is None:
        return
    if alone := _returns_alone(source):
        yield alone
        return
    found = (match.start() for match in _HIDDEN.finditer(source.text, _start(source)))
    for _, at in zip(range(_MOST), (at for at in found if not _joins(source.text, at)), strict=False):
        yield _told(Span(source, at, at + 1))


def _returns_alone(source: Source) -> Diagnostic | None:
    """Tell once of a file whose lines all end in a carriage return."""
    text = source.text
    if "\n" in text or text.count("\r") < 2:
        return None
    at = text.index("\r")
    cure = "save the file with line ends `\\n` or `\\r\\n`"
    message = "the lines of this file end in carriage returns alone, which end no line"
    return mistake("E0007", message, Span(source, at, at + 1), "the first of them", help=cure)


def without_hidden(source: Source) -> str:
    """Return the text with a blank in the place of a byte-order mark and of each hidden character.

    Carriage returns that end all lines are taken for line ends.
    """
    text = source.text
    if _returns_alone(source):
        text = text.replace("\r", "\n")
    return _HIDDEN.sub(lambda found: found[0] if _joins(text, found.start()) else " ", text)


def _start(source: Source) -> int:
    return 1 if source.text.startswith(_BYTE_ORDER_MARK) else 0


def _joins(text: str, at: int) -> bool:
    if text[at] not in _JOINERS:
        return False
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return "#" in line or line.count('"') % 2 == 1


def _told(span: Span) -> Diagnostic:
    code = ord(span.text)
    if span.text == "\r":
        cure = "save the file with line ends `\\n` or `\\r\\n`"
        return mistake("E0007", "a carriage return alone ends no line", span, "U+000D", help=cure)
    if 0xD800 <= code <= 0xDFFF:
        cure = "save the file as UTF-8"
        return mistake("E0007", "half a character stands here", span, f"U+{code:04X}", help=cure)
    name = unicodedata.name(span.text, "a control character").lower()
    return mistake(
        "E0007",
        f"a character stands here that cannot be seen: {name}",
        span,
        f"U+{code:04X}",
        help="take it away",
        replacement="",
    )
