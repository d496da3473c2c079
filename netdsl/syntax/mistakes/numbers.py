"""Numbers that are no numbers, and words after numbers that are no units."""

import re
from typing import Final

from netdsl.diagnostics import Diagnostic, Span, suggest
from netdsl.syntax.mistakes.report import mistake, quote
from netdsl.syntax.numerals import UNITS

_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[%kM]?")
_EXTENT: Final = re.compile(r"[0-9]+(?:x[0-9]+)+")

_OTHERWISE: Final = {
    **dict.fromkeys(["hour", "hours", "hr", "hrs"], "h"),
    **dict.fromkeys(["minute", "minutes", "mins"], "min"),
    **dict.fromkeys(["second", "seconds", "sec", "secs"], "s"),
    **dict.fromkeys(["degree", "degrees", "degs"], "deg"),
    **dict.fromkeys(["pixel", "pixels"], "px"),
    **dict.fromkeys(["iteration", "iterations", "batches", "updates"], "steps"),
}

# What a malformed number looks like, and what to say; the first that fits is said.
_REASONS: Final = (
    (r"\.[0-9].*", "a digit stands before the point: `0.5`"),
    (r"[0-9]+\.%?", "a digit stands after the point, or none of both: `3.0` or `3`"),
    (r"[0-9]+(_[0-9]+)+", "digits are written without `_`; thousands may be written `50k`"),
    (r"0[xXoObB][0-9a-fA-F]*", "numbers are decimal"),
    (r"0[0-9].*", "a number of several digits does not begin with 0"),
    (r"[0-9.]+[eE][+-]?[0-9]+\..*", "an exponent is a whole number: `1e-3`"),
    (r"[0-9.]+[eE]", "an exponent has digits: `1e-3`"),
    (r"[0-9]+(\.[0-9]+){2,}.*", "a number has one point"),
    (
        r"[0-9.]*x[0-9.x]*|[0-9]+(x[0-9]+)*x.*",
        "an extent is whole numbers joined by `x`, `3x3`; a product is written with `*`",
    ),
)
_REPAIRS: Final = (
    (r"(\.[0-9]+[%kM]?)", r"0\1"),
    (r"([0-9]+)\.(%?)", r"\1\2"),
    (r"([0-9]+(?:\.[0-9]+)?)K", r"\1k"),
)


def well_formed(text: str) -> bool:
    """Tell whether a piece is a number or an extent."""
    return bool(_NUMBER.fullmatch(text) or _EXTENT.fullmatch(text))


def malformed(span: Span) -> Diagnostic:
    """Return what is wrong with a number."""
    text = span.text
    reason = next((said for form, said in _REASONS if re.fullmatch(form, text)), None)
    start = _NUMBER.match(text)
    if reason is None and start and text[start.end() :].isidentifier():
        return _word_touches(span, start[0], text[start.end() :])
    message = f"{quote(text)} is not a number"
    return mistake("E0004", message, span, "malformed", help=reason, replacement=_repaired(text))


def _repaired(text: str) -> str | None:
    if re.fullmatch(r"[0-9]+(_[0-9]+)+", text):
        return text.replace("_", "")
    fitting = ((form, new) for form, new in _REPAIRS if re.fullmatch(form, text))
    return next((re.sub(form, new, text) for form, new in fitting), None)


def _word_touches(span: Span, number: str, word: str) -> Diagnostic:
    """Return what is wrong with a number that a word touches: `10epochs`, `5K`, `2x`."""
    near = suggest(word, UNITS)
    cure = _repaired(span.text) or (f"{number} {near}" if near else f"{number} * {word}")
    message = f"{quote(span.text)} is not a number"
    return mistake(
        "E0004", message, span, "a word touches a number", help=f"write `{cure}`", replacement=cure
    )


def comma_in_number(span: Span) -> Diagnostic:
    """Return that a comma stands in a number: `1,000`, `0,01`."""
    before, after = span.text.split(",")
    thousands = len(after) == 3 and not before.startswith("0")
    whole = f"write `{before}{after}`; " if thousands else ""
    cure = f"{whole}the sign of a fraction is a point: `{before}.{after}`"
    return mistake("E0004", "a number has no comma", span, "two numbers", help=cure)


def repeated_without_braces(span: Span) -> Diagnostic:
    """Return that what a `repeat` repeats does not stand in braces."""
    cure = f"write `repeat 3 {{ {span.text}(…) -> … }}`"
    return mistake("E0001", "what is repeated stands in braces", span, "expected `{`", help=cure)


def unknown_unit(span: Span, number: str) -> Diagnostic:
    """Return that a word after a number is no unit."""
    near = _OTHERWISE.get(span.text) or suggest(span.text, UNITS if number == "1" else UNITS.values())
    units = ", ".join(f"`{each}`" for each in dict.fromkeys(UNITS.values()))
    return mistake(
        "E0005",
        f"{quote(span.text)} is not a unit",
        span,
        "unknown unit",
        notes=(f"the units are {units}; `%`, `k` and `M` stand directly after a number",),
        help=f"did you mean `{number} {near}`?" if near else None,
        replacement=near,
    )
