"""Mistakes where a declaration begins, and in its head."""

from netdsl.diagnostics import Diagnostic, suggest
from netdsl.syntax.mistakes.report import mistake, quote
from netdsl.syntax.mistakes.situation import Situation
from netdsl.syntax.words import DECLARATIONS, DEFINITIONS, SECTIONS

_ALL = ", ".join(f"`{word}`" for word in DECLARATIONS)


def no_declaration(s: Situation) -> Diagnostic | None:
    """Tell of a line outside of all bodies that begins as no declaration does."""
    if not s.at_top or s.index != s.line.first or s.found is None:
        return None
    word, follows = s.found.text, s.after.text if s.after else ""
    near = suggest(word, DECLARATIONS) if s.found.kind == "word" else None
    if word in ("return", "state") and follows != "=":
        message, cure = f"`{word}` stands outside of a body", "is the `}` above it one too much?"
    elif follows in ("=", ":="):
        message = f"{quote(word)} is bound outside of a body"
        cure = f"a value that can be changed is a `param {word} = …`; a field stands in `data`, `train`, …"
    elif near:
        message, cure = f"no declaration begins with {quote(word)}", f"did you mean `{near}`?"
    else:
        message, cure = f"no declaration begins with {quote(word)}", f"it begins with one of {_ALL}"
    return mistake("E0015", message, s.span(), "not a declaration", help=cure, replacement=near)


def field_outside(s: Situation) -> Diagnostic | None:
    """Tell of `loss = mse` outside of a block: there, `loss` begins a definition."""
    before = s.before
    if not s.at_top or before is not s.first or not s.found or s.found.text != "=":
        return None
    word = s.first.text
    if word not in DEFINITIONS + SECTIONS:
        return None
    cure = f"the field `{word} = …` stands inside of a `train {{ … }}`"
    message = f"outside of a block, `{word}` begins a declaration, and its name is missing"
    return mistake("E0015", message, s.span(s.first), "not a field here", help=cure)


def block_with_equals(s: Situation) -> Diagnostic | None:
    """Tell of `train = { … }` and `data mnist: { … }`."""
    if (
        s.at_top
        and s.in_section
        and s.found
        and s.found.text in ("=", ":")
        and s.after
        and s.after.text == "{"
    ):
        return mistake("E0001", f"no {s.shown} stands before a block", s.span(), "too much", replacement="")
    return None


def setting_among_tensors(s: Situation) -> Diagnostic | None:
    """Tell of `layer f(x, units = 3)`."""
    signature = s.at_top and s.keyword.text in DEFINITIONS and s.opener and s.opener.text == "("
    if not signature or not s.found or s.found.text not in ("=", "in") or "COLON" not in s.accepts:
        return None
    name = s.before.text if s.before else ""
    comma = s.beside[-2:-1]
    cure = f"write `; {name} {s.found.text} …`: what flows in stands before the `;`, settings behind it"
    place = s.span(comma[0]) if comma and comma[0].text == "," else s.span(s.before)
    return mistake("E0018", "settings stand behind a `;`", place, "a `;` belongs here", help=cure)


def bare_shape(s: Situation) -> Diagnostic | None:
    """Tell of `x: 28` and of `x [28]` in a signature."""
    if not (s.at_top and s.keyword.text in DEFINITIONS and s.opener and s.found):
        return None
    if s.before and s.before.text == ":" and s.accepts == {"LSQB"}:
        cure = "write `[28, 28, 1]`, `[n]` or `[.., c]`"
        return mistake("E0001", "a shape stands in brackets", s.span(), "expected `[`", help=cure)
    if s.found.text == "[" and "COLON" in s.accepts:
        return mistake("E0020", "`:` is missing before a shape", s.span(), "write `: [`", replacement=": [")
    return None


def result_shape(s: Situation) -> Diagnostic | None:
    """Tell of `layer f(x) -> [n] = …`."""
    if (
        s.at_top
        and s.found
        and s.found.text == "->"
        and s.before
        and s.before.text == ")"
        and s.opener is None
    ):
        cure = "it follows from the formula: `layer f(x: [n]) = …`"
        message = "the shape of a result is not declared"
        return mistake("E0010", message, s.span(), "not of this language", help=cure)
    return None
