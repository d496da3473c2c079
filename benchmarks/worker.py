"""A process that does one participant's work when told: `python -m benchmarks.worker LABEL THREADS DEVICE`.

It reads a request from each line of its input and writes an answer to each line of its output, both JSON.
Between requests it waits, so that only one participant ever runs.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.turns import PLATFORMS

Request = dict[str, Any]


class Work:
    """The work that a process has loaded, and the answers to what it is asked."""

    def __init__(self, label: str, threads: int, device: str) -> None:
        from benchmarks.kinds import KINDS

        self.kind, self.threads, self.device = KINDS[label], threads, device
        self.peer: Any = None
        self.order = np.zeros(0, np.int64)
        self.batch = 1

    def answer(self, request: Request) -> Request:
        """Do what a request asks for; `do` names the method."""
        found: Request = getattr(self, f"_{request.pop('do')}")(**request)
        return found

    def _load(
        self, workload: str, folder: str, rate: float, text: str | None = None, batch: int | None = None,
        precision: str = "float32",
    ) -> Request:  # fmt: skip
        """Begin from the initial weights. netdsl goes first and leaves them and the rows to the others.

        `text` and `batch` are for a file that is not the workload's own, but has its layers.
        """
        from benchmarks.workloads import WORKLOADS

        given, place = WORKLOADS[workload], Path(folder)
        if batch is not None:
            given = replace(given, batch=batch)
        self.batch, self.peer = given.batch, None
        begun = time.perf_counter()
        if self.kind.module == "ours":
            from benchmarks.ours import Ours

            self.peer = Ours(given, rate, self.threads, place, text, self.device, precision)
            self.peer.keep(place)
            self.order = np.load(place / "order.npy")
            return {"seconds": time.perf_counter() - begun}
        with np.load(place / "start.npz") as start, np.load(place / "rows.npz") as rows:
            arrays = dict(start), dict(rows)
        self.order = np.load(place / "order.npy")
        module = importlib.import_module(f"benchmarks.{self.kind.module}")
        device = (PLATFORMS[self.device], precision) if self.kind.on_device else ()
        self.peer = module.Peer(self.kind.form, given, *arrays, rate, self.threads, *device)
        return {"seconds": time.perf_counter() - begun}

    def _losses(self, steps: int, piece: int, first: int = 0) -> Request:
        """Take steps from the `first` on, so many in a call; return the loss of each, without and with
        penalties."""
        found, objective = [], []
        for at in range(first, first + steps, piece):
            found.append(self.peer.run(self._rows(at, piece)))
            objective.append(getattr(self.peer, "objective", found[-1]))
        return {
            "losses": np.concatenate(found)[:steps].tolist(),
            "objective": np.concatenate(objective)[:steps].tolist(),
            "penalized": bool(getattr(self.peer, "penalized", False)),
        }

    def _time(self, steps: int) -> Request:
        """Take steps and return the seconds that they took."""
        rows, run = self._rows(0, steps), getattr(self.peer, "timed", self.peer.run)
        begun = time.perf_counter()
        run(rows)
        return {"seconds": time.perf_counter() - begun}

    def _infer(self, batch: int, calls: int) -> Request:
        """Answer so many batches; return the seconds and the first outputs."""
        rows = self.order[: batch * calls]
        begun = time.perf_counter()
        found = self.peer.infer(rows, batch)
        return {"seconds": time.perf_counter() - begun, "outputs": found[:4].tolist()}

    def _figures(self) -> Request:
        """Return the operations of a step as netdsl knows them, the peak of a core, and the device."""
        figures = {"flops": self.peer.flops()}
        if self.device == "cpu":
            return {**figures, "peak": self.peer.peak()}
        return {**figures, "device": self.peer.engine.device_name}

    def _compile(self, file: str) -> Request:
        """Compile a file for the first step of its training; return the seconds."""
        from benchmarks.ours import compiled

        begun = time.perf_counter()
        compiled(Path(file), self.threads)
        return {"seconds": time.perf_counter() - begun}

    def _peak_memory(self) -> Request:
        """Return the most memory that this process has held, in MB."""
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return {"megabytes": int(line.split()[1]) / 1024}
        raise OSError("this system does not tell the memory of a process")

    def _rows(self, first: int, steps: int) -> np.ndarray:
        """Return the rows of steps; behind the last row the first comes again."""
        at = np.arange(first * self.batch, (first + steps) * self.batch) % len(self.order)
        return self.order[at]


def confined(threads: int) -> None:
    """Keep this process to as many processors as it may have threads."""
    if hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, own[:threads])


def private_output() -> TextIO:
    """Return the stream of answers; what libraries print goes to the errors instead."""
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return kept


def main() -> None:
    label, threads, device = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    answers = private_output()
    confined(threads)
    work = Work(label, threads, device)
    for line in sys.stdin:
        try:
            answer = work.answer(json.loads(line))
        except Exception as problem:  # noqa: BLE001 (a peer may fail in any way: the driver tells how)
            traceback.print_exc()
            answer = {"problem": f"{type(problem).__name__}: {problem}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
