"""A step of a whole model, from random rows and random weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import Graph, is_batched, sized
from netdsl.lowering.bounds import below
from netdsl.run.opening import open_file
from netdsl.run.options import Options

MODELS = Path(__file__).resolve().parents[2] / "models"

SCALARS: Final = {"epoch": 0.0, "epochs": 4.0, "steps": 40.0, "examples": 100.0}


@dataclass(frozen=True, slots=True, eq=False)
class ModelStep:
    """The graph of a training step, the rows that it reads, and what it begins with."""

    graph: Graph
    fields: dict[str, NDArray[Any]]
    values: dict[str, NDArray[Any]]


def model_step(name: str, rows: int) -> ModelStep:
    """Make a step of so many rows of a model in `models/`."""
    experiment = open_file(MODELS / f"{name}.net", Options(stand_in=True)).experiment
    graph = compile_experiment(experiment).graphs["training"]
    rng = np.random.default_rng(5)
    fields: dict[str, NDArray[Any]] = {}
    for field, index in graph.leaves("input").items():
        shape = sized(graph[index].shape, rows) if is_batched(graph[index].shape) else graph[index].shape
        bound = below(graph, index)
        fields[field] = rng.normal(size=shape) if bound is None else rng.integers(0, bound, shape)
    values = {path: np.abs(rng.normal(size=graph[index].shape)) * 0.1 for path, index in graph.kept().items()}
    return ModelStep(graph, fields, values)
