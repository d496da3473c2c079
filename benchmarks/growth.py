"""How times grow: compiling with layers, a step with batch, width, depth and threads."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.kinds import OURS
from benchmarks.steps import Record, timed
from benchmarks.turns import Asked, PeerError, folder_of, in_turns, own_times
from benchmarks.workloads import WORKLOADS

LAYERS = 10, 30, 100, 300, 1000
REPEATED = 100
"""Up to so many layers compiling is timed three times."""

BATCHES = 1, 8, 64, 512
WIDTHS = 32, 128, 512, 2048
DEPTHS = 1, 4, 16

DEEP = """\
data toy {{
    source = moons(n=1000)
    split  = (train=80%, valid=20%)
}}

model net(x: [2]) = x -> repeat {layers} {{ dense(32) -> relu }} -> dense(1) -> sigmoid

train {{
    model     = net
    data      = toy
    loss      = binary_cross_entropy
    optimizer = adam(0.001)
    batch     = 64
    epochs    = 1
    seed      = 1
}}
"""


def compiling(ours: Asked, layers: int) -> Record:
    """Return the seconds from a file's text to its program with so many layers, with kernels in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "deep.net"
        file.write_text(DEEP.format(layers=layers), encoding="utf-8")
        if layers <= REPEATED:  # a larger one has no kernel that a smaller one has not
            ours.ask(do="compile", file=str(file))
        times = 3 if layers <= REPEATED else 1
        return {"seconds": [ours.ask(do="compile", file=str(file))["seconds"] for _ in range(times)]}


def step(workers: Mapping[str, Asked], batch: int, widths: list[int], rounds: int, parent: Path) -> Record:
    """Return the milliseconds of a step of W1 with other sizes."""
    sizes = ", ".join(map(str, widths))
    text = WORKLOADS["w1"].file.read_text(encoding="utf-8").replace("[512, 256]", f"[{sizes}]")
    text = text.replace("batch     = 64", f"batch     = {batch}")
    load = {
        "do": "load", "workload": "w1", "folder": str(folder_of("sizes", parent)), "rate": 0.1,
        "text": text, "batch": batch,
    }  # fmt: skip
    ours = workers[OURS.label]
    ours.ask(**load)
    ours.ask(do="time", steps=2)
    steps = max(2, min(200, round(0.1 / (ours.ask(do="time", steps=4)["seconds"] / 4))))
    peers = {}
    problems: dict[str, str] = {}
    for label, worker in workers.items():
        if label != OURS.label:
            try:
                worker.ask(**load)
                peers[label] = timed(worker, steps)
            except PeerError as problem:
                problems[label] = str(problem)
    turns = in_turns(timed(ours, steps), peers, rounds)
    found = {OURS.label: own_times(turns, timed(ours, steps), rounds)}
    found |= {label: [theirs for theirs, _ in pairs] for label, pairs in turns.items()}
    ms = {label: 1e3 * statistics.median(values) / steps for label, values in found.items() if values}
    return {**ms, "problems": problems}


def alone(ours: Asked, workload: str, rounds: int, parent: Path) -> dict[str, Any]:
    """Return the milliseconds of a step of netdsl alone."""
    given = WORKLOADS[workload]
    ours.ask(do="load", workload=workload, folder=str(folder_of(workload, parent)), rate=given.dropout)
    ours.ask(do="time", steps=2)
    steps = max(2, min(200, round(0.1 / (ours.ask(do="time", steps=2)["seconds"] / 2))))
    times = [float(ours.ask(do="time", steps=steps)["seconds"]) for _ in range(rounds)]
    return {OURS.label: [1e3 * each / steps for each in times]}
