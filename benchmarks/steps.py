"""Training steps: losses compared first, then times in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparing import apart
from benchmarks.kinds import OURS
from benchmarks.turns import Asked, PeerError, folder_of, in_turns
from benchmarks.workloads import Workload

TURN = 0.15
"""Seconds that netdsl's turn takes, about: as many steps as fit, and peers take as many."""

COMPARED, SECONDS = 100, 8.0
"""Steps whose losses are compared if netdsl makes them in this time: else as many as it does, at least 20."""

Say = Callable[[str], None]
Record = dict[str, Any]


def measure(workload: Workload, workers: Mapping[str, Asked], rounds: int, parent: Path, say: Say) -> Record:
    """Return the milliseconds of a step of all that do the same work, and how far their losses are apart."""
    folder = folder_of(workload.name, parent)
    ours = workers[OURS.label]
    load = {"do": "load", "workload": workload.name, "folder": str(folder)}
    ours.ask(**load, rate=0.0)
    ours.ask(do="time", steps=2)
    step = ours.ask(do="time", steps=2)["seconds"] / 2
    piece = max(2, min(200, round(TURN / step)))
    compared = min(COMPARED, max(20, round(SECONDS / step)))
    ours.ask(**load, rate=0.0)
    mine = ours.ask(do="losses", steps=compared, piece=piece)
    record: Record = {"steps": piece, "compared": {}, "problems": {}, "ms": {}, "ratios": {}}
    fair: dict[str, Asked] = {}
    for label, worker in workers.items():
        if label == OURS.label:
            continue
        try:
            worker.ask(**load, rate=0.0)
            theirs = worker.ask(do="losses", steps=compared, piece=piece)
            found = apart(mine["objective" if theirs["penalized"] else "losses"], theirs["losses"])
            if not found.same_work:
                raise PeerError(f"{label} does other work: {found}")
            if workload.dropout:
                worker.ask(**load, rate=workload.dropout)
            record["compared"][label] = asdict(found)
            fair[label] = worker
        except PeerError as problem:
            record["problems"][label] = str(problem)
            say(f"  left out: {problem}")
    if workload.dropout:
        ours.ask(**load, rate=workload.dropout)
    turns = in_turns(timed(ours, piece), {label: timed(each, piece) for label, each in fair.items()}, rounds)
    own = [mine for pairs in turns.values() for _, mine in pairs]
    record["ms"][OURS.label] = [1e3 * each / piece for each in own]
    for label, pairs in turns.items():
        record["ms"][label] = [1e3 * theirs / piece for theirs, _ in pairs]
        record["ratios"][label] = [theirs / mine for theirs, mine in pairs]
    return {**record, **ours.ask(do="figures")}


def timed(worker: Asked, steps: int) -> Callable[[], float]:
    """Return a turn of so many steps, which returns its seconds."""

    def turn() -> float:
        return float(worker.ask(do="time", steps=steps)["seconds"])

    return turn
