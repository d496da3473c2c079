"""Mistakes where a statement or a field begins."""

from netdsl.diagnostics import Diagnostic, suggest
from netdsl.syntax.mistakes.report import mistake, quote
from netdsl.syntax.mistakes.situation import Situation
from netdsl.syntax.reading import CONTINUES
from netdsl.syntax.words import RESERVED

_STATEMENTS = "a statement is `name = …` or `return …`; in an optimizer also `state name = …` and `name := …`"
_FIELDS = "a field is `name = …`"


def line_goes_on(s: Situation) -> Diagnostic | None:
    """Tell of a line that ends with an operator, so that the next statement was taken for its rest."""
    pieces = s.reading.pieces
    opens = (s.found and s.found.text in ("=", ":=")) or (s.before and s.before.text == "return")
    if not opens or s.index < 3 or pieces[s.index - 2].kind != "newline":
        return None
    last = next((piece for piece in reversed(pieces[: s.index - 1]) if piece.kind != "newline"), None)
    if last is None or last.text not in CONTINUES or last.text in (",", "{"):
        return None
    what = "a layer" if last.text == "->" else "a value"
    return mistake("E0019", f"{what} is missing after {quote(last.text)}", s.span(last), "nothing follows")


def no_statement(s: Situation) -> Diagnostic | None:
    """Tell of a line that begins as no statement or field does."""
    if s.at_top or s.index != s.line.first or s.found is None:
        return None
    cure = _FIELDS if s.in_section else _STATEMENTS
    kind = "field" if s.in_section else "statement"
    return mistake("E0015", f"{s.shown} does not begin a {kind}", s.span(), f"not a {kind}", help=cure)


def word_without_equals(s: Situation) -> Diagnostic | None:
    """Tell of a line whose first word is followed by something else than `=`."""
    if s.at_top or s.index != s.line.first + 1 or s.first.kind != "word":
        return None
    word, found = s.first.text, s.found.text if s.found else ""
    choices = {"if": "a choice is a value", "repeat": "what repeats is a stage of a chain"}
    if word in choices:
        example = "y = if … then … else …" if word == "if" else "y = x -> repeat 3 { … }"
        message = f"`{word}` does not begin a statement"
        return mistake("E0015", message, s.span(s.first), choices[word], help=f"write `{example}`")
    if near := suggest(word, ["return", "state"]) if not s.in_section else None:
        return mistake(
            "E0015",
            f"no statement begins with {quote(word)}",
            s.span(s.first),
            "unknown",
            help=f"did you mean `{near}`?",
            replacement=near,
        )
    return _field(s, word) if s.in_section else _statement(s, word, found)


def _field(s: Situation, word: str) -> Diagnostic:
    if word in RESERVED:
        return mistake(
            "E0015", f"`{word}` does not begin a field", s.span(s.first), "not a field", help=_FIELDS
        )
    if s.found and s.found.text == ":":
        return mistake("E0020", "a field is written with `=`", s.span(), "write `=`", replacement="=")
    return mistake("E0020", f"`=` is missing after {quote(word)}", s.span(), "expected `=`", help=_FIELDS)


def _statement(s: Situation, word: str, found: str) -> Diagnostic:
    if found in ("[", ".", ","):
        message = "one whole name is bound at a time"
        return mistake("E0015", message, s.span(), "not a part of a name to bind", help=_STATEMENTS)
    if s.found and s.found.kind in ("word", "number", "text"):
        return mistake(
            "E0020", f"`=` is missing after {quote(word)}", s.span(), "expected `=`", help=_STATEMENTS
        )
    message = "the value of this line goes nowhere"
    return mistake("E0015", message, s.span(s.first), "neither bound nor returned", help=_goes_where(s, word))


def _goes_where(s: Situation, word: str) -> str:
    """Return what is to be done with the value of a line: its place in the body tells what is meant."""
    pieces = s.reading.pieces
    above = next((each for each in reversed(pieces[: s.line.first]) if each.kind != "newline"), None)
    below = next((each for each in pieces[s.line.end :] if each.kind != "newline"), None)
    said = []
    if below is not None and below.text == "}":
        said.append(f"to give it back, write `return {word} …`")
    if above is not None and above.text != "{":
        said.append(f"to go on with the line above, write `-> {word} …`")
    return "; ".join(said) or _STATEMENTS
