"""The sections: each yields a key and a record for each thing that it measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import epoch, growth, inference, memory, start, steps
from benchmarks.kinds import OURS, Kind
from benchmarks.table import ON_DEVICE
from benchmarks.turns import Participant, PeerError, finished
from benchmarks.workloads import WORKLOADS, Workload

Found = Iterator[tuple[str, dict[str, Any]]]
SLOW_TO_START = "PyTensor", "Keras on PyTorch"
"""Not started again and again: they are never the fastest, and each start takes long."""

FIELD = 4
"""So many peers, the fastest with the most threads, are measured with fewer threads."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for. Without `named` each section takes its own workloads."""

    named: tuple[Workload, ...]
    peers: tuple[Kind, ...]
    threads: tuple[int, ...]
    rounds: int
    results: Path
    device: str = "cpu"
    precision: str = "float32"

    def workloads(self, names: Iterable[str]) -> list[Workload]:
        """Return those of a section's workloads that were asked for."""
        return [WORKLOADS[name] for name in names if not self.named or WORKLOADS[name] in self.named]

    @contextmanager
    def workers(self, threads: int, peers: Iterable[Kind]) -> Iterator[Mapping[str, Participant]]:
        """Run a process of netdsl and of each peer."""
        log = self.results / "log.txt"
        self.results.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            yield {
                each.label: opened.enter_context(Participant(each.label, threads, log, self.device))
                for each in (OURS, *peers)
            }


def of_steps(job: Job) -> Found:
    """Time training steps in turns: all with the most threads, the fastest of them with fewer."""
    for workload in job.workloads(WORKLOADS):
        peers = [each for each in job.peers if each.does(workload)]
        for threads in reversed(job.threads):
            with job.workers(threads, peers) as workers:
                record = steps.measure(workload, workers, job.rounds, job.results, print)
            yield f"{workload.name}/{threads}", record
            ranks = steps.ranked(record)
            peers = [each for each in peers if each.label in ranks[:FIELD]]


def of_device(job: Job) -> Found:
    """Time training steps on a device in turns, of those that can use it."""
    threads = max(job.threads)
    for workload in job.workloads(ON_DEVICE):
        peers = [each for each in job.peers if each.does(workload)]
        with job.workers(threads, peers) as workers:
            record = steps.measure(
                workload, workers, job.rounds, job.results, print, steps.DEVICE, job.precision
            )
        yield workload.name if job.precision == "float32" else f"{workload.name}/{job.precision}", record


def of_inference(job: Job) -> Found:
    """Time answers in turns."""
    for threads in reversed(job.threads):
        for workload in job.workloads(inference.WORKLOADS):
            peers = [each for each in job.peers if each.does(workload) and each.infers]
            with job.workers(threads, peers) as workers:
                for batch in inference.BATCHES:
                    record = inference.measure(workload, batch, workers, job.rounds, job.results, print)
                    yield f"{workload.name}/{threads}/{batch}", record


def of_epochs(job: Job) -> Found:
    """Time an epoch with reading, shuffling and validation, each in a process of its own."""
    labels = [
        each for each in epoch.LABELS if each == OURS.label or each in {kind.label for kind in job.peers}
    ]
    for threads in job.threads:
        found: dict[str, list[float]] = {label: [] for label in labels}
        loss: dict[str, float] = {}
        problems: dict[str, str] = {}
        for _ in range(min(3, job.rounds)):
            for label in [each for each in labels if each not in problems]:
                try:
                    seconds, loss[label] = _epoch(label, threads)
                    found[label].append(seconds)
                except PeerError as problem:
                    if label == OURS.label:
                        raise
                    problems[label] = str(problem)
        done = {label: times for label, times in found.items() if label not in problems}
        kept = {label: each for label, each in loss.items() if label not in problems}
        yield f"{threads}", {**done, "loss": kept, "problems": problems}


def _epoch(label: str, threads: int) -> tuple[float, float]:
    seconds, loss = finished(label, ["benchmarks.epoch", label, str(threads)], os.environ).split()[-2:]
    return float(seconds), float(loss)


def of_starts(job: Job) -> Found:
    """Time processes until their first step."""
    labels = [OURS.label, *(each.label for each in job.peers if each.label not in SLOW_TO_START)]
    labels = [
        each for each in labels if each not in ("scikit-learn", "NumPy", "PyTorch channels-last", "JAX scan")
    ]
    for workload in job.workloads(start.WORKLOADS):
        folder = (job.results / "start" / workload.name).resolve()
        rounds = min(3, job.rounds)
        yield workload.name, start.measure(workload, labels, max(job.threads), rounds, folder)


def of_memory(job: Job) -> Found:
    """Measure the most memory of trainings."""
    for workload in job.workloads(memory.WORKLOADS):
        labels = [each.label for each in job.peers if each.does(workload)]
        log = job.results / "log.txt"
        yield workload.name, memory.measure(workload, labels, max(job.threads), job.results, log)


def of_compiling(job: Job) -> Found:
    """Time compiling with more and more layers."""
    with job.workers(max(job.threads), ()) as workers:
        for layers in growth.LAYERS:
            yield str(layers), growth.compiling(workers[OURS.label], layers)


def of_threads(job: Job) -> Found:
    """Time netdsl's steps with each number of threads."""
    for threads in range(1, max(job.threads) + 1):
        for workload in job.workloads(WORKLOADS):
            with job.workers(threads, ()) as workers:
                yield (
                    f"{workload.name}/{threads}",
                    growth.alone(workers[OURS.label], workload.name, job.rounds, job.results),
                )


def of_sizes(job: Job) -> Found:
    """Time steps of perceptrons against batch, width and depth."""
    peers = [each for each in job.peers if each.label in ("PyTorch eager", "JAX")]
    sizes = [("batch", each, each, [512, 256]) for each in growth.BATCHES]
    sizes += [("width", each, 64, [each, each]) for each in growth.WIDTHS]
    sizes += [("depth", each, 64, [256] * each) for each in growth.DEPTHS]
    with job.workers(max(job.threads), peers) as workers:
        for name, size, batch, widths in sizes:
            yield f"{name}/{size}", growth.step(workers, batch, widths, min(3, job.rounds), job.results)


SECTIONS: dict[str, Callable[[Job], Found]] = {
    "steps": of_steps,
    "inference": of_inference,
    "epochs": of_epochs,
    "starts": of_starts,
    "memory": of_memory,
    "compiling": of_compiling,
    "threads": of_threads,
    "sizes": of_sizes,
}
