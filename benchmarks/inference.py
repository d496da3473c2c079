"""Answers of a trained model: one row at a time, and 1,024."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.kinds import OURS
from benchmarks.steps import TURN, Record, Say
from benchmarks.turns import Asked, PeerError, folder_of, in_turns, own_times
from benchmarks.workloads import Workload

WORKLOADS = "w1", "w5", "w6"
BATCHES = 1, 1024
APART = 1e-4
"""How far probabilities may differ."""


def measure(
    workload: Workload, batch: int, workers: Mapping[str, Asked], rounds: int, parent: Path, say: Say
) -> Record:
    """Return the milliseconds of a batch, of all who answer the same; each call is handed its rows."""
    load = {"do": "load", "workload": workload.name, "folder": str(folder_of(workload.name, parent))}
    ours = workers[OURS.label]
    ours.ask(**load, rate=0.0)
    expected = np.asarray(ours.ask(do="infer", batch=batch, calls=1)["outputs"])
    one = ours.ask(do="infer", batch=batch, calls=2)["seconds"] / 2
    calls = max(2, min(500, 20_000 // batch, round(TURN / one)))
    record: Record = {"calls": calls, "problems": {}, "ms": {}, "ratios": {}}
    fair: dict[str, Callable[[], float]] = {}
    for label, worker in workers.items():
        if label == OURS.label:
            continue
        try:
            worker.ask(**load, rate=0.0)
            found = np.asarray(worker.ask(do="infer", batch=batch, calls=1)["outputs"])
            off = float(np.abs(found - expected).max())
            if not off <= APART:
                raise PeerError(f"{label} answers otherwise: probabilities differ by {off:.1e}")
            fair[label] = _timed(worker, batch, calls)
        except PeerError as problem:
            record["problems"][label] = str(problem)
            say(f"  left out: {problem}")
    turn = _timed(ours, batch, calls)
    turns = in_turns(turn, fair, rounds)
    record["ms"][OURS.label] = [1e3 * mine / calls for mine in own_times(turns, turn, rounds)]
    for label, pairs in turns.items():
        record["ms"][label] = [1e3 * theirs / calls for theirs, _ in pairs]
        record["ratios"][label] = [theirs / mine for theirs, mine in pairs]
    return record


def _timed(worker: Asked, batch: int, calls: int) -> Callable[[], float]:
    def turn() -> float:
        return float(worker.ask(do="infer", batch=batch, calls=calls)["seconds"])

    return turn
