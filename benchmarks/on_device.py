"""The time of a training step on a CUDA device: `python -m benchmarks.on_device w1 w5`.

Only netdsl's own steps are timed; the peers of the other pages run on the CPU.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.ours import Ours
from benchmarks.workloads import WORKLOADS
from netdsl.runtime.cuda.device import Device

ROUNDS = 5
STEPS = 200


def microseconds(name: str, device: str | Device, steps: int = STEPS, rounds: int = ROUNDS) -> float:
    """Return the time of a step of a workload: of the fastest of some rounds, after one that is not timed."""
    with tempfile.TemporaryDirectory() as folder:
        workload = WORKLOADS[name]
        ours = Ours(workload, workload.dropout, 1, Path(folder), device=device)
        rows = np.random.default_rng(0).permutation(ours.part.rows)
        order = np.resize(rows, steps * workload.batch).astype(np.int64)
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            losses = ours.run(order)
            times.append(time.perf_counter() - began)
        ours.engine.close()
    assert np.isfinite(losses).all()
    return 1e6 * min(times[1:]) / steps


def main(names: Sequence[str]) -> None:
    """Print the time of a step of each workload."""
    for name in names or list(WORKLOADS):
        print(f"{name}  {microseconds(name, 'cuda'):10.1f} us a step  {WORKLOADS[name].title}")


if __name__ == "__main__":
    main(sys.argv[1:])
