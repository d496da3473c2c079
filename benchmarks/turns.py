"""Participants' processes, and rounds in which they take turns: only one of them ever runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.02
"""Seconds before a turn, in which the threads of the one before stop spinning."""

FAR = 3.0
"""A peer that needs so many times netdsl's time after three rounds has no more turns."""

PLATFORMS = {"cpu": "cpu", "cuda": "cuda", "simulated": "cpu"}
"""What peers run on: beside netdsl on its simulated device, to try a run, they have the CPU."""

THREAD_COUNTS = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"


class PeerError(Exception):
    """A participant could not do what it was asked for."""


class Asked(Protocol):
    """What answers requests, in their order."""

    def start(self, **request: Any) -> None:
        """Hand a request over, and do not wait."""

    def finish(self) -> dict[str, Any]:
        """Return the answer to the first request that has none yet."""

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer to a request."""


class Participant:
    """A process of one participant with so many threads, which trains on a device."""

    def __init__(self, label: str, threads: int, log: Path, device: str = "cpu") -> None:
        counts = {name: str(threads) for name in THREAD_COUNTS}
        # JAX would take three quarters of a device's memory as it starts, which others need.
        jax = {"JAX_PLATFORMS": PLATFORMS[device], "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", **jax}
        self.label, self.log = label, log
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", label, str(threads), device],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**os.environ, **counts, **quiet, "PYTHONPATH": found_first()},
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, **request: Any) -> None:
        """Hand a request over, and do not wait. That the process ended is told with the answer."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def finish(self) -> dict[str, Any]:
        """Return the answer to the first request that has none yet.

        Errors: PeerError for a problem of the participant, or its end.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"the process of {self.label} ended: see {self.log}")
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise PeerError(f"{self.label}: {answer['problem']}")
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Errors: PeerError for a problem of the participant, or its end.
        """
        self.start(**request)
        return self.finish()

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def found_first() -> str:
    """Return the PYTHONPATH of a participant, whose modules are beside this one."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def finished(label: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a module of a participant's, `command` its words, until it ends; return what it printed.

    Errors: PeerError with the last line of its errors where it fails.
    """
    whole = [sys.executable, "-m", *command]
    path = {"PYTHONPATH": found_first()}
    done = subprocess.run(whole, env={**environment, **path}, capture_output=True, text=True)
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise PeerError(f"{label}: {told[-1]}"[:300])
    return done.stdout


def together(
    workers: Mapping[str, Asked], requests: Sequence[dict[str, Any]]
) -> dict[str, list[dict[str, Any]] | PeerError]:
    """Let all do the same things, which are not timed, at once; return their answers, or a problem."""
    for worker in workers.values():
        for request in requests:
            worker.start(**request)
    return {label: _answers(worker, len(requests)) for label, worker in workers.items()}


def _answers(worker: Asked, count: int) -> list[dict[str, Any]] | PeerError:
    answers, problems = [], []
    for _ in range(count):
        try:
            answers.append(worker.finish())
        except PeerError as problem:
            problems.append(problem)
    return problems[0] if problems else answers


Times = dict[str, list[tuple[float, float]]]
"""For each peer its turns: its seconds, and netdsl's in the turn before."""


def in_turns(
    ours: Callable[[], float], peers: Mapping[str, Callable[[], float]], rounds: int, far: float = FAR,
    pause: float = PAUSE,
) -> Times:  # fmt: skip
    """Let netdsl and each peer take turns, and return their seconds; the first round is not kept."""
    times: Times = {label: [] for label in peers}

    def turn(work: Callable[[], float]) -> float:
        time.sleep(pause)
        return work()

    for number in range(rounds + 1):
        for label, theirs in peers.items():
            if not left_behind(times[label], far):
                mine = turn(ours)
                pair = turn(theirs), mine
                times[label] += [pair] if number else []
    return times


def own_times(times: Times, ours: Callable[[], float], rounds: int) -> list[float]:
    """Return netdsl's seconds: those beside its peers, or of as many turns alone where it has none."""
    return [mine for pairs in times.values() for _, mine in pairs] or [ours() for _ in range(rounds)]


def left_behind(pairs: Sequence[tuple[float, float]], far: float) -> bool:
    """Tell whether a peer is so slow that more of its turns would tell nothing."""
    return len(pairs) >= 3 and min(theirs for theirs, _ in pairs) > far * min(mine for _, mine in pairs)


def folder_of(workload: str, parent: Path) -> Path:
    """Return the folder for a workload's data."""
    place = parent.resolve() / workload
    place.mkdir(parents=True, exist_ok=True)
    return place
