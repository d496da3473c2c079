"""The tables of what was measured, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.kinds import OURS
from benchmarks.workloads import WORKLOADS

BARS = {
    "w1": 2.0, "w2": 1.5, "w3": 1.1, "w4": 2.0, "w5": 5.0, "w6": 2.0, "w7": 1.0, "w8": 1.0, "w9": 3.0,
    "w10": 1.0, "w11": 2.0,
}  # fmt: skip
"""How many times as fast as the fastest peer netdsl is meant to be."""

ON_DEVICE = {"w1": 1.0, "w3": 1 / 1.2, "w4": 1.0, "w5": 1.0, "w6": 1 / 1.2, "w7": 1 / 1.2}
"""The same on a CUDA device, where the workloads beside are not measured."""

Results = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is text and the others are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(each) + " |" for each in (head, rule, *rows))


def number(value: float) -> str:
    """Return a figure with three digits that count."""
    if value == 0 or value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Return least, median and greatest."""
    return " / ".join(number(each) for each in (min(values), statistics.median(values), max(values)))


def fastest(record: Results) -> str | None:
    """Return the peer whose median is least; None where there is no peer."""
    peers = {label: values for label, values in record["ms"].items() if label != OURS.label and values}
    return min(peers, key=lambda label: statistics.median(peers[label]), default=None)


def in_order(keys: Iterable[str]) -> list[str]:
    """Return the keys `w2/1`, or `w2` and `w2/tf32`, of a section by workload, then by what follows."""
    return sorted(keys, key=lambda key: (int(key.split("/")[0][1:]), len(key), key))


def summary(steps: Results) -> str:
    """Return a row for each workload and number of threads: netdsl beside its fastest peer."""
    rows = []
    for key in in_order(steps):
        name, threads = key.split("/")
        record = steps[key]
        mine = statistics.median(record["ms"][OURS.label])
        share = record["flops"] / mine / 1e6 / (record["peak"] * int(threads))
        row = [f"{name.upper()} {WORKLOADS[name].title}", threads, number(mine)]
        rows.append([*row, *_beside(record), f"{BARS[name]:g}", f"{share:.0%}"])
    return table(("workload", "threads", *COMPARED, "of the peak"), rows)


COMPARED = "netdsl, ms", "fastest peer, ms", "ratio", "least … most", "bar"


def on_device(steps: Results) -> str:
    """Return a row for each workload: netdsl beside its fastest peer on the same device."""
    rows = [
        [
            f"{name.upper()} {WORKLOADS[name].title}",
            precision or "float32",
            number(statistics.median(steps[key]["ms"][OURS.label])),
            *_beside(steps[key]),
            f"{ON_DEVICE[name]:.2g}",
        ]
        for key in in_order(steps)
        for name, _, precision in (key.partition("/"),)
    ]
    return table(("workload", "precision", *COMPARED), rows)


def _beside(record: Results) -> tuple[str, str, str]:
    """Return the fastest peer's time, the ratio to netdsl's, and its range."""
    peer = fastest(record)
    if peer is None:
        return "no peer", "", ""
    ratios, theirs = record["ratios"][peer], statistics.median(record["ms"][peer])
    ratio = f"**{statistics.median(ratios):.2f}**", f"{min(ratios):.2f} … {max(ratios):.2f}"
    return f"{peer} {number(theirs)}", *ratio


def everyone(steps: Results) -> str:
    """Return all who took part: least, median and greatest milliseconds of a step."""
    rows = []
    for key in in_order(steps):
        record = steps[key]
        for label in sorted(record["ms"], key=lambda each: statistics.median(record["ms"][each] or [9e9])):
            values = record["ms"][label]
            if not values:
                continue
            ratio = spread(record["ratios"][label]) if label in record["ratios"] else ""
            off = record["compared"].get(label)
            told = f"{off['first']:.0e}, {off['mean']:.0e} ({off['steps']})" if off else ""
            rows.append([f"{key.replace('/', ', ').upper()}", label, spread(values), ratio, told])
    head = (
        "workload, threads",
        "",
        "ms: least / median / greatest",
        "times netdsl's",
        "losses apart: first, mean (steps)",
    )
    return table(head, rows)
