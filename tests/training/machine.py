"""A program written by hand in NumPy: softmax regression with momentum. The trainer sees no difference."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from netdsl.semantics.experiment import Figure, Stop, TrainingPlan
from netdsl.training.executable import Part, Programs, Values
from netdsl.training.job import Job
from netdsl.training.schedules import Schedule

FEATURES, CLASSES, ROWS = 5, 3, 70
ACCURACY = Figure("accuracy", "example", "higher")
ERRORS = Figure("errors", "whole", "lower")


class Softmax:
    """Trains with momentum, or evaluates; `noise` makes the steps depend on the seed and the step."""

    def __init__(self, *, trains: bool, noise: float = 0.0) -> None:
        self.trains = trains
        self.noise = noise
        self.values: dict[str, NDArray[np.float32]] = {"m/w": np.zeros((FEATURES, CLASSES), np.float32)}
        if trains:
            self.values["m/w@v"] = np.zeros((FEATURES, CLASSES), np.float32)
        self.fields: Values = {}
        self.before_run: Callable[[], None] = lambda: None
        self.segments: list[int] = []

    def names(self) -> tuple[str, ...]:
        return tuple(self.values)

    def read(self, name: str) -> NDArray[np.generic]:
        return self.values[name].copy()

    def write(self, name: str, value: NDArray[np.generic]) -> None:
        assert value.shape == self.values[name].shape
        self.values[name] = value.astype(np.float32)

    def bind(self, fields: Values) -> None:
        self.fields = fields

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        *,
        step: int = 0,
        seed: int = 0,
        scalars: Mapping[str, float] | None = None,
    ) -> Values:
        self.before_run()
        pieces = [order[at : at + batch] for at in range(0, len(order), batch)]
        self.segments.append(len(pieces))
        with np.errstate(all="ignore"):
            results = [self._step(rows, step + k, seed, scalars or {}) for k, rows in enumerate(pieces)]
        join = np.array if self.trains else np.concatenate
        return {name: join([each[name] for each in results]) for name in results[0]}

    def _step(self, rows: NDArray[np.int64], step: int, seed: int, scalars: Mapping[str, float]) -> Values:
        x = self.fields["x"][rows].astype(np.float32)
        labels = self.fields["label"][rows]
        if self.trains and self.noise:
            x = x + self.noise * np.random.default_rng([seed, step]).standard_normal(x.shape, np.float32)
        scores = x @ self.values["m/w"]
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(rows)), labels])
        if not self.trains:
            right = (p.argmax(axis=1) == labels).astype(np.float32)
            return {"loss": loss, "figure/accuracy": right, "output/y": p}
        p[np.arange(len(rows)), labels] -= 1
        rate = np.float32(scalars.get("lr", 0.1))
        self.values["m/w@v"] = np.float32(0.9) * self.values["m/w@v"] - rate * (x.T @ p) / len(rows)
        self.values["m/w"] = self.values["m/w"] + self.values["m/w@v"]
        return {"loss": loss.mean(), "objective": loss.mean() + 1}

    def close(self) -> None:
        self.fields = {}


class CountErrors:
    """The figure that sees a whole part: how many rows are wrong."""

    def __init__(self) -> None:
        self.fields: Values = {}

    def names(self) -> tuple[str, ...]:
        return ()

    def read(self, name: str) -> NDArray[np.generic]:
        raise KeyError(name)

    def write(self, name: str, value: NDArray[np.generic]) -> None:
        raise KeyError(name)

    def bind(self, fields: Values) -> None:
        self.fields = fields

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        *,
        step: int = 0,
        seed: int = 0,
        scalars: Mapping[str, float] | None = None,
    ) -> Values:
        assert batch == len(order)
        wrong = self.fields["y"][order].argmax(axis=1) != self.fields["label"][order]
        return {"figure/errors": np.array([wrong.sum()])}

    def close(self) -> None:
        self.fields = {}


def part(rows: int, seed: int) -> Part:
    """Return rows of three overlapping clusters."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, rows).astype(np.int32)
    x = (random.standard_normal((rows, FEATURES)) + 1.5 * np.eye(CLASSES, FEATURES)[labels]).astype(
        np.float32
    )
    fields = {"x": x, "label": labels}
    return Part(rows, fields, fields)


def job(
    *,
    epochs: int = 6,
    batch: int | None = 16,
    stops: tuple[Stop, ...] = (),
    noise: float = 0.3,
    schedules: tuple[Schedule, ...] = (),
    measure: str = "epochs",
    valid: bool = True,
    sample: int | None = 40,
) -> Job:
    """Return a small training with everything that a run has to remember."""
    training = Softmax(trains=True, noise=noise)
    parts = {"train": part(ROWS, 1), "valid": part(30, 2), "test": part(20, 3)}
    if not valid:
        del parts["valid"]
    training.bind(parts["train"].prepared)
    plan = TrainingPlan(
        "train", batch, epochs, "steps" if measure == "steps" else "epochs", seed=5, stops=stops
    )
    return Job(
        name="clusters",
        plan=plan,
        figures=(ACCURACY, ERRORS),
        programs=Programs(training, Softmax(trains=False), CountErrors()),
        start={
            "m/w": np.zeros((FEATURES, CLASSES), np.float32),
            "m/w@v": np.zeros((FEATURES, CLASSES), np.float32),
            "scale/mean": np.ones(FEATURES, np.float32),
        },
        parts=parts,
        order=lambda epoch: np.random.default_rng([7, epoch]).permutation(ROWS).astype(np.int64),
        schedules=schedules,
        sample=sample,
    )
