"""The arguments of a source: which there are, of what kind, and what is told when they do not fit."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from netdsl.diagnostics import Diagnostic, DiagnosticError, Fix, Label, Span
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.problems import nearest

Kind: TypeAlias = Literal["text", "count", "number", "names", "inputs", "extent"]

REQUIRED: Final = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument that a source takes; those with `by_name` are not taken by position."""

    name: str
    kind: Kind
    default: Any = REQUIRED
    least: float = -math.inf
    most: float = math.inf
    by_name: bool = False


def read_arguments(plan: SourcePlan, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the arguments of a source by name, the default for those that are not given.

    Texts come as str, counts as int, numbers as float, names as a tuple of str, `inputs` as a dict of these,
    an extent as its two sides.

    Errors: every mistake at once. E0521 for one that the source does not take, E0522 for one that is missing
    or of the wrong kind.
    """
    mistakes: list[Diagnostic] = []
    known = {each.name: each for each in parameters}
    given = _by_name(plan, [each.name for each in parameters if not each.by_name], mistakes)
    mistakes += [_unknown(plan, name, list(known)) for name in given if name not in known]
    values = {}
    for name, parameter in known.items():
        try:
            values[name] = _value(plan, parameter, given)
        except _WrongKindError as wrong:
            span = _span(plan, name, parameters)
            mistakes.append(Diagnostic("E0522", f"`{name}` of `{plan.name}` {wrong}", Label(span, "")))
    if mistakes:
        raise DiagnosticError(mistakes)
    return values


def span_of(plan: SourcePlan, name: str, position: int | None = None) -> Span:
    """Return where an argument stands; the source itself where it is not written."""
    if name in plan.spans:
        return plan.spans[name]
    return plan.spans.get(str(position), plan.span) if position is not None else plan.span


def word_in(span: Span, word: str) -> Span:
    """Return where a word stands in a span; the whole span where it does not, or not once."""
    found = list(re.finditer(rf"(?<![\w]){re.escape(word)}(?![\w])", span.text))
    if len(found) != 1:
        return span
    return Span(span.source, span.start + found[0].start(), span.start + found[0].end())


class _WrongKindError(Exception):
    pass


def _by_name(plan: SourcePlan, positional: Sequence[str], mistakes: list[Diagnostic]) -> dict[str, Any]:
    given = dict(zip(positional, plan.positional, strict=False))
    for position in range(len(positional), len(plan.positional)):
        count = f"{len(positional)} argument{'s' if len(positional) > 1 else ''}" if positional else "none"
        message = f"`{plan.name}` takes {count} without a name, and {len(plan.positional)} are given"
        mistakes.append(Diagnostic("E0521", message, Label(span_of(plan, "", position), "one too many")))
    for name, value in plan.named.items():
        if name in given:
            message = f"`{name}` of `{plan.name}` is given twice"
            mistakes.append(Diagnostic("E0521", message, Label(span_of(plan, name), "")))
        given[name] = value
    return given


def _unknown(plan: SourcePlan, name: str, known: Sequence[str]) -> Diagnostic:
    span = word_in(span_of(plan, name), name)
    meant = nearest(name, known)
    listed = ", ".join(f"`{each}`" for each in known)
    notes = (f"it takes {listed}" if known else "it takes no arguments",)
    fix = Fix(span, meant) if meant and span.text == name else None
    help = f"did you mean `{meant}`?" if meant else None
    return Diagnostic(
        "E0521", f"`{plan.name}` takes no `{name}`", Label(span, "not known"), (), notes, help, fix
    )


def _span(plan: SourcePlan, name: str, parameters: Sequence[Parameter]) -> Span:
    positional = [each.name for each in parameters if not each.by_name]
    return span_of(plan, name, positional.index(name) if name in positional else None)


def _value(plan: SourcePlan, parameter: Parameter, given: Mapping[str, Any]) -> Any:
    if parameter.name in given:
        return _READ[parameter.kind](given[parameter.name], parameter)
    if parameter.default is REQUIRED:
        raise _WrongKindError(f"is missing: {_WANTED[parameter.kind]} must be given")
    return parameter.default


def _text(value: Any, parameter: Parameter) -> str:
    if not isinstance(value, str):
        raise _WrongKindError(f"is {_WANTED['text']}, not {_shown(value)}")
    return value


def _number(value: Any, parameter: Parameter) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _WrongKindError(f"is {_WANTED[parameter.kind]}, not {_shown(value)}")
    if not parameter.least <= value <= parameter.most:
        bounds = f"{_number_text(parameter.least)} to {_number_text(parameter.most)}"
        raise _WrongKindError(f"is {_shown(value)}; it can be {bounds}")
    return float(value)


def _count(value: Any, parameter: Parameter) -> int:
    number = _number(value, parameter)
    if number != int(number):
        raise _WrongKindError(f"is {_WANTED['count']}, not {_shown(value)}")
    return int(number)


def _extent(value: Any, parameter: Parameter) -> tuple[int, ...]:
    sides = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    try:
        return tuple(_count(each, parameter) for each in sides)
    except _WrongKindError as wrong:
        if isinstance(value, (tuple, int)) and not isinstance(value, bool):
            raise
        raise _WrongKindError(f"is {_WANTED['extent']}, not {_shown(value)}") from wrong


def _names(value: Any, parameter: Parameter) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (tuple, list)) or not all(isinstance(each, str) for each in names):
        raise _WrongKindError(f"is {_WANTED[parameter.kind]}, not {_shown(value)}")
    return tuple(names)


def _inputs(value: Any, parameter: Parameter) -> dict[str, str | tuple[str, ...]]:
    if not isinstance(value, Mapping):
        return {"x": _names(value, parameter)}
    return {
        name: columns if isinstance(columns, str) else _names(columns, parameter)
        for name, columns in value.items()
    }


_WANTED: Final[Mapping[Kind, str]] = {
    "text": "a text",
    "count": "a whole number",
    "number": "a number",
    "names": "a name or a list of names",
    "inputs": "a list of names, or such lists by field",
    "extent": "a height and a width such as 32x32",
}
_READ: Final[Mapping[Kind, Callable[[Any, Parameter], Any]]] = {
    "text": _text,
    "count": _count,
    "number": _number,
    "names": _names,
    "inputs": _inputs,
    "extent": _extent,
}


def _number_text(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:g}"
        case str():
            return f"`{value[:40]}`"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a record"
    return "that"
