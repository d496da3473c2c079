"""Mistakes inside of formulas and chains."""

from netdsl.diagnostics import Diagnostic, Span
from netdsl.syntax.mistakes.numbers import comma_in_number, repeated_without_braces, unknown_unit
from netdsl.syntax.mistakes.report import mistake, quote
from netdsl.syntax.mistakes.situation import Situation
from netdsl.syntax.scan import Piece

_COMPARES = ("==", "!=", "<=", ">=", "<", ">")


def equals_for_comparison(s: Situation) -> Diagnostic | None:
    """Tell of `if x = 3`."""
    if not s.found or s.found.text != "=" or not s.follows_value:
        return None
    if s.opener and s.opener.text == "(" and "COMMA" in s.accepts and s.before and s.before.kind != "word":
        message = "only a name stands before `=` among arguments"
        return mistake(
            "E0009", message, s.span(), "names nothing", help="to compare, write `==`", replacement="=="
        )
    cure = "to compare, write `==`"
    return mistake(
        "E0009",
        "`=` binds a name, and no name can be bound here",
        s.span(),
        "binds",
        help=cure,
        replacement="==",
    )


def chained_comparison(s: Situation) -> Diagnostic | None:
    """Tell of `a < b < c`."""
    if s.found and s.found.text in _COMPARES and s.follows_value:
        message = "a comparison is not compared again"
        return mistake("E0016", message, s.span(), "the second comparison", help="write `a < b and b < c`")
    return None


def word_as_value(s: Situation) -> Diagnostic | None:
    """Tell of `1 + if a then b else c` and of `y = repeat 3 { … }`: there, these are only words."""
    if s.before is None or s.before.text not in ("if", "repeat") or "NUMBER" in s.accepts:
        return None
    return _word_as_value(s, s.before)


def _word_as_value(s: Situation, word: Piece) -> Diagnostic:
    if word.text == "if" and _in_chain(s, word):
        message, cure = "an `if` is no stage of a chain", "write `if … then x -> … else x -> …`"
        return mistake("E0021", message, s.span(word), "not a stage", help=cure)
    if word.text == "if":
        message, cure = "an `if` inside of a formula stands in parentheses", "write `(if … then … else …)`"
        return mistake("E0021", message, s.span(word), "no parentheses around it", help=cure)
    message, cure = "nothing flows into this `repeat`", "write `x -> repeat …`"
    return mistake("E0019", message, s.span(word), "no value before it", help=cure)


def _in_chain(s: Situation, word: Piece) -> bool:
    pieces = [piece for piece in s.reading.pieces if piece.kind != "newline" and piece.end <= word.start]
    return bool(pieces) and pieces[-1].text == "->"


def unfinished_if(s: Situation) -> Diagnostic | None:
    """Tell of an `if` without `then` or without `else`, and of these without an `if`."""
    opened = [piece.text for piece in s.beside if piece.text in ("if", "then", "else")]
    if s.accepts == {"_ELSE"}:
        message = "an `if` has no `else`"
        cure = "a choice is a value, and has one in both cases: `if … then … else …`"
        start = next((piece for piece in reversed(s.beside) if piece.text == "if"), None)
        return mistake("E0021", message, s.span(start), "`else` is missing", help=cure)
    if (
        "THEN" in s.accepts
        and s.follows_value
        and opened[-1:] == ["if"]
        and (s.found is None or s.found.kind != "sign")
    ):
        return mistake(
            "E0021", "an `if` has no `then`", s.span(), "expected `then`", help="write `if … then … else …`"
        )
    if s.found and s.found.text in ("then", "else"):
        return mistake(
            "E0021",
            f"{s.shown} has no `if`",
            s.span(),
            "no `if` before it",
            help="write `if … then … else …`",
        )
    return None


def word_after_number(s: Situation) -> Diagnostic | None:
    """Tell of `10 epocs`."""
    before = s.reading.pieces[s.index - 1] if s.index else None
    named = s.after is not None and s.after.text == "="
    if before is None or before.kind != "number" or named or not s.found or s.found.kind != "word":
        return None
    if s.index > 1 and s.reading.pieces[s.index - 2].text == "repeat":
        return repeated_without_braces(s.span())
    return unknown_unit(s.span(), before.text)


def missing_arrow(s: Situation) -> Diagnostic | None:
    """Tell of `x dense(3)`: two values with nothing between."""
    if not s.found or s.found.kind not in ("word", "number", "text") or not s.follows_value:
        return None
    chained = any(piece.text == "->" for piece in s.beside)
    separated = "COMMA" in s.accepts and s.opener is not None
    if separated and not chained:
        return mistake("E0020", f"`,` is missing before {s.shown}", s.span(), "expected `,`")
    if s.found.kind == "word" and "_ARROW" in s.accepts:
        cure = f"write `-> {s.found.text}`"
        fix = f"-> {s.found.text}"
        return mistake(
            "E0008",
            f"`->` is missing before {s.shown}",
            s.span(),
            "expected `->`",
            help=cure,
            replacement=fix,
        )
    return None


def missing_value(s: Situation) -> Diagnostic | None:
    """Tell of an operator, a comma or `=` after which nothing stands."""
    if not s.wants_value or s.before is None:
        return None
    found = s.found.text if s.found else ""
    if s.found and found in ("if", "repeat"):
        return _word_as_value(s, s.found)
    if found == "{":
        cure = "a record is `(a = 1, b = 2)`, a list `[1, 2]`"
        return mistake("E0001", "braces hold no values", s.span(), "a value is expected", help=cure)
    place = s.span() if s.found else s.span(s.before)
    label = "a value is expected here" if s.found else "nothing follows"
    return mistake("E0019", f"a value is missing after {quote(s.before.text)}", place, label)


def missing_stage(s: Situation) -> Diagnostic | None:
    """Tell of an arrow that leads nowhere, or to something that is no layer."""
    if "REPEAT" not in s.accepts or s.wants_value or s.before is None:
        return None
    if s.found is None or s.found.kind == "close":
        return mistake(
            "E0019", f"a layer is missing after {quote(s.before.text)}", s.span(s.before), "nothing follows"
        )
    cure = "a stage is a name, a use such as `dense(10)`, or `repeat … { … }`"
    return mistake("E0001", f"{s.shown} is not a stage of a chain", s.span(), "expected a layer", help=cure)


def applied_result(s: Situation) -> Diagnostic | None:
    """Tell of `f(x)(y)` and `f(x)[0]`."""
    if not s.found or s.found.text not in ("(", "[") or not s.follows_value:
        return None
    what = "applied" if s.found.text == "(" else "subscripted"
    message = f"only a name can be {what}"
    cure = "bind the value to a name first"
    return mistake("E0001", message, s.span(), "this belongs to no name", help=cure)


def semicolon(s: Situation) -> Diagnostic | None:
    """Tell of `;` at the end of a line, and between arguments."""
    if not s.found or s.found.text != ";":
        return None
    if s.opener and s.opener.text == "(":
        cure = "in a use, settings follow after a `,`: `dense(x, 10)`"
        return mistake(
            "E0001", "arguments are separated by `,`", s.span(), "write `,`", help=cure, replacement=","
        )
    return mistake(
        "E0001",
        "a line's end ends a statement",
        s.span(),
        "too much",
        help="take the `;` away",
        replacement="",
    )


def comma(s: Situation) -> Diagnostic | None:
    """Tell of `epochs = 1,000`, of `batch = 64,` and of `(3, 3)`."""
    if not s.found or s.found.text != "," or not s.follows_value or s.before is None:
        return None
    if s.opener is not None and s.opener.text == "(" and "RPAR" in s.accepts:
        cure = "a list is `[1, 2]`, an extent `3x3`, a record `(a = 1, b = 2)`"
        return mistake("E0001", "parentheses hold one value", s.span(), "a second one", help=cure)
    if s.opener is not None:
        return None
    touches = s.after is not None and s.before.end == s.found.start and s.after.start == s.found.end
    if touches and s.after and s.before.kind == s.after.kind == "number":
        return comma_in_number(Span(s.source, s.before.start, s.after.end))
    cure = "take the `,` away"
    return mistake("E0001", "a line's end ends a statement", s.span(), "too much", help=cure, replacement="")
