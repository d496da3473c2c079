"""A process that makes one training step and prints when that was done, in seconds since 1970:
`python -m benchmarks.once LABEL WORKLOAD FOLDER THREADS`.

The folder has a batch of rows and the initial weights, so that no data set is read.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.worker import confined


def main() -> None:
    label, workload, place, threads = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    confined(threads)
    loss = _ours(workload, place, threads) if label == "netdsl" else _peer(label, workload, place, threads)
    done = time.time()
    assert np.isfinite(loss).all(), loss
    print(done)


def _ours(workload: str, place: Path, threads: int) -> np.ndarray:
    from netdsl.run.engine import Engine
    from netdsl.run.opening import open_file
    from netdsl.run.options import Options
    from netdsl.run.training import start_values

    opened = open_file(place / f"{workload}.net", Options())
    with np.load(place / "batch.npz") as found:
        batch = dict(found)
    values = start_values(opened, {"train": {"image": batch["raw"]}})
    program = Engine(opened.experiment, threads).load("training", values)
    program.bind({each.name: batch["t" if each.name == "label" else "x"] for each in program.program.inputs})
    rows = len(batch["t"])
    scalars = {"epoch": 0.0, "steps": 1e4, "epochs": 1.0, "examples": float(rows)}
    return np.asarray(program.run(np.arange(rows), rows, scalars=scalars)["loss"])


def _peer(label: str, workload: str, place: Path, threads: int) -> np.ndarray:
    from benchmarks.kinds import KINDS
    from benchmarks.workloads import WORKLOADS

    given, kind = WORKLOADS[workload], KINDS[label]
    with np.load(place / "start.npz") as start, np.load(place / "batch.npz") as found:
        weights, batch = dict(start), dict(found)
    peer = importlib.import_module(f"benchmarks.{kind.module}").Peer
    made = peer(kind.form, given, weights, batch, given.dropout, threads)
    return np.asarray(made.run(np.arange(len(batch["t"]))))


if __name__ == "__main__":
    main()
