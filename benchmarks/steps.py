"""Time a training step of 784-512-256-10 at batch 64 beside PyTorch's, in turns within one process.

    python benchmarks/steps.py [--data-dir DIR] [--threads 1 2] [--rounds 15] [--steps 60]

Both train on the same rows in the same batches, from the same weights; without dropout their losses are
compared after 100 steps first, so that both are known to do the same work. PyTorch comes with the
extra [parity].
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import parts_of, start_values

FILE = Path(__file__).with_name("w1.net")
BATCH, PENALTY = 64, 1e-5


class Ours:
    """netdsl's training program, with the train part bound to it."""

    def __init__(self, rate: str, threads: int, data_dir: Path | None) -> None:
        opened = open_file(FILE, Options(overrides={"rate": rate}, data_dir=data_dir))
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

    def __init__(self, rate: float, start: Mapping[str, Any], rows: Mapping[str, Any]) -> None:
        layers: list[torch.nn.Module] = []
        for number, (n, m) in enumerate(((784, 512), (512, 256), (256, 10)), start=1):
            layer = torch.nn.Linear(n, m)
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(start[f"mlp/dense_{number}/w"].T))
                layer.bias.copy_(torch.tensor(start[f"mlp/dense_{number}/b"]))
            layers += [layer] if number == 3 else [layer, torch.nn.ReLU(), torch.nn.Dropout(rate)]
        self.model = torch.nn.Sequential(*layers)
        self.matrices = [each.weight for each in layers if isinstance(each, torch.nn.Linear)]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)
        self.x = torch.tensor(rows["prepared/image"].reshape(-1, 784))
        self.t = torch.tensor(rows["label"].astype(np.int64))

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        found = []
        for batch in torch.tensor(order).split(BATCH):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(self.x[batch]), self.t[batch])
            objective = loss + PENALTY * sum(each.abs().sum() for each in self.matrices)
            objective.backward()
            self.optimizer.step()
            found.append(loss.detach())
        return torch.stack(found).numpy()


def timed(run: Callable[[np.ndarray], np.ndarray], order: np.ndarray) -> float:
    """Return milliseconds a step."""
    start = time.perf_counter()
    run(order)
    return 1e3 * (time.perf_counter() - start) / (len(order) // BATCH)


def line(name: str, times: list[float]) -> str:
    """Write a row of the table."""
    low, middle, high = min(times), statistics.median(times), max(times)
    return f"{name:<24}{low:>10.3f}{middle:>10.3f}{high:>10.3f}"


def measure(threads: int, rounds: int, steps: int, data_dir: Path | None) -> None:
    """Compare losses, then time both in turns."""
    torch.set_num_threads(threads)
    draw = np.random.default_rng(0)
    order = draw.permutation(50_000)[: 100 * BATCH].astype(np.int64)
    ours = Ours("0", threads, data_dir)
    mine, theirs = ours.run(order), Peer(0.0, ours.start, ours.part.prepared).run(order)
    difference = float(np.max(np.abs(mine - theirs) / theirs))
    print(f"\n{threads} thread(s): losses of 100 steps differ by {difference:.1e} at most (relative)")
    ours = Ours("10%", threads, data_dir)
    peer = Peer(0.1, ours.start, ours.part.prepared)
    order = draw.permutation(50_000)[: steps * BATCH].astype(np.int64)
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
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--threads", type=int, nargs="*", default=sorted({1, len(os.sched_getaffinity(0))}))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    for threads in given.threads:
        measure(threads, given.rounds, given.steps, given.data_dir)


if __name__ == "__main__":
    main()
