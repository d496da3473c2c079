"""Files that are none of the language: told once, not line by line."""

import re
from typing import Final

from netdsl.diagnostics import Diagnostic, Source, Span, suggest
from netdsl.syntax.mistakes.report import mistake
from netdsl.syntax.words import DECLARATIONS

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# So many control characters are no slip of an editor.
_BINARY: Final = 20
# So many lines without a declaration among them are no beginner's first lines.
_LINES: Final = 5


def no_text(source: Source) -> Diagnostic | None:
    """Tell of a file with many control characters: a picture, a program, an archive."""
    found = _CONTROL.search(source.text)
    if found is None or len(_CONTROL.findall(source.text)) < _BINARY:
        return None
    span = Span(source, found.start(), found.end())
    cure = "a .net file is plain text; perhaps another file was meant"
    return mistake("E0007", "this file is no text", span, "one of many control characters", help=cure)


def no_program(source: Source, text: str) -> Diagnostic | None:
    """Tell of a text without a declaration or anything else that a program has: a table, a letter."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) < _LINES or any(map(_like_a_program, lines)):
        return None
    start = text.index(lines[0])
    span = Span(source, start, start + len(lines[0]))
    cure = "a .net file has a `model …`, a `data { … }` and a `train { … }`; perhaps another file was meant"
    return mistake("E0015", "no line of this file begins a declaration", span, "the first line", help=cure)


def _like_a_program(line: str) -> bool:
    first = re.match(r"\s*\w*", line)
    word = first[0].strip() if first else ""
    return any(sign in line for sign in ("=", "{", "->")) or bool(word and suggest(word, DECLARATIONS))
