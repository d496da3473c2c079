"""From the start of a process to the end of its first training step, with empty and with full caches."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kinds import OURS
from benchmarks.ours import Ours
from benchmarks.turns import THREAD_COUNTS, PeerError, finished
from benchmarks.workloads import Workload

WORKLOADS = "w1", "w6"


def prepare(workload: Workload, folder: Path) -> None:
    """Write a batch of rows and the initial weights, as `benchmarks.once` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = Ours(workload, workload.dropout, 1, folder)
    ours.keep(folder)
    with np.load(folder / "rows.npz") as found:
        rows = {name: each[: workload.batch] for name, each in found.items()}
    raw = np.asarray(ours.part.prepared["image"][: workload.batch])
    np.savez(folder / "batch.npz", raw=raw, **rows)
    ours.engine.close()


def measure(
    workload: Workload, labels: Sequence[str], threads: int, rounds: int, folder: Path
) -> dict[str, Any]:
    """Return the seconds of processes in turns, each round with a cache of its own, empty at first.

    Errors: PeerError for a problem of netdsl's; one of a peer's is kept among `problems`.
    """
    prepare(workload, folder)
    record: dict[str, Any] = {label: {"cold": [], "warm": []} for label in labels}
    problems: dict[str, str] = {}
    for _ in range(rounds):
        for label in [each for each in labels if each not in problems]:
            try:
                with tempfile.TemporaryDirectory() as cache:
                    for state in ("cold", "warm"):
                        seconds = first_step(label, workload, folder, threads, cache)
                        record[label][state].append(seconds)
            except PeerError as problem:
                if label == OURS.label:
                    raise
                problems[label] = str(problem)
                del record[label]
    return {**record, "problems": problems}


def first_step(label: str, workload: Workload, folder: Path, threads: int, cache: str) -> float:
    """Return the seconds from the start of a process to the end of its first step.

    Errors: PeerError.
    """
    command = ["benchmarks.once", label, workload.name, str(folder), str(threads)]
    begun = time.time()  # the one clock that both processes read
    return float(finished(label, command, environment(cache, threads)).split()[-1]) - begun


def environment(cache: str, threads: int) -> dict[str, str]:
    """Return the environment of a run: bytecode is kept, as after installing, compiled code in `cache`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        **dict.fromkeys(THREAD_COUNTS, str(threads)),
        "NETDSL_CACHE_DIR": f"{cache}/netdsl",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
    }
