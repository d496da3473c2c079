"""What each piece of a text is, as the parser of netdsl has it: what colors are held against."""

from collections.abc import Iterator

from netdsl.syntax import tables
from netdsl.syntax.words import DECLARATIONS

KEYWORDS = {"IF": "if", "THEN": "then", "REPEAT": "repeat", "_RETURN": "return", "_ELSE": "else"}
WORDS = {"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "AS": "as"}
OPERATORS = {
    "PLUS",
    "MINUS",
    "TIMES",
    "DIVIDE",
    "AT",
    "POWER",
    "COMPARE",
    "BETWEEN",
    "ASSIGN",
    "EQUAL",
    "_ARROW",
}


def parsed(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the tokens of a text: start, end, and one of declaration, state, control, word, flag, number,
    unit, string, operator, punctuation, name."""
    for token in tables.parser().parse(text).scan_values(lambda each: hasattr(each, "type")):
        kind = _kind(str(token.type), str(token))
        end = token.end_pos
        if kind is not None and end is not None:
            shown = str(token).split()[-1] if token.type in ("_ARROW", "_ELSE") else str(token)
            yield end - len(shown), end, kind


def _kind(token: str, text: str) -> str | None:
    if token == "_NL":
        return None
    if token in KEYWORDS:
        return "control"
    if token in WORDS:
        return "word"
    if token in ("YES", "NO"):
        return "flag"
    if token in ("NUMBER", "EXTENT"):
        return "number"
    if token == "TEXT":
        return "string"
    if token in OPERATORS:
        return "operator"
    if token in ("NAME", "STATE"):
        return "state" if token == "STATE" else "name"
    if text in DECLARATIONS:
        return "declaration"
    return "unit" if text.isalpha() else "punctuation"
