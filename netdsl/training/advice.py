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

GAINING = 0.98
"""A valid loss that fell below this share within the last tenth of the epochs was still falling."""


def advise(history: Sequence[Record], parts: Mapping[str, Figures], reason: Reason) -> tuple[str, ...]:
    """Return sentences on what to try, by the rules of thumb of the courses."""
    if len(history) < EPOCHS or reason == "interrupted":
        return ()
    train, valid = _curve(history, "train", "loss"), _curve(history, "valid", "loss")
    rules = (_stuck(train), _bouncing(train), _overfitting(train, valid), _unfinished(valid or train, reason))
    return tuple(each for each in rules if each)


def _stuck(train: Sequence[float]) -> str:
    if not train or min(train) <= STILL * train[0] or train[0] <= 0:
        return ""
    return (
        "the train loss hardly moved: the learning rate may be far too low or far too high, or the penalty "
        "may outweigh the loss (compare `loss` and `objective`)"
    )


def _bouncing(train: Sequence[float]) -> str:
    rises = sum(after > 1.02 * before for before, after in pairwise(train))
    if rises * 3 < len(train) or len(train) < EPOCHS:
        return ""
    return "the train loss goes up and down from epoch to epoch: a lower learning rate may help"


def _overfitting(train: Sequence[float], valid: Sequence[float]) -> str:
    best = valid.index(min(valid)) + 1 if valid else 0
    if best == 0 or valid[-1] <= RISEN * min(valid) or train[-1] >= train[best - 1]:
        return ""
    return (
        f"the valid loss was lowest in epoch {best} and rose after it while the train loss fell: the net "
        "overfits; try dropout, a penalty, more data or `stop = early(valid.loss)`"
    )


def _unfinished(curve: Sequence[float], reason: Reason) -> str:
    tail = max(2, len(curve) // 10)
    if reason != "finished" or len(curve) < tail + 1 or curve[-1] > GAINING * curve[-1 - tail]:
        return ""
    return "the loss was still falling at the end: more epochs may help"


def _curve(history: Sequence[Record], part: str, figure: str) -> list[float]:
    figures = [each.get(part) for each in history]
    values = [each.get(figure) for each in figures if isinstance(each, dict)]
    return [float(each) for each in values if isinstance(each, (int, float))]
