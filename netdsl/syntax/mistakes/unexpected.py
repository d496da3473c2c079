"""What to say where the parser stopped: the first rule that knows the situation speaks."""

from collections.abc import Callable
from typing import Final

from netdsl.diagnostics import Diagnostic
from netdsl.syntax.mistakes import declarations, expressions, foreign, statements
from netdsl.syntax.mistakes.report import mistake
from netdsl.syntax.mistakes.situation import Situation

_RULES: Final[tuple[Callable[[Situation], Diagnostic | None], ...]] = (
    foreign.foreign_import,
    foreign.foreign_word,
    foreign.foreign_call,
    declarations.no_declaration,
    declarations.block_with_equals,
    declarations.field_outside,
    declarations.setting_among_tensors,
    declarations.bare_shape,
    declarations.result_shape,
    foreign.foreign_colon,
    foreign.foreign_slice,
    statements.line_goes_on,
    statements.no_statement,
    statements.word_without_equals,
    expressions.word_as_value,
    expressions.unfinished_if,
    expressions.word_after_number,
    expressions.missing_arrow,
    expressions.semicolon,
    expressions.comma,
    expressions.missing_stage,
    expressions.missing_value,
    expressions.equals_for_comparison,
    expressions.chained_comparison,
    expressions.applied_result,
)

_VALUE: Final = {
    "NUMBER",
    "EXTENT",
    "TEXT",
    "NAME",
    "STATE",
    "LPAR",
    "LSQB",
    "PLUS",
    "MINUS",
    "NOT",
    "YES",
    "NO",
    "IF",
}
_OPERATORS: Final = {"PLUS", "MINUS", "TIMES", "DIVIDE", "AT", "POWER", "COMPARE", "AND", "OR", "BETWEEN"}
_SIGNS: Final = {
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "COMMA": "`,`",
    "SEMICOLON": "`;`",
    "COLON": "`:`",
    "DOT": "`.`",
    "EQUAL": "`=`",
    "ASSIGN": "`:=`",
    "_ARROW": "`->`",
    "_ELSE": "`else`",
    "_NL": "the end of the line",
    "NAME": "a name",
    "NUMBER": "a number",
    "TEXT": "a text in quotes",
    "BETWEEN": "`..`",
}


def unexpected(s: Situation) -> Diagnostic:
    """Return what is told of a piece that does not fit."""
    said = (rule(s) for rule in _RULES)
    return next((each for each in said if each is not None), None) or _unfitting(s)


def _unfitting(s: Situation) -> Diagnostic:
    message = f"{s.shown} cannot stand here"
    if s.found is None:
        message = "the line ends too early"
    return mistake("E0001", message, s.span(), _expected(s.accepts))


def _expected(accepts: frozenset[str]) -> str:
    """Return in words what could stand there, or that it is too much to tell."""
    kinds: list[str] = []
    rest = set(accepts) - {"$END", "STATE"}
    if {"NUMBER", "LPAR"} <= rest:
        kinds, rest = ["a value"], rest - _VALUE
    elif {"PLUS", "TIMES"} <= rest:
        kinds, rest = ["an operator"], rest - _OPERATORS
    kinds += sorted(_SIGNS.get(each, f"`{each.lower()}`") for each in rest)
    if len(kinds) > 5 or not kinds:
        return "unexpected"
    *most, last = kinds
    return f"expected {', '.join(most)} or {last}" if most else f"expected {last}"
