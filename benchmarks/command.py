"""The command: which sections are measured, with whom, and where the results go."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import kinds, results, sections, table
from benchmarks.comparing import BOUNDS
from benchmarks.kinds import Kind
from benchmarks.page import write_page
from benchmarks.turns import PLATFORMS, PeerError
from benchmarks.workloads import WORKLOADS
from netdsl.diagnostics import DiagnosticError
from netdsl.runtime.cuda.choice import expect_device

QUICK = "PyTorch eager", "PyTorch channels-last", "JAX", "JAX scan", "NumPy"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="python benchmarks", description="Time netdsl beside its peers.")
    told = (
        f"sections ({', '.join(sections.SECTIONS)}; all) and workloads (w1 … w11); without a section, steps"
    )
    parser.add_argument("what", nargs="*", help=told)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores}))
    parser.add_argument("--rounds", type=int, help="turns that are kept (7; 3 with --quick)")
    parser.add_argument("--peers", nargs="+", metavar="LABEL", help="only these, by their labels")
    parser.add_argument("--quick", action="store_true", help="few rounds, with the peers that start fast")
    parser.add_argument(
        "--results", type=Path, default=Path("build/benchmarks"), help="where results.json is kept"
    )
    parser.add_argument("--data-dir", type=Path, help="the folder of MNIST and the like, as for netdsl")
    told = "trains on a CUDA device; `simulated` tries that without one, and its times mean nothing"
    parser.add_argument("--device", choices=tuple(PLATFORMS), default="cpu", help=told)
    told = "what factors of products are rounded to on a device; weights stay float32"
    parser.add_argument("--precision", choices=tuple(BOUNDS), default="float32", help=told)
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="a page whose tables and picture are made anew"
    )
    given = parser.parse_args(arguments)
    unknown = [each for each in given.what if each not in (*sections.SECTIONS, "all", *WORKLOADS)]
    if unknown:
        parser.error(f"no section or workload is called {', '.join(unknown)}")
    if given.device != "cpu" and (left := [each for each in given.what if each not in table.ON_DEVICE]):
        known = ", ".join(table.ON_DEVICE)
        parser.error(f"with --device steps of {known} are timed, not {', '.join(left)}")
    if given.device == "cpu" and given.precision != "float32":
        parser.error("--precision goes with --device")
    wrong = [each for each in given.peers or [] if each not in kinds.KINDS]
    if wrong:
        parser.error(f"no peer is called {', '.join(wrong)}: {', '.join(each.label for each in kinds.PEERS)}")
    return given


def main() -> None:
    given = parsed()
    if given.data_dir:
        os.environ["NETDSL_DATA_DIR"] = str(given.data_dir)
    print(kinds.told(given.device), flush=True)
    if given.device == "cuda":
        expect()
    job = sections.Job(
        named=tuple(WORKLOADS[each] for each in given.what if each in WORKLOADS),
        peers=tuple(chosen(given)),
        threads=tuple(sorted(set(given.threads))),
        rounds=given.rounds or (3 if given.quick else 7),
        results=given.results,
        device=given.device,
        precision=given.precision,
    )
    if given.device != "cpu":
        measure(given.results if given.device == "cuda" else None, "device", sections.of_device(job))
    wanted = [each for each in given.what if each not in WORKLOADS]
    other = given.device != "cpu" or (given.write and not given.what)
    for name, section in sections.SECTIONS.items():
        if name in wanted or "all" in wanted or (not wanted and name == "steps" and not other):
            print(f"== {name}", flush=True)
            measure(given.results, name, section(job))
    if given.write:
        write_page(given.write, results.read(given.results))


def measure(folder: Path | None, name: str, found: sections.Found) -> None:
    """Print each record of a section as it comes, and keep it in a folder if there is one. A problem of
    netdsl's ends the section."""
    try:
        for key, record in found:
            if folder is not None:
                results.add(folder, name, key, record)
            tell(key, record)
    except (PeerError, DiagnosticError) as problem:
        print(f"{name} ended: {problem}", flush=True)


def chosen(given: argparse.Namespace) -> Iterable[Kind]:
    """Return the peers that are to take part."""
    usual = QUICK if given.quick else [each.label for each in kinds.PEERS if each.by_default]
    labels = given.peers or usual
    return [each for each in kinds.found(given.device) if each.label in labels]


def expect() -> None:
    """Leave with a message where no CUDA device works."""
    try:
        expect_device()
    except DiagnosticError as problem:
        told = [f"{each.code}: {each.message}\n{each.help}" for each in problem.diagnostics]
        raise SystemExit("\n".join(told)) from None


def tell(key: str, record: results.Results) -> None:
    """Print what a record has."""
    print(key, flush=True)
    values = record.get("ms", record)
    for label, found in values.items():
        if isinstance(found, list) and found:
            figures = min(found), statistics.median(found), max(found)
            print(f"  {label:24}" + "".join(f"{each:11.4f}" for each in figures), flush=True)
        elif not isinstance(found, list) and found != {}:
            print(f"  {label:24}{found}", flush=True)
