"""The page of figures: the parts between its marks are made anew from what was measured."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable
from pathlib import Path

from benchmarks.kinds import OURS
from benchmarks.picture import bars
from benchmarks.results import ON
from benchmarks.table import Results, everyone, number, on_device, spread, summary, table
from benchmarks.workloads import WORKLOADS


def write_page(page: Path, found: Results) -> None:
    """Write the parts of a page, `<!-- name -->` … `<!-- end -->`, and the picture beside it.

    A part of which nothing was measured stays as it is. Errors: ValueError for a page without such marks.
    """
    text = page.read_text(encoding="utf-8")
    for name, part in parts(found).items():
        place = re.search(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", text, re.DOTALL)
        if place is None:
            raise ValueError(f"{page} has no part <!-- {name} -->")
        text = f"{text[: place.start()]}\n{part}\n\n{text[place.end() :]}"
    page.write_text(text, encoding="utf-8")
    if "steps" in found:
        page.with_suffix(".svg").write_text(bars(found["steps"]), encoding="utf-8")


def parts(found: Results) -> dict[str, str]:
    """Return the text of each part of which something was measured."""
    made = {"machine": settings(found[ON])} if ON in found else {}
    if "steps" in found:
        made["picture"] = "![How many times as fast as the fastest peer](benchmarks.svg)"
        made["summary"], made["steps"] = summary(found["steps"]), everyone(found["steps"])
    writers = {
        "inference": inference, "epochs": epochs, "starts": starts, "memory": memory,
        "compiling": compiling, "threads": threads, "sizes": sizes, "device": device,
    }  # fmt: skip
    made |= {name: write(found[name]) for name, write in writers.items() if name in found}
    for name in [each for each in ("steps", *writers) if each in found]:
        if left := problems(found[name]):
            made[name] += "\n\n" + left
    return made


def settings(on: Results) -> str:
    """Return what the figures were measured on; where not all on the same, which of them on what."""
    groups: dict[str, list[str]] = {}
    for section, records in on.items():
        for setting in dict.fromkeys(records.values()):
            keys = [key for key in sorted(records, key=_numbers_in) if records[key] == setting]
            some = f" ({', '.join(each.upper() for each in keys)})" if len(keys) < len(records) else ""
            groups.setdefault(setting, []).append(section + some)
    if len(groups) == 1:
        return f"{next(iter(groups))}."
    return "\n".join(f"- {', '.join(told)}: {setting}." for setting, told in groups.items())


def problems(section: Results) -> str:
    """Return who was left out, and why."""
    rows = [
        f"- {key.replace('/', ', ').upper()}: {told}"
        for key in sorted(section, key=_numbers_in)
        for told in section[key].get("problems", {}).values()
    ]
    return "Left out:\n\n" + "\n".join(rows) if rows else ""


def _numbers_in(key: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", key)]


def device(found: Results) -> str:
    """Return netdsl beside its fastest peer on a device, and all who took part."""
    return f"{on_device(found)}\n\n{everyone(found)}"


def inference(found: Results) -> str:
    """Return netdsl beside each peer at each batch."""
    rows = []
    for key in sorted(found):
        name, threads, batch = key.split("/")
        ms = found[key]["ms"]
        for label in sorted(ms, key=lambda each: statistics.median(ms[each] or [9e9])):
            if ms[label]:
                middle = statistics.median(ms[label])
                rows.append(
                    [
                        f"{name.upper()}, {threads}, {batch}",
                        label,
                        spread(ms[label]),
                        f"{1e3 * int(batch) / middle:,.0f}",
                    ]
                )
    return table(("workload, threads, batch", "", "ms: least / median / greatest", "rows a second"), rows)


def epochs(found: Results) -> str:
    """Return the seconds of an epoch."""
    rows = [
        [f"{threads}", label, spread(record[label]), number(record["loss"][label])]
        for threads, record in sorted(found.items())
        for label in record["loss"]
    ]
    return table(("threads", "", "seconds: least / median / greatest", "loss of the valid part"), rows)


def starts(found: Results) -> str:
    """Return the seconds until the first step."""
    rows = [
        [name.upper(), label, spread(times["cold"]), spread(times["warm"])]
        for name, record in sorted(found.items())
        for label, times in record.items()
        if label != "problems"
    ]
    return table(("workload", "", "empty cache, s", "full cache, s"), rows)


def memory(found: Results) -> str:
    """Return the megabytes of each."""
    labels = _labels(found)
    names = sorted(found)
    rows = [[label, *(_megabytes(found[name].get(label)) for name in names)] for label in labels]
    return table(("MB", *(name.upper() for name in names)), rows)


def _labels(section: Results) -> list[str]:
    """Return who has a figure in any record."""
    each = (label for record in section.values() for label in record if label != "problems")
    return list(dict.fromkeys(each))


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def compiling(found: Results) -> str:
    """Return the seconds of compiling by the number of layers."""
    rows = [
        [
            layers,
            spread(found[layers]["seconds"]),
            number(1e3 * statistics.median(found[layers]["seconds"]) / int(layers)),
        ]
        for layers in _by_number(found)
    ]
    return table(("layers", "seconds: least / median / greatest", "ms a layer"), rows)


def threads(found: Results) -> str:
    """Return the milliseconds of a step by the number of threads."""
    counts = sorted({int(key.split("/")[1]) for key in found})
    names = [name for name in WORKLOADS if any(key.startswith(f"{name}/") for key in found)]
    rows = []
    for name in names:
        times = [
            statistics.median(found[f"{name}/{count}"][OURS.label])
            for count in counts
            if f"{name}/{count}" in found
        ]
        rows.append([name.upper(), *map(number, times), f"{times[0] / times[-1]:.2f}"])
    return table(("ms a step", *map(str, counts), "times as fast"), rows)


def sizes(found: Results) -> str:
    """Return the milliseconds of a step by what was varied."""
    labels = _labels(found)
    labels.sort(key=lambda each: each != OURS.label)
    keys = sorted(found, key=lambda each: (each.split("/")[0], int(each.split("/")[1])))
    rows = [
        [
            key.replace("/", " "),
            *(number(found[key][label]) if label in found[key] else "" for label in labels),
        ]
        for key in keys
    ]
    return table(("ms a step", *labels), rows)


def _by_number(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=int)
