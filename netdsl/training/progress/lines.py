"""Reporters that write lines: one for each epoch, as plain text, as a course prints it, or as JSON."""

import json
import math

from netdsl.training.progress.reporter import Quiet, Write
from netdsl.training.records import EpochRecord, Opening


class Plain(Quiet):
    """One line for each epoch, for logs and pipes."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._opening: Opening | None = None

    def begin(self, opening: Opening) -> None:
        """Tell the length, and the epoch that an earlier run is continued in."""
        self._opening = opening
        for line in opening_lines(opening):
            self._write(line)

    def epoch(self, record: EpochRecord) -> None:
        """Write the line of an epoch."""
        assert self._opening is not None
        figures = record.figures()
        shown = [f"{name} {number_text(figures.get(name))}" for name in self._opening.columns]
        rate = [] if record.rate is None else [f"lr {record.rate:.3g}"]
        where = f"epoch {record.epoch}/{self._opening.epochs}"
        if self._opening.dataless:
            where = f"step {record.step}/{self._opening.steps}"
        self._write("  ".join([where, *shown, *rate, f"{record.seconds:.1f} s", *(["best"] * record.best)]))


class Course(Quiet):
    """The epoch line that the courses' training code prints.

    `cost` is the objective's mean over the epoch; `train` and `val` are the accuracy where there is one,
    else the first metric, else the loss.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._epochs = 0
        self._figure = "loss"

    def begin(self, opening: Opening) -> None:
        """Note the length, and which figure is told."""
        self._epochs = opening.epochs
        names = [each.removeprefix("train.") for each in opening.columns if each.startswith("train.")]
        metrics = [each for each in names if each != "loss"]
        self._figure = "accuracy" if "accuracy" in metrics else [*metrics, "loss"][0]

    def epoch(self, record: EpochRecord) -> None:
        """Write the line of an epoch."""
        figures = record.figures()
        cost = figures["train.objective"]
        train = figures.get(f"train.{self._figure}", math.nan)
        valid = figures.get(f"valid.{self._figure}", math.nan)
        rate = math.nan if record.rate is None else record.rate
        self._write(
            f"Finished epoch {record.epoch} / {self._epochs}: cost {cost:f}, train: {train:f}, "
            f"val {valid:f}, lr {rate:e}"
        )


class JsonLines(Quiet):
    """One JSON record a line: `start`, then an `epoch` for each. The caller adds `result`."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def begin(self, opening: Opening) -> None:
        """Write the record of the start."""
        record = {
            "event": "start",
            "name": opening.name,
            "epochs": opening.epochs,
            "steps": opening.steps,
            "rows": dict(opening.rows),
            "folder": None if opening.folder is None else str(opening.folder),
            "resumed": opening.resumed,
            "device": opening.device,
        }
        self._write(json.dumps(record))

    def epoch(self, record: EpochRecord) -> None:
        """Write the record of an epoch."""
        self._write(json.dumps({"event": "epoch", **record.record()}))


def opening_lines(opening: Opening) -> list[str]:
    """Return what is said before the first step."""
    rows = ", ".join(f"{name} {count}" for name, count in opening.rows.items())
    length = f"{opening.steps} steps" if opening.dataless else f"{opening.epochs} epochs"
    where = "the CPU" if opening.device == "CPU" else opening.device
    lines = [f"{opening.name}: {length}" + (f"; rows: {rows}" if rows else "") + f"; on {where}"]
    if opening.resumed is not None:
        lines.append(f"going on in epoch {opening.resumed}")
    return lines


def number_text(value: float | None) -> str:
    """Return a figure as a table shows it."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"
