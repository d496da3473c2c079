"""A whole epoch of MNIST as a user has it: files read, shuffled, trained and validated.

`python -m benchmarks.epoch LABEL THREADS` makes one and prints its seconds, those of imports not among them.
"""

from __future__ import annotations

import gzip
import os
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.workloads import WORKLOADS

LABELS = "netdsl", "PyTorch eager"
PIXELS, HEADER, LABEL_HEADER = 28 * 28, 16, 8


def ours(threads: int) -> float:
    """Train and validate W1 for an epoch; return the validation's loss."""
    import netdsl

    run = netdsl.train(WORKLOADS["w1"].file, threads=threads, run_dir=None, style="quiet")
    loss = run.figures["valid"]["loss"]
    assert isinstance(loss, float)
    return loss


def theirs(threads: int) -> float:
    """Do the same with PyTorch."""
    import torch

    from benchmarks.torch_peer import epoch

    torch.set_num_threads(threads)
    folder = Path(os.environ["NETDSL_DATA_DIR"]) / "mnist"
    x = _read(folder / "train-images-idx3-ubyte.gz", HEADER).reshape(-1, PIXELS).astype(np.float32) / 255
    t = _read(folder / "train-labels-idx1-ubyte.gz", LABEL_HEADER).astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    return epoch(x[order[:50_000]], t[order[:50_000]], x[order[50_000:]], t[order[50_000:]])


def _read(file: Path, header: int) -> np.ndarray:
    with gzip.open(file) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)


def main() -> None:
    label, threads = sys.argv[1], int(sys.argv[2])
    if label == "netdsl":
        import netdsl  # noqa: F401 (imported before the clock runs, as torch is)
    else:
        import benchmarks.torch_peer  # noqa: F401
    begun = time.perf_counter()
    loss = ours(threads) if label == "netdsl" else theirs(threads)
    print(time.perf_counter() - begun, loss)


if __name__ == "__main__":
    main()
