"""Time the first training step of 784-512-256-10 from process start, with an empty cache and with a full one.

    python benchmarks/start.py [--data-dir DIR] [--runs 5]

Each run is a process of its own that trains for one step and tells nothing; its whole wall time is taken.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEP = """
import numpy as np
from pathlib import Path
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import start_values
opened = open_file(Path({file!r}), Options())
values = start_values(opened, {{"train": {rows}}})
program = Engine(opened.experiment, None).load("training", values)
program.bind({{"prepared/image": {image}, "label": np.zeros(64, np.int32)}})
scalars = {{"epoch": 0.0, "steps": 1e4, "epochs": 1.0, "examples": 5e4}}
loss = program.run(np.arange(64), 64, scalars=scalars)["loss"]
assert np.isfinite(loss).all()
"""
ROWS = '{"image": np.random.default_rng(0).random((64, 28, 28, 1)).astype(np.float32)}'
IMAGE = "np.random.default_rng(0).random((64, 28, 28, 1)).astype(np.float32)"


def first_step(cache: str) -> float:
    """Return the seconds that a process takes which makes one step."""
    script = STEP.format(file=str(Path(__file__).with_name("w1.net")), rows=ROWS, image=IMAGE)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, env=environment(cache))
    return time.perf_counter() - start


def environment(cache: str) -> dict[str, str]:
    """Return the environment of a run: as it is, but bytecode is kept, as an installation has it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "NETDSL_CACHE_DIR": cache}


def line(name: str, times: list[float]) -> str:
    """Write a row of the table."""
    return f"{name:<28}{min(times):>8.2f}{statistics.median(times):>8.2f}{max(times):>8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    if given.data_dir:
        os.environ["NETDSL_DATA_DIR"] = given.data_dir
    cold, warm = [], []
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory() as cache:
            folder = os.path.join(cache, "netdsl")
            cold.append(first_step(folder))
            warm.append(first_step(folder))
    print(f"{'seconds to the first step':<28}{'min':>8}{'median':>8}{'max':>8}")
    print(line("cold: nothing in the cache", cold))
    print(line("warm", warm))


if __name__ == "__main__":
    main()
