"""Trains a file twice: by the CPU's executable, and in float64 by the meaning of the training graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Graph, Run
from netdsl.graph.evaluate import evaluate, evaluate_updates
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import job_of, parts_of
from netdsl.training.job import Job

Numbers = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Course:
    """Some steps of a training: the objective before each of them, and all that is kept after the last."""

    objectives: NDArray[np.float64]
    kept: Numbers


class Twin:
    """A file that is opened and compiled, with its rows and the weights that it starts from."""

    def __init__(self, path: Path, threads: int = 1, **overrides: str) -> None:
        opened = open_file(path, Options(overrides))
        self.experiment = opened.experiment
        self.engine = Engine(opened.experiment, threads)
        self.job: Job = job_of(opened, self.engine, parts_of(opened.dataset), None)
        self.graph: Graph = self.engine.compiled.graphs["training"]
        part = self.job.parts.get("train")
        self.rows = part.rows if part else 1
        self.fields: Numbers = (
            {name: np.asarray(each) for name, each in part.prepared.items()} if part else {}
        )

    def batches(self, steps: int) -> list[NDArray[np.int64]]:
        """Return the rows of each step, of as many epochs as there need be."""
        if self.job.order is None:
            return [np.arange(1)] * steps
        batch = self.experiment.training.batch or self.rows
        found: list[NDArray[np.int64]] = []
        while len(found) < steps:
            order = self.job.order(0)
            found += [order[at : at + batch] for at in range(0, len(order), batch)]
        return found[:steps]

    def scalars(self) -> dict[str, float]:
        """Return the numbers of a step, in the first epoch of a training of a hundred."""
        held = {each.name: each.start for each in self.experiment.schedules}
        return {"epoch": 0.0, "steps": 500.0, "epochs": 100.0, "examples": float(self.rows), **held}

    def executed(self, steps: int) -> Course:
        """Train on the CPU."""
        program = self.engine.executable("training")
        assert program is not None
        for name in program.names():
            program.write(name, self.job.start[name])
        program.bind(self.fields)
        found = []
        for step, rows in enumerate(self.batches(steps)):
            told = program.run(
                rows, len(rows), step=step, seed=self.experiment.training.seed, scalars=self.scalars()
            )
            found.append(float(told["objective"][0]))
        return Course(np.array(found), {name: program.read(name) for name in program.names()})

    def meant(self, steps: int, kind: type[Any] = np.float64) -> Course:
        """Train as the graph says, each value rounded to `kind`."""
        kept: Numbers = {name: np.asarray(each, kind) for name, each in self.job.start.items()}
        found = []
        for step, rows in enumerate(self.batches(steps)):
            run = self.run(kept, rows, step)
            found.append(float(evaluate(self.graph, run, ["objective"], kind)["objective"]))
            kept.update(evaluate_updates(self.graph, run, kind))
        return Course(np.array(found), {name: kept[name] for name in self.kept()})

    def kept(self) -> list[str]:
        """Return the names of the weights and states that the training graph reads or changes."""
        return sorted({*self.graph.leaves("weight"), *self.graph.leaves("state"), *self.graph.updates})

    def run(self, kept: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], step: int) -> Run:
        """Return all that an evaluation of one step reads."""
        leaves = {("input", name): each[rows] for name, each in self.fields.items()}
        for name, each in kept.items():
            leaves["weight", name] = leaves["state", name] = each
        return Run(len(rows), self.experiment.training.seed, step, self.scalars(), leaves)

    def close(self) -> None:
        self.engine.close()


def differences(ours: Course, other: Course) -> dict[str, float]:
    """Return how far two courses are apart: of each kept array, by its greatest number."""
    pairs = {"objective": (ours.objectives, other.objectives)}
    pairs |= {name: (ours.kept[name], other.kept[name]) for name in other.kept}
    return {name: _apart(a, b) for name, (a, b) in pairs.items()}


def _apart(ours: NDArray[Any], other: NDArray[Any]) -> float:
    if not np.array_equal(np.isfinite(ours), np.isfinite(other)):
        return float("inf")
    fine = np.isfinite(other)
    scale = 1e-2 + float(np.abs(other[fine]).max(initial=0.0))
    return float(np.abs(ours[fine] - other[fine]).max(initial=0.0)) / scale
