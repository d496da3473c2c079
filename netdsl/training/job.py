"""All that a training is handed, and how long it is."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import Figure, TrainingPlan
from netdsl.training.executable import Inspect, Part, Programs, Values
from netdsl.training.schedules import Schedule

SAMPLE = 10_000
"""Rows of the train part on which metrics are measured after each epoch, unless told otherwise."""

REPORTS = 100
"""A training without data is cut into about so many pieces, which are told as epochs."""

Order: TypeAlias = Callable[[int], NDArray[np.int64]]
"""The rows of an epoch (from 0), in the order in which they are taken."""

Rate: TypeAlias = Callable[[Mapping[str, float]], float]
"""The learning rate from the scalars of a step."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A training, ready to run.

    `start` has every weight, state and fitted figure by name; what the training program does not keep of
    it stays as it is. `parts` and `order` are empty for a model without data. `sample` is the number of
    rows of the train part on which metrics are measured after an epoch: None for all, 0 for none. `device` is
    the name of what the programs run on.
    """

    name: str
    plan: TrainingPlan
    figures: tuple[Figure, ...]
    programs: Programs
    start: Values
    parts: Mapping[str, Part]
    order: Order | None = None
    schedules: tuple[Schedule, ...] = ()
    rate: Rate | None = None
    inspect: Inspect | None = None
    sample: int | None = SAMPLE
    device: str = "CPU"


@dataclass(frozen=True, slots=True)
class Length:
    """The length of a training: entries of an epoch's order, entries of a batch, steps and epochs in all."""

    entries: int
    batch: int
    steps: int
    epochs: int

    @property
    def per_epoch(self) -> int:
        """Return the steps of a whole epoch; the last batch may be short."""
        return -(-self.entries // self.batch)

    def steps_of(self, epoch: int) -> int:
        """Return the steps of an epoch (from 0): fewer in the last one where the length is given in steps."""
        return min(self.per_epoch, self.steps - epoch * self.per_epoch)


def length_of(job: Job) -> Length:
    """Return the length of a training. Without data a step is an entry, and an epoch is a piece to report."""
    plan = job.plan
    if job.order is None:
        piece = max(1, -(-plan.length // REPORTS))
        return Length(piece, 1, plan.length, -(-plan.length // piece))
    entries = len(job.order(0))
    batch = entries if plan.batch is None else min(plan.batch, entries)
    per_epoch = -(-entries // batch)
    if plan.measure == "steps":
        return Length(entries, batch, plan.length, -(-plan.length // per_epoch))
    return Length(entries, batch, plan.length * per_epoch, plan.length)
