"""Pieces that are wrong by themselves: quotes, numbers, signs that the language does not have."""

import unicodedata
from collections.abc import Iterator
from typing import Final

from netdsl.diagnostics import Diagnostic, Source, Span
from netdsl.syntax.mistakes.numbers import comma_in_number, malformed, well_formed
from netdsl.syntax.mistakes.report import mistake
from netdsl.syntax.scan import Piece

# What is written otherwise in a `.net` file, as seen in other languages …
_FOREIGN: Final = {
    "**": "a power is written `^`: `x^2`",
    "//": "a comment begins with `#`, and `/` divides",
    "/*": "a comment begins with `#`, and goes to the end of the line",
    "*/": "a comment begins with `#`, and goes to the end of the line",
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "|": "write `or`",
    "!": "write `not`",
    "===": "to compare, write `==`",
    "!==": "to compare, write `!=`",
    **dict.fromkeys((">>", "|>", "-->"), "a chain is written with `->`"),
    "=>": "a chain is written with `->`, and `at least` is `>=`",
    "+=": "write it out: `w := w + …`",
    "-=": "write it out: `w := w - …`",
    "*=": "write it out: `w := w * …`",
    "/=": "write it out: `w := w / …`",
    "?": "a choice is written `if … then … else …`",
    "%": "`%` stands directly after a number: `10%`",
    "\\": "a line goes on after an operator, a comma or inside of brackets; no sign is needed for it",
    "$": "a `param` is referred to by its name alone",
    "~": "write `not`",
    "`": "names are written without quotes",
}
# … or on paper.
_ON_PAPER: Final = {
    **dict.fromkeys("→⟶⇒➔", "->"),
    **dict.fromkeys("−–—‐‑", "-"),
    **dict.fromkeys("×·⋅∙∗", "*"),
    **dict.fromkeys("÷∕", "/"),
    **dict.fromkeys("←≔", ":="),
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "…": "..",
    "∈": "in",
    "∧": "and",
    "∨": "or",
    "¬": "not",
    "²": "^2",
    "³": "^3",
    "√": "sqrt(…)",
    "∑": "sum(…)",
}


def misspelled(source: Source, pieces: list[Piece]) -> Iterator[tuple[int, Diagnostic]]:
    """Yield what is wrong with single pieces, each with the index of its piece."""
    for index, piece in enumerate(pieces):
        found = _comma(source, pieces, index) or _wrong(source, piece)
        if found is not None:
            yield index, found


def _comma(source: Source, pieces: list[Piece], index: int) -> Diagnostic | None:
    """Return what is wrong with `0,01` and `1,000`, whose second half alone tells that it is no number."""
    if index < 2 or pieces[index].kind != "number" or well_formed(pieces[index].text):
        return None
    first, comma, last = pieces[index - 2 : index + 1]
    joined = comma.text == "," and first.end == comma.start and comma.end == last.start
    if not joined or first.kind != "number" or not first.text.isdecimal() or not last.text.isdecimal():
        return None
    return comma_in_number(Span(source, first.start, last.end))


def closed(piece: Piece) -> bool:
    """Tell whether a piece is no text, or one that is closed."""
    if piece.kind == "text":
        return len(piece.text) > 1 and piece.text.endswith('"')
    return piece.kind != "quoted" or (len(piece.text) > 1 and piece.text[-1] in "'\"’”“»")


def _wrong(source: Source, piece: Piece) -> Diagnostic | None:
    span = Span(source, piece.start, piece.end)
    match piece.kind:
        case "text" if not closed(piece):
            return _unclosed_text(span)
        case "quoted":
            return _other_quotes(span, closed(piece))
        case "number" if not well_formed(piece.text):
            return malformed(span)
        case "word" if not piece.text.isidentifier():
            return _letter(source, piece)
        case "odd":
            return _sign(span)
    return None


def _unclosed_text(span: Span) -> Diagnostic:
    text = span.text.rstrip()
    shorter = Span(span.source, span.start, span.start + len(text))
    cure = "write `\"` where the text ends; a text does not go over a line's end"
    return mistake(
        "E0003", "a text is opened and not closed", shorter, 'no closing `"` in this line', help=cure
    )


def _other_quotes(span: Span, is_closed: bool) -> Diagnostic:
    inner = span.text[1:-1]
    cure = f'"{inner}"' if is_closed and '"' not in inner else None
    message = "a text stands between straight double quotes"
    label = f"`{span.text[0]}` is no such quote"
    return mistake("E0003", message, span, label, help=cure and f"write `{cure}`", replacement=cure)


def _letter(source: Source, piece: Piece) -> Diagnostic:
    """Return what is wrong with a word that has a letter-like character which no name can have."""
    fits = (at for at in range(1, len(piece.text) + 1) if not piece.text[:at].isidentifier())
    at = piece.start + next(fits) - 1
    return _sign(Span(source, at, at + 1))


def _sign(span: Span) -> Diagnostic:
    text = span.text
    if text in _FOREIGN:
        return mistake(
            "E0010", f"{_shown(text)} is not of this language", span, "unknown", help=_FOREIGN[text]
        )
    alike = _ON_PAPER.get(text) or unicodedata.normalize("NFKC", text)
    known = text in _ON_PAPER or (alike != text and alike.isascii())
    cure = f"write `{alike}`" if known else None
    fix = alike if known and "…" not in alike else None
    return mistake(
        "E0006", f"{_shown(text)} is not of this language", span, "unknown", help=cure, replacement=fix
    )


def _shown(text: str) -> str:
    name = unicodedata.name(text, "") if len(text) == 1 and not text.isascii() else ""
    return f"`{text}` ({name.lower()})" if name else f"`{text}`"
