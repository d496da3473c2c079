"""What is told when a loss is no number any more."""

from collections.abc import Sequence
from pathlib import Path

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Label
from netdsl.training.executable import Failure, Finding
from netdsl.training.records import Record

SHOWN = 3
"""Epochs before the failure whose losses are told."""


def loss_failed(
    failure: Failure, value: float, history: Sequence[Record], found: Finding | None, folder: Path | None
) -> DiagnosticError:
    """Return the error of a step whose loss is not finite."""
    kind = "not a number" if value != value else "infinite"
    message = f"the loss became {kind} in epoch {failure.epoch + 1}, at step {failure.step + 1}"
    notes = [*_before(history)]
    if found is not None:
        notes.append(found.note)
    if folder is not None and history:
        notes.append(f"the weights of the last epoch that was fine are in `{folder}`")
    place = Label(found.span, "not finite any more") if found and found.span else None
    return _failed(
        Diagnostic("E0701", message, place, notes=tuple(notes), help=_cure(failure, history, found))
    )


def valid_failed(epoch: int, value: float, history: Sequence[Record]) -> DiagnosticError:
    """Return the error of an epoch after which the loss on the valid part is not finite."""
    kind = "not a number" if value != value else "infinite"
    message = f"the loss on the valid part was {kind} after epoch {epoch}"
    cure = (
        "look for rows of the valid part that are far outside of what the train part has, "
        "or lower the learning rate"
    )
    return _failed(Diagnostic("E0702", message, notes=tuple(_before(history)), help=cure))


def _before(history: Sequence[Record]) -> list[str]:
    losses = [_loss(each) for each in history[-SHOWN:]]
    if not losses:
        return []
    text = ", ".join("-" if each is None else f"{each:.6g}" for each in losses)
    return [f"the train loss of the epochs before: {text}"]


def _cure(failure: Failure, history: Sequence[Record], found: Finding | None) -> str:
    if failure.step == 0 and found is not None and found.cure:
        return found.cure
    if failure.step == 0:
        return (
            "the first step failed already, so no learning rate is at fault: look for a logarithm or a "
            "division of 0 in the model or loss, and for inputs that want scaling (`scale = zscore`)"
        )
    losses = [each for each in map(_loss, history) if each is not None]
    if len(losses) > 1 and losses[-1] > losses[0]:
        return "the loss was growing: the learning rate is too high, try a tenth of it"
    return "try a tenth of the learning rate, or `clip = norm(1.0)` in the train block"


def _loss(record: Record) -> float | None:
    train = record.get("train")
    value = train.get("loss") if isinstance(train, dict) else None
    return None if value is None else float(value)


def _failed(diagnostic: Diagnostic) -> DiagnosticError:
    return DiagnosticError([diagnostic], Exit.FAILED)
