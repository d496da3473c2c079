"""Runs the kernels of some work, each in a simulator."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Graph, Run, evaluate, is_batched
from netdsl.kernels.cuda.kernel import Work
from netdsl.program import count_of

Floats = NDArray[np.float32]


def numbers(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.normal(size=shape).astype(np.float32)


def run(
    work: Work, result: int, arrays: Mapping[str, NDArray[Any]], rows: int = 1, kind: Any = np.float32
) -> Any:
    """Run work on flat copies of arrays; return the buffer `result`, of so many elements."""
    match os.environ.get("NETDSL_TEST_CUDA"):
        case "simulator":
            from tests.cuda.numba_simulator import simulate
        case "device":
            from tests.cuda.on_device import simulate
        case _:
            from netdsl.kernels.cuda.simulation import simulate
    unknown = np.nan if kind is np.float32 else -99
    flat = {name: np.ascontiguousarray(each).reshape(-1).copy() for name, each in arrays.items()}
    scratch = int(count_of(work.scratch).value({"rows": rows}))
    flat.update(result=np.full(result, unknown, kind), scratch=np.full(scratch, np.nan, np.float32))
    for kernel in work.kernels:
        simulate(kernel, flat, rows)
    return flat["result"]


def oracle(graph: Graph, fields: Mapping[str, NDArray[Any]], rows: int) -> NDArray[Any]:
    """Return the output `y` of a graph in float64."""
    leaves: dict[tuple[str, str], NDArray[Any]] = {}
    for name, index in graph.leaves("input").items():
        array = fields[name][:rows] if is_batched(graph[index].shape) else fields[name]
        leaves["input", name] = array.astype(np.int64 if graph[index].dtype == "int" else np.float64)
    return evaluate(graph, Run(rows, leaves=leaves))["y"]
