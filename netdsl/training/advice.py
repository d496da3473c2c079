"""What the curves of a training suggest: more capacity, more regularization, another learning rate."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from netdsl.training.measure import Figures
from netdsl.training.records import Record
from netdsl.training.stopping import Reason

EPOCHS = 5
"""Curves shorter than this say nothing."""

RISEN = 1.1
"""A valid loss this many times its best one has turned upwards."""

STILL = 0.99
"""A train loss that is more than this share of the first epoch's has hardly moved."""

HEAVY = 0.3
"""A penalty of more than this share of the loss weighs on the result."""

GAINING = 0.97
"""A loss whose last tenth of epochs fell below this share of what was before was still falling."""

LEARNED = 0.97
"""An accuracy on the train part from which on a loss that rests has little left to learn: label smoothing
keeps it above 0."""

FLAT = 0.99
"""A loss whose second half of epochs stays above this share of the first half's best has come to rest."""


def advise(history: Sequence[Record], parts: Mapping[str, Figures], reason: Reason) -> tuple[str, ...]:
    """Return sentences on what to try, by the rules of thumb of the courses."""
    if len(history) < EPOCHS or reason == "interrupted":
        return ()
    train, valid = _curve(history, "train", "loss"), _curve(history, "valid", "loss")
    objective = _curve(history, "train", "objective")
    if not train:
        return ()
    stuck = _stuck(train)
    rules = (
        stuck,
        _bouncing(train),
        _heavy(train, objective),
        "" if stuck or _has_learned(history) else _resting(objective, valid),
        _overfitting(train, valid),
        _unfinished(valid or train, reason),
    )
    return tuple(each for each in rules if each)


def _stuck(train: Sequence[float]) -> str:
    if min(train) <= STILL * train[0] or train[0] <= 0:
        return ""
    return "the train loss hardly moved: the learning rate may be far too low, or far too high"


def _bouncing(train: Sequence[float]) -> str:
    rises = sum(after > 1.02 * before for before, after in pairwise(train))
    if rises * 3 < len(train):
        return ""
    return "the train loss goes up and down from epoch to epoch: try a lower learning rate"


def _heavy(train: Sequence[float], objective: Sequence[float]) -> str:
    """Tell of a penalty that weighs more than the loss can answer for."""
    penalty = objective[-1] - train[-1] if objective else 0.0
    if penalty <= HEAVY * train[-1] or train[-1] < 0.05 * train[0] or not _rests(train):
        return ""
    return (
        f"the train loss rests at {train[-1]:.3g}, and the penalty beside it is {penalty:.3g}: "
        "it holds the net back; try a tenth of its factor"
    )


def _resting(objective: Sequence[float], valid: Sequence[float]) -> str:
    """Tell of a loss that came to rest early and high, as it does under a rate that is too high."""
    if not objective or objective[0] <= 0 or not _rests(objective):
        return ""
    if objective[-1] < 0.05 * objective[0] or (valid and valid[-1] < 0.05 * valid[0]):
        return ""
    return (
        f"the objective came to rest at {objective[-1]:.3g}: try a lower learning rate, or one that falls "
        "(`cosine`), or a larger net"
    )


def _has_learned(history: Sequence[Record]) -> bool:
    accuracy = _curve(history, "train", "accuracy")
    return bool(accuracy) and accuracy[-1] >= LEARNED


def _rests(curve: Sequence[float]) -> bool:
    half = len(curve) // 2
    return min(curve[half:]) > FLAT * min(curve[:half])


def _overfitting(train: Sequence[float], valid: Sequence[float]) -> str:
    best = valid.index(min(valid)) + 1 if valid else 0
    if best == 0 or valid[-1] <= RISEN * min(valid) or train[-1] >= 0.9 * train[best - 1]:
        return ""
    return (
        f"the valid loss was lowest in epoch {best} and rose after it while the train loss fell: the net "
        "overfits; try dropout, a penalty, more data or `stop = early(valid.loss)`"
    )


def _unfinished(curve: Sequence[float], reason: Reason) -> str:
    tail = max(2, len(curve) // 10)
    if reason != "finished" or len(curve) <= tail or min(curve[-tail:]) > GAINING * min(curve[:-tail]):
        return ""
    return "the loss was still falling at the end: more epochs may help"


def _curve(history: Sequence[Record], part: str, figure: str) -> list[float]:
    figures = [each.get(part) for each in history]
    values = [each.get(figure) for each in figures if isinstance(each, dict)]
    return [float(each) for each in values if isinstance(each, (int, float))]
