"""A whole epoch of MNIST as a user has it: files read, shuffled, trained and validated.

`python -m benchmarks.epoch LABEL THREADS` makes one and prints its seconds, those of imports not among them.
"""

from __future__ import annotations

import gzip
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.worker import confined
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


def theirs(threads: int, images: Path, labels: Path) -> float:
    """Do the same with PyTorch, from the files of the training images and labels."""
    import torch

    from benchmarks.torch_peer import epoch

    torch.set_num_threads(threads)
    x = _read(images, HEADER).reshape(-1, PIXELS).astype(np.float32) / 255
    t = _read(labels, LABEL_HEADER).astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    return epoch(x[order[:50_000]], t[order[:50_000]], x[order[50_000:]], t[order[50_000:]])


def training_files() -> tuple[Path, Path]:
    """Return the files of MNIST's training images and labels, where netdsl finds them.

    Errors: FileNotFoundError.
    """
    from netdsl.data.images import find_in_folder
    from netdsl.data.places import Places, data_folder
    from netdsl.data.published import MNIST
    from netdsl.files import cache_folder

    folders = Places(Path(), data_folder(None)).search(MNIST.folders)
    for folder in [*folders, cache_folder() / "data" / MNIST.name]:
        found = find_in_folder(folder) if folder.is_dir() else {}
        if ("image", False) in found and ("label", False) in found:
            return found["image", False], found["label", False]
    raise FileNotFoundError("MNIST is neither in the data folder (NETDSL_DATA_DIR) nor in the cache")


def _read(file: Path, header: int) -> np.ndarray:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)


def main() -> None:
    label, threads = sys.argv[1], int(sys.argv[2])
    confined(threads)
    if label == "netdsl":
        import netdsl  # noqa: F401 (imported before the clock runs, as torch is)

        begun = time.perf_counter()
        loss = ours(threads)
    else:
        import benchmarks.torch_peer  # noqa: F401

        files = training_files()
        begun = time.perf_counter()
        loss = theirs(threads, *files)
    print(time.perf_counter() - begun, loss)


if __name__ == "__main__":
    main()
