"""Runs a graph on the CPU and in the oracle, and compares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.compiler import CPU
from netdsl.compiler import program_of as compiled
from netdsl.graph import Graph, Run, evaluate, evaluate_updates, is_batched
from netdsl.passes.legalize import legalize
from netdsl.program import Program, Target
from netdsl.runtime.executable import Executable

Arrays = Mapping[str, NDArray[Any]]


def program_of(graph: Graph, name: str = "test", batch: int | None = None, target: Target = CPU) -> Program:
    """Return the program of a graph, for batches of so many rows where that is known."""
    return compiled(legalize(graph), name, target, rows=batch)


def start_of(graph: Graph, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Return random values of a graph's weights and states, such as float32 has."""
    leaves = {**graph.leaves("weight"), **graph.leaves("state")}
    return {name: rng.normal(size=graph[index].shape).astype(np.float32) for name, index in leaves.items()}


def oracle(
    graph: Graph, kept: Arrays, fields: Arrays, rows: int, **run: Any
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return the outputs and updates of one step in float64."""
    leaves: dict[tuple[str, str], NDArray[Any]] = {}
    for kind in ("weight", "state"):
        leaves.update({(kind, name): kept[name].astype(np.float64) for name in graph.leaves(kind)})
    for name, index in graph.leaves("input").items():
        array = fields[name][:rows] if is_batched(graph[index].shape) else fields[name]
        leaves["input", name] = array.astype(np.int64 if graph[index].dtype == "int" else np.float64)
    known = Run(rows, leaves=leaves, **run)
    return evaluate(graph, known), evaluate_updates(graph, known)


def compare(
    graph: Graph,
    fields: Arrays,
    rows: int,
    *,
    kept: Arrays | None = None,
    threads: int = 1,
    tolerance: float = 1e-5,
    scalars: Mapping[str, float] | None = None,
    step: int = 0,
    seed: int = 0,
    batch: int | None = None,
    target: Target = CPU,
) -> Executable:
    """Run one step of so many rows and check each output and update against the oracle."""
    kept = kept if kept is not None else start_of(graph, np.random.default_rng(3))
    executable = Executable(program_of(graph, batch=batch, target=target), threads, guard=16)
    for name, value in kept.items():
        if name in executable.names():
            executable.write(name, value)
    executable.bind(fields)
    given = executable.run(np.arange(rows), rows, scalars=scalars or {}, step=step, seed=seed)
    outputs, updates = oracle(graph, kept, fields, rows, scalars=scalars or {}, step=step, seed=seed)
    for name, value in outputs.items():
        close(given[name].reshape(value.shape), value, tolerance, name)
    for name, value in updates.items():
        close(executable.read(name), value, tolerance, name)
    return executable


def close(have: NDArray[Any], want: NDArray[Any], tolerance: float, name: str) -> None:
    """Check that values agree, relative to the largest of them."""
    assert have.shape == want.shape, name
    finite = want[np.isfinite(want)]
    size = max(1.0, float(np.max(np.abs(finite), initial=0.0)))
    np.testing.assert_allclose(have, want, rtol=tolerance, atol=tolerance * size, err_msg=name)
