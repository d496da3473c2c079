"""When a training ends before its length is up, and which of its epochs was the best."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import EarlyStop, Figure, Stop, TargetStop, TimeStop

Reason: TypeAlias = Literal["finished", "early", "target", "time", "interrupted"]
Better: TypeAlias = Literal["lower", "higher"]


@dataclass(slots=True)
class Watch:
    """A figure that is watched: its best value, and the epoch (from 1) that had it."""

    figure: str
    better: Better
    minimum_change: float = 0.0
    best: float | None = None
    epoch: int = 0

    def see(self, value: float, epoch: int) -> bool:
        """Take an epoch's value; tell whether it is the best so far. What is not a number never is."""
        if math.isnan(value) or not (self.best is None or self._improves(value, self.best)):
            return False
        self.best, self.epoch = value, epoch
        return True

    def _improves(self, value: float, best: float) -> bool:
        gain = best - value if self.better == "lower" else value - best
        return gain > self.minimum_change


class Stopping:
    """The stops of a plan, with the memory they need.

    `best` is what decides which weights are kept as the best: the first early stop's figure; without one
    the loss on valid, or on train where there is no valid part.
    """

    def __init__(self, stops: Sequence[Stop], figures: Sequence[Figure], parts: Sequence[str]) -> None:
        self._directions = {each.name: each.better for each in figures}
        self._early = [each for each in stops if isinstance(each, EarlyStop)]
        self._targets = [each for each in stops if isinstance(each, TargetStop)]
        self._times = [each for each in stops if isinstance(each, TimeStop)]
        self._watches = [self._watch(each) for each in self._early]
        fallback = Watch("valid.loss" if "valid" in parts else "train.loss", "lower")
        self.best = self._watches[0] if self._watches else fallback
        self.restores = any(each.restore == "best" for each in self._early)

    def see(self, figures: Mapping[str, float], epoch: int) -> bool:
        """Take the figures ("valid.loss") of an epoch; tell whether it is the best so far."""
        watches = self._watches or [self.best]
        improved = [each.see(figures.get(each.figure, math.nan), epoch) for each in watches]
        return improved[0]

    def decide(self, figures: Mapping[str, float], epoch: int, seconds: float) -> Reason | None:
        """Tell why to stop after an epoch, or None to go on. Several targets must be met together."""
        if self._targets and not self.unmet(figures):
            return "target"
        pairs = zip(self._early, self._watches, strict=True)
        if any(epoch - watch.epoch >= early.patience for early, watch in pairs):
            return "early"
        return "time" if self.late(seconds) else None

    def late(self, seconds: float) -> bool:
        """Tell whether the time is up."""
        return any(seconds >= each.seconds for each in self._times)

    def unmet(self, figures: Mapping[str, float]) -> tuple[TargetStop, ...]:
        """Return the targets that these figures do not meet."""
        return tuple(each for each in self._targets if not self._meets(each, figures))

    def save(self) -> list[list[object]]:
        """Return what a checkpoint keeps."""
        return [[each.best, each.epoch] for each in (self._watches or [self.best])]

    def restore(self, saved: Sequence[tuple[float | None, int]]) -> None:
        """Go back to what `save` returned."""
        for watch, (best, epoch) in zip(self._watches or [self.best], saved, strict=True):
            watch.best, watch.epoch = best, epoch

    def _watch(self, stop: EarlyStop) -> Watch:
        return Watch(f"{stop.part}.{stop.figure}", self._better(stop.figure), stop.minimum_change)

    def _meets(self, stop: TargetStop, figures: Mapping[str, float]) -> bool:
        value = figures.get(f"{stop.part}.{stop.figure}", math.nan)
        return value <= stop.value if self._better(stop.figure) == "lower" else value >= stop.value

    def _better(self, figure: str) -> Better:
        return "higher" if self._directions.get(figure, "lower") == "higher" else "lower"
