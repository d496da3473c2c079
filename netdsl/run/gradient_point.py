"""The point at which gradients are checked: weights, and a small batch of the file's own data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.graph import Graph, Run, count, evaluate, is_batched
from netdsl.lazy_dataclass import dataclass
from netdsl.run.start import overlaid

if TYPE_CHECKING:
    from netdsl.program import Program
    from netdsl.run.opening import Opened
    from netdsl.semantics.experiment import Experiment
    from netdsl.training.executable import Values

PREPARED: Final = "prepared/"

ROWS: Final = 8
"""Rows that are enough to compare gradients on."""

LEAST: Final = 2
NUMBERS: Final = 1_000_000
"""So many numbers are worked out for one value of the objective, if that leaves the least rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """What a graph of an objective is evaluated at, and in words where that came from."""

    run: Run
    values: Mapping[str, NDArray[np.float64]]
    """Weights and states by name."""
    weights_from: str
    rows_from: str

    def compiled(self, program: Program) -> dict[str, NDArray[np.float32]]:
        """Return the gradients that a compiled program gives at this point, by weight."""
        from netdsl.runtime import Executable

        run = self.run
        executable = Executable(program, 1)
        for name in executable.names():
            executable.write(name, self.values[name].astype(np.float32))
        executable.bind({name: array for (kind, name), array in run.leaves.items() if kind == "input"})
        order = np.arange(run.rows, dtype=np.int64)
        told = executable.run(order, run.rows, step=run.step, seed=run.seed, scalars=run.scalars)
        executable.close()
        return {name.removeprefix("gradient/"): np.asarray(each[0]) for name, each in told.items()}


def point_of(opened: Opened, rows: int | None, weights: Path | None, graph: Graph) -> Point:
    """Return the point: weights at their start, or as a file has them, and the first rows of an epoch.

    Errors: those of reading the weights; E0838 for data without rows to train on.
    """
    from netdsl.run.training import start_values

    experiment, dataset = opened.experiment, opened.dataset
    train = dataset.part("train") if dataset is not None and dataset.schema.rows.get("train") else {}
    start = start_values(opened, {"train": train})
    told = "the initial weights"
    if weights is not None:
        start, told = _trained(start, weights)
    values = {name: np.asarray(each, np.float64) for name, each in start.items()}
    fields, number, rows_from = _rows(opened, train, rows or _few(graph))
    leaves = {("input", name): each for name, each in fields.items()}
    for name, each in values.items():
        leaves["weight", name] = leaves["state", name] = each
    examples = len(next(iter(train.values()))) if train else 1
    run = Run(number, experiment.training.seed, 0, scalars_of_first_step(experiment, examples), leaves)
    return Point(_prepared(experiment, run), values, told, rows_from)


def _few(graph: Graph) -> int:
    """Return how many rows are enough to compare on, fewer where a row is much work."""
    return max(LEAST, min(ROWS, NUMBERS // max(1, numbers_of_a_row(graph))))


def numbers_of_a_row(graph: Graph) -> int:
    """Return how many numbers are worked out for each row."""
    return sum(count(graph[index].shape) for index in graph if is_batched(graph[index].shape))


def _trained(start: dict[str, NDArray[np.float32]], path: Path) -> tuple[dict[str, NDArray[np.float32]], str]:
    from netdsl.run.checkpoint import weights_file
    from netdsl.training.checkpoints import load_checkpoint

    found = weights_file(path)
    checkpoint = load_checkpoint(found)
    values, taken, differing = overlaid(start, checkpoint.values)
    if differing or not taken:
        what = f"`{differing[0]}` has another shape" if differing else "none of the weights"
        message = f"`{found}` has {what} of this model" if not differing else f"{what} in `{found}`"
        cure = "give weights that were trained with this file"
        raise DiagnosticError([Diagnostic("E0834", message, help=cure)])
    return values, f"the weights of {found}, epoch {checkpoint.counters.epoch}"


def _rows(opened: Opened, train: Values, wanted: int) -> tuple[Values, int, str]:
    """Return the first rows that an epoch would visit, in raw units."""
    from netdsl.data.batches import order
    from netdsl.data.stand_in import StandIn

    if opened.dataset is None:
        return {}, 1, "no data: the model has no inputs"
    there = len(next(iter(train.values()))) if train else 0
    if not there:
        message = "the data has no rows to train on, and gradients are checked on some of them"
        raise DiagnosticError(
            [Diagnostic("E0838", message, help="give `train` a share in `split`")], Exit.DATA
        )
    batch = opened.experiment.training.batch
    number = min(wanted, there, batch or there)
    chosen = order(there, opened.experiment.training.seed, 0)[:number]
    told = f"the first {number} rows" if number > 1 else "the first row"
    name = opened.dataset.schema.name
    drawn = f"drawn pictures in place of `{name}`, whose files are not here"
    told = f"{told} of {drawn}" if isinstance(opened.dataset, StandIn) else f"{told} of epoch 1 of `{name}`"
    return {name: each[chosen] for name, each in train.items()}, number, told


def scalars_of_first_step(experiment: Experiment, examples: int) -> dict[str, float]:
    """Return the scalars of the first step."""
    plan = experiment.training
    batch = plan.batch or examples
    a_pass = max(1, -(-examples // batch))
    epochs = plan.length if plan.measure == "epochs" else max(1, plan.length // a_pass)
    steps = plan.length if plan.measure == "steps" else plan.length * a_pass
    known = {"training": 1.0, "epoch": 0.0, "epochs": epochs, "steps": steps, "examples": examples}
    return {
        **{name: float(each) for name, each in known.items()},
        **{each.name: each.start for each in experiment.schedules},
    }


def _prepared(experiment: Experiment, run: Run) -> Run:
    """Add the scaled fields, worked out in float64."""
    graph = experiment.graph
    names = [name for name in graph.outputs if name.startswith(PREPARED)]
    if not names:
        return run
    scaled = evaluate(graph, run, names)
    leaves = {**run.leaves, **{("input", name): each for name, each in scaled.items()}}
    return Run(run.rows, run.seed, run.step, run.scalars, leaves)
