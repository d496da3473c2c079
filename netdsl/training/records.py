"""What a training tells while it runs and when it ends."""

import math
from collections.abc import Mapping
from pathlib import Path

from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.experiment import TargetStop
from netdsl.training.executable import Values
from netdsl.training.measure import Figures
from netdsl.training.stopping import Reason

Record = Mapping[str, object]
"""What one line of JSON holds."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known before the first step. `epochs` and `steps` are the full length, `resumed` the epoch
    (from 1) in which an earlier run is continued."""

    name: str
    epochs: int
    steps: int
    rows: Mapping[str, int]
    columns: tuple[str, ...]
    """The figures that each epoch tells, as "valid.loss", tables left out."""
    folder: Path | None = None
    resumed: int | None = None
    dataless: bool = False
    device: str = "CPU"
    """What the work is done by: "CPU", or the name of a device."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a training stands between two segments; epochs from 1, `loss` the mean of the epoch so far."""

    epoch: int
    step: int
    position: int
    length: int
    loss: float


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """The end of an epoch: figures by part, the learning rate of its last step, seconds since the start."""

    epoch: int
    step: int
    seconds: float
    parts: Mapping[str, Figures]
    rate: float | None
    best: bool

    def figures(self) -> dict[str, float]:
        """Return the numbers by full name, "valid.loss"."""
        return full_names(self.parts)

    def record(self) -> dict[str, object]:
        """Return the line of the history, without `event`."""
        parts = {name: plain_figures(figures) for name, figures in self.parts.items()}
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 4),
            "lr": self.rate,
            **parts,
            "best": self.best,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A training that has ended; `parts` are the figures of the weights it ended with.

    `epoch` tells whose weights these are (from 1), `weights` is their file.
    """

    reason: Reason
    epochs: int
    steps: int
    epoch: int
    seconds: float
    parts: Mapping[str, Figures]
    history: tuple[Record, ...]
    values: Values
    digest: str
    folder: Path | None = None
    weights: Path | None = None
    signal: int | None = None
    unmet: tuple[TargetStop, ...] = ()
    advice: tuple[str, ...] = field(default=())

    def record(self) -> dict[str, object]:
        """Return the last record of `--json`."""
        return {
            "event": "result",
            **{name: plain_figures(figures) for name, figures in self.parts.items()},
            "epochs": self.epochs,
            "steps": self.steps,
            "stopped": self.reason,
            "epoch": self.epoch,
            "seconds": round(self.seconds, 4),
            "weights": None if self.weights is None else str(self.weights),
            "digest": self.digest,
        }


def full_names(parts: Mapping[str, Figures]) -> dict[str, float]:
    """Return the numbers of all parts as "valid.loss"; tables are left out."""
    return {
        f"{part}.{name}": value
        for part, figures in parts.items()
        for name, value in figures.items()
        if isinstance(value, float)
    }


def plain_figures(figures: Figures) -> dict[str, object]:
    """Return figures as JSON has them: what is not a finite number is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }
