"""Time training steps at batch 64 beside PyTorch's, in turns within one process.

    python benchmarks/steps.py [w1 w5 w6] [--data-dir DIR] [--threads 1 2] [--rounds 15] [--steps 60]

w1 is 784-512-256-10, w5 LeNet, w6 four 3x3 convolutions with batch norm (`workloads.py`).

Both train on the same rows in the same batches, from the same weights; without dropout their losses are
compared after 100 steps first, so that both are known to do the same work. PyTorch comes with the
extra [parity].
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from workloads import WORKLOADS, Workload

from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import parts_of, start_values

BATCH = 64


class Ours:
    """netdsl's training program, with the train part bound to it."""

    def __init__(self, workload: Workload, rate: float | None, threads: int, data_dir: Path | None) -> None:
        overrides = {} if rate is None else {"rate": str(rate)}
        with tempfile.TemporaryDirectory() as folder:
            file = workload.path(Path(folder))
            opened = open_file(file, Options(overrides=overrides, data_dir=data_dir))
            raw = parts_of(opened.dataset)
            self.start = start_values(opened, raw)
            engine = Engine(opened.experiment, threads)
            assert opened.dataset is not None
            self.part = engine.part(opened.dataset, "train", self.start)
        self.program = engine.load("training", self.start)
        self.program.bind(self.part.prepared)
        self.step = 0

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        scalars = {"epoch": 0.0, "steps": 1e4, "epochs": 1.0, "examples": float(self.part.rows)}
        found = self.program.run(order, BATCH, step=self.step, seed=1, scalars=scalars)
        self.step += len(order) // BATCH
        return np.asarray(found["loss"])


class Peer:
    """The same in PyTorch, eager, as its tutorials write it."""

    def __init__(
        self, workload: Workload, rate: float | None, start: Mapping[str, Any], rows: Mapping[str, Any]
    ) -> None:
        self.model = workload.peer(start, rate or 0.0)
        self.penalty = workload.penalty
        self.matrices = [each.weight for each in self.model if isinstance(each, torch.nn.Linear)]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)
        name = "prepared/image" if "prepared/image" in rows else "image"
        self.x = torch.tensor(rows[name].transpose(0, 3, 1, 2).copy())
        self.t = torch.tensor(rows["label"].astype(np.int64))

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        found = []
        for batch in torch.tensor(order).split(BATCH):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(self.x[batch]), self.t[batch])
            objective = loss
            if self.penalty:
                objective = loss + self.penalty * sum(each.abs().sum() for each in self.matrices)
            objective.backward()
            self.optimizer.step()
            found.append(loss.detach())
        return np.asarray(torch.stack(found))


def timed(run: Callable[[np.ndarray], np.ndarray], order: np.ndarray) -> float:
    """Return milliseconds a step."""
    start = time.perf_counter()
    run(order)
    return 1e3 * (time.perf_counter() - start) / (len(order) // BATCH)


def line(name: str, times: list[float]) -> str:
    """Write a row of the table."""
    low, middle, high = min(times), statistics.median(times), max(times)
    return f"{name:<24}{low:>10.3f}{middle:>10.3f}{high:>10.3f}"


def measure(workload: Workload, threads: int, rounds: int, steps: int, data_dir: Path | None) -> None:
    """Compare losses, then time both in turns."""
    torch.set_num_threads(threads)
    draw = np.random.default_rng(0)
    ours = Ours(workload, None if workload.rate is None else 0.0, threads, data_dir)
    rows = ours.part.rows
    order = draw.permutation(rows)[: min(20, rows // BATCH) * BATCH].astype(np.int64)
    mine, theirs = ours.run(order), Peer(workload, 0.0, ours.start, ours.part.prepared).run(order)
    apart = np.abs(mine - theirs) / theirs
    told = (
        f"the first loss differs by {apart[0]:.1e}, of {len(apart)} at most by {apart.max():.1e} (relative)"
    )
    print(f"\n{workload.title}, {threads} thread(s): {told}")
    ours = Ours(workload, workload.rate, threads, data_dir)
    peer = Peer(workload, workload.rate, ours.start, ours.part.prepared)
    order = draw.permutation(rows)[: min(steps, rows // BATCH) * BATCH].astype(np.int64)
    timed(ours.run, order), timed(peer.run, order)
    pairs = [(timed(ours.run, order), timed(peer.run, order)) for _ in range(rounds)]
    print(f"{'ms a step':<24}{'min':>10}{'median':>10}{'max':>10}")
    print(line("netdsl", [mine for mine, _ in pairs]))
    print(line("PyTorch eager", [theirs for _, theirs in pairs]))
    print(line("PyTorch / netdsl", [theirs / mine for mine, theirs in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--threads", type=int, nargs="*", default=sorted({1, len(os.sched_getaffinity(0))}))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    for name in given.workloads or WORKLOADS:
        for threads in given.threads:
            measure(WORKLOADS[name], threads, given.rounds, given.steps, given.data_dir)


if __name__ == "__main__":
    main()
