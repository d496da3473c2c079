"""The most memory that a process of each holds while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawn import draw_data
from benchmarks.kinds import OURS
from benchmarks.turns import Participant, PeerError, folder_of
from benchmarks.workloads import Workload

WORKLOADS = "w1", "w5", "w6"
STEPS = 20


def measure(
    workload: Workload, labels: Sequence[str], threads: int, parent: Path, log: Path
) -> dict[str, Any]:
    """Return megabytes by participant, each in a process of its own that holds the training rows."""
    folder = folder_of(workload.name, parent)
    draw_data(workload.name, folder)  # here, as netdsl's process would hold what drawing takes
    load = {"do": "load", "workload": workload.name, "folder": str(folder)}
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for label in [OURS.label, *labels]:
        with Participant(label, threads, log) as worker:
            try:
                worker.ask(**load, rate=workload.dropout)
                worker.ask(do="time", steps=STEPS)
                found[label] = worker.ask(do="peak_memory")["megabytes"]
            except PeerError as problem:
                problems[label] = str(problem)
    return {**found, "problems": problems}
