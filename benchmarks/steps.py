"""Training steps: losses compared first, then times in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.comparing import apart
from benchmarks.kinds import OURS
from benchmarks.turns import Asked, PeerError, folder_of, in_turns, own_times, together
from benchmarks.workloads import Workload

TURN = 0.15
"""Seconds that netdsl's turn takes, about: as many steps as fit, and peers take as many."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many steps a turn has at most, and a comparison."""

    most: int = 200
    least: int = 20
    compared: int = 100
    """Steps whose losses are compared if netdsl makes them in `seconds`: else as many as it does, `least` at
    least."""

    seconds: float = 8.0


CPU = Lengths()
DEVICE = Lengths(most=2000)
"""A step may take 30 microseconds, and a turn has to be long beside what starts and ends it."""

Say = Callable[[str], None]
Record = dict[str, Any]


def measure(
    workload: Workload, workers: Mapping[str, Asked], rounds: int, parent: Path, say: Say,
    lengths: Lengths = CPU, precision: str = "float32",
) -> Record:  # fmt: skip
    """Return the milliseconds of a step of all that do the same work, and how far their losses are apart."""
    folder = folder_of(workload.name, parent)
    ours = workers[OURS.label]
    load = {"do": "load", "workload": workload.name, "folder": str(folder), "precision": precision}
    ours.ask(**load, rate=0.0)
    ours.ask(do="time", steps=2)
    step = ours.ask(do="time", steps=2)["seconds"] / 2
    piece = max(2, min(lengths.most, round(TURN / step)))
    compared = min(lengths.compared, max(lengths.least, round(lengths.seconds / step)))
    ours.ask(**load, rate=0.0)
    mine = ours.ask(do="losses", steps=compared, piece=piece)
    record: Record = {"steps": piece, "compared": {}, "problems": {}, "ms": {}, "ratios": {}}
    peers = {label: worker for label, worker in workers.items() if label != OURS.label}
    # At once only what compiles: many processes whose threads spin would keep each other from their work.
    begin = {"do": "losses", "steps": min(piece, compared), "piece": piece}
    go_on = {"do": "losses", "steps": max(0, compared - piece), "piece": piece, "first": piece}
    fair: dict[str, Asked] = {}
    for label, answers in together(peers, [{**load, "rate": 0.0}, begin]).items():
        try:
            record["compared"][label] = _compared(label, mine, answers, peers[label], go_on, precision)
            fair[label] = peers[label]
        except PeerError as problem:
            record["problems"][label] = str(problem)
            say(f"  left out: {problem}")
    if workload.dropout:
        ours.ask(**load, rate=workload.dropout)
        again = together(fair, [{**load, "rate": workload.dropout}, {"do": "time", "steps": piece}])
        broken = {label: str(found) for label, found in again.items() if isinstance(found, PeerError)}
        record["problems"] |= broken
        fair = {label: worker for label, worker in fair.items() if label not in broken}
    turns = in_turns(timed(ours, piece), {label: timed(each, piece) for label, each in fair.items()}, rounds)
    record["ms"][OURS.label] = [1e3 * each / piece for each in own_times(turns, timed(ours, piece), rounds)]
    for label, pairs in turns.items():
        record["ms"][label] = [1e3 * theirs / piece for theirs, _ in pairs]
        record["ratios"][label] = [theirs / mine for theirs, mine in pairs]
    return {**record, **ours.ask(do="figures")}


def _compared(
    label: str, mine: Record, answers: list[Record] | PeerError, worker: Asked, go_on: Record,
    precision: str,
) -> Record:  # fmt: skip
    """Let a peer take the steps that are left, and return how far its losses are from netdsl's.

    Errors: PeerError where it has none, or does other work.
    """
    if isinstance(answers, PeerError):
        raise answers
    begun = answers[-1]
    rest = worker.ask(**go_on)["losses"] if go_on["steps"] else []
    found = apart(mine["objective" if begun["penalized"] else "losses"], [*begun["losses"], *rest])
    if not found.same_work(precision):
        raise PeerError(f"{label} does other work: {found}")
    return asdict(found)


def ranked(record: Record) -> list[str]:
    """Return the peers that were timed, the fastest first."""
    times = {label: statistics.median(found) for label, found in record["ms"].items() if found}
    return sorted((label for label in times if label != OURS.label), key=lambda label: times[label])


def timed(worker: Asked, steps: int) -> Callable[[], float]:
    """Return a turn of so many steps, which returns its seconds."""

    def turn() -> float:
        return float(worker.ask(do="time", steps=steps)["seconds"])

    return turn
