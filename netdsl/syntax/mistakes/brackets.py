"""Brackets that are never closed, or close nothing."""

from netdsl.diagnostics import Diagnostic, Label, Source, Span
from netdsl.syntax.mistakes.report import mistake
from netdsl.syntax.reading import CLOSER, OPENER, Fault, Reading


def bracket_mistake(source: Source, reading: Reading, fault: Fault) -> Diagnostic:
    """Return what is told of a bracket without a partner."""
    if fault.opener is None:
        assert fault.at is not None
        return _closes_nothing(source, reading, fault.at)
    opener = reading.pieces[fault.opener]
    span = Span(source, opener.start, opener.end)
    secondary = _still_open(source, reading, fault)
    cure = f"close it with `{CLOSER[opener.text]}`"
    label = "opened here"
    return mistake("E0002", f"`{opener.text}` is never closed", span, label, secondary=secondary, help=cure)


def _still_open(source: Source, reading: Reading, fault: Fault) -> tuple[Label, ...]:
    if fault.at is None:
        return ()
    at = reading.pieces[fault.at]
    return (Label(Span(source, at.start, at.end), "it is still open here"),)


def _closes_nothing(source: Source, reading: Reading, at: int) -> Diagnostic:
    closer = reading.pieces[at]
    span = Span(source, closer.start, closer.end)
    around = reading.inside[at]
    secondary: tuple[Label, ...] = ()
    if around >= 0:
        opener = reading.pieces[around]
        secondary = (Label(Span(source, opener.start, opener.end), "the innermost open bracket"),)
    message = f"`{closer.text}` closes nothing"
    label = f"no `{OPENER[closer.text]}` is open"
    return mistake("E0002", message, span, label, secondary=secondary, help="take it away, or open it before")
