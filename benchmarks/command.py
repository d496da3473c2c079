"""The command: which sections are measured, with whom, and where the results go."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import kinds, results, steps
from benchmarks.kinds import OURS, Kind
from benchmarks.table import fastest
from benchmarks.turns import Participant
from benchmarks.workloads import WORKLOADS, Workload

SECTIONS = ("steps",)
QUICK = "PyTorch eager", "PyTorch channels-last", "JAX", "JAX scan", "NumPy"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="python benchmarks", description="Time netdsl beside its peers.")
    parser.add_argument(
        "what",
        nargs="*",
        default=["steps"],
        help=f"sections ({', '.join(SECTIONS)}, all) and workloads (w1 … w11)",
    )
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores}))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", nargs="+", metavar="LABEL", help="only these, by their labels")
    parser.add_argument("--quick", action="store_true", help="three rounds, with the peers that start fast")
    parser.add_argument(
        "--results", type=Path, default=Path("build/benchmarks"), help="the folder of results.json"
    )
    parser.add_argument("--data-dir", type=Path, help="the folder of MNIST and the like, as for netdsl")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="a page, such as docs/benchmarks.md, to be rewritten"
    )
    given = parser.parse_args(arguments)
    unknown = [each for each in given.what if each not in (*SECTIONS, "all", *WORKLOADS)]
    if unknown:
        parser.error(f"no section or workload is called {', '.join(unknown)}")
    wrong = [each for each in given.peers or [] if each not in kinds.KINDS]
    if wrong:
        parser.error(f"no peer is called {', '.join(wrong)}: {', '.join(each.label for each in kinds.PEERS)}")
    return given


def main() -> None:
    given = parsed()
    if given.data_dir:
        os.environ["NETDSL_DATA_DIR"] = str(given.data_dir)
    print(kinds.told(), flush=True)
    named = [WORKLOADS[each] for each in given.what if each in WORKLOADS] or list(WORKLOADS.values())
    wanted = [each for each in given.what if each in (*SECTIONS, "all")] or ["steps"]
    if "steps" in wanted or "all" in wanted:
        run_steps(given, named)


def chosen(given: argparse.Namespace) -> list[Kind]:
    """Return the peers that are to take part."""
    labels = given.peers or (QUICK if given.quick else [each.label for each in kinds.PEERS])
    return [each for each in kinds.found() if each.label in labels]


def run_steps(given: argparse.Namespace, named: Sequence[Workload]) -> None:
    """Measure the training steps of workloads."""
    given.results.mkdir(parents=True, exist_ok=True)
    for threads in sorted(given.threads, reverse=True):
        with ExitStack() as open_workers:
            taking_part = [OURS, *chosen(given)]
            workers = {
                each.label: open_workers.enter_context(
                    Participant(each.label, threads, given.results / "log.txt")
                )
                for each in taking_part
            }
            for workload in named:
                does = {each.label: workers[each.label] for each in taking_part if each.does(workload)}
                print(f"{workload.name} {workload.title}, {threads} thread(s)", flush=True)
                rounds = 3 if given.quick else given.rounds
                record = steps.measure(workload, does, rounds, given.results, print)
                results.add(given.results, "steps", f"{workload.name}/{threads}", record)
                tell(record)


def tell(record: steps.Record) -> None:
    """Print who needed how long."""
    for label, values in sorted(record["ms"].items(), key=lambda each: statistics.median(each[1] or [9e9])):
        if values:
            low, middle, high = min(values), statistics.median(values), max(values)
            print(f"  {label:24}{low:10.3f}{middle:10.3f}{high:10.3f} ms")
    peer = fastest(record)
    if peer is not None:
        print(f"  {statistics.median(record['ratios'][peer]):.2f} times as fast as {peer}", flush=True)
