"""`netdsl profile`: measures where the time of a step goes."""

import json
import shutil
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netdsl.cli.mistakes import print_diagnostics
from netdsl.cli.options import (
    Parser,
    add_experiment,
    add_format,
    add_json,
    add_machine,
    command_parser,
    options_of,
    whole,
)
from netdsl.files import write_atomic

if TYPE_CHECKING:
    from netdsl.explain.profile import Cost, Profile

TOP: Final = 20
KINDS: Final = ("svg", "png", "pdf", "dot")


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "profile",
        "Measure where the time of a training step goes: by line of the file and by kernel, with GFLOP/s,\n"
        "GB/s and how near that is to what this machine can do, which is measured in the same run.\n"
        "On a CUDA device each launch is timed by itself, beside what the driver tells of the device.",
        "  netdsl profile digits.net --threads 1\n  netdsl profile digits.net --out digits-profile.svg",
    )
    add_experiment(result)
    add_machine(result)
    result.add_argument(
        "--program", choices=("training", "prediction"), default="training", help="what is run (training)"
    )
    result.add_argument("--batch", type=_count, metavar="N", help="rows of a batch (as the file says)")
    result.add_argument(
        "--steps", type=_count, metavar="N", help="steps that are measured (a second of them)"
    )
    result.add_argument("--drawn", action="store_true", help="draw pictures in place of a published data set")
    result.add_argument("--top", type=_count, default=TOP, metavar="N", help=f"rows of a table ({TOP})")
    result.add_argument("--each", action="store_true", help="each step's kernels by themselves")
    result.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="draw the lines with their times: FILE.svg, .png, .pdf or .dot",
    )
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Measure, print the tables, and draw where that is asked for."""
    from netdsl.run.profile import Settings, profile_file

    options = replace(options_of(arguments), stand_in=arguments.drawn)
    settings = Settings(arguments.program, arguments.batch, arguments.steps)
    profile = profile_file(arguments.file, options, settings)
    if arguments.json:
        for record in _records(profile):
            print(json.dumps(record))
    else:
        from netdsl.explain.profile_tables import profile_text

        width = shutil.get_terminal_size((140, 24)).columns
        print(profile_text(profile, top=arguments.top, each=arguments.each, width=width), end="")
    if arguments.out is not None:
        _draw(arguments, profile)
    return 0


def _draw(arguments: Namespace, profile: "Profile") -> None:
    from netdsl.explain.drawing import draw
    from netdsl.explain.profile_picture import profile_picture

    ending = arguments.out.suffix.removeprefix(".")
    drawing = draw(profile_picture(profile), next((each for each in KINDS if each == ending), "svg"))
    if drawing.warning is not None:
        print_diagnostics([drawing.warning], arguments.format)
    out = arguments.out.with_suffix(f".{drawing.kind}")
    write_atomic(out, drawing.content)
    print(out, file=sys.stderr if arguments.json else sys.stdout)


def _records(profile: "Profile") -> Iterator[dict[str, object]]:
    from netdsl.explain.profile import by_line, place_of, role_of
    from netdsl.explain.profile_advice import advice

    for line in by_line(profile):
        roles = {role: cost.seconds for role, cost in line.roles.items()}
        place = {"source": line.source, "line": line.line or None, "text": line.text}
        yield {"event": "line", **place, **_cost(line.cost), "roles": roles}
    for entry in profile.entries:
        yield {
            "event": "kernel",
            "step": entry.step,
            "phase": entry.phase,
            "kernels": entry.kernels,
            "calls": entry.calls,
            "lines": list(dict.fromkeys(map(place_of, entry.origins))),
            "paths": list(dict.fromkeys(each.path for each in entry.origins if each.path)),
            "roles": list(dict.fromkeys(map(role_of, entry.origins))),
            **_cost(entry.cost),
        }
    limits = profile.limits
    yield {
        "event": "result",
        "model": profile.model,
        "program": profile.program,
        "data": profile.data,
        "batch": profile.batch,
        "threads": limits.threads,
        "device": profile.device or "CPU",
        "segments": profile.segments,
        "steps": profile.steps,
        "barriers": profile.barriers,
        "median": profile.middle,
        "waits": profile.waits,
        "rest": profile.rest,
        "between": profile.between,
        "cores": profile.cores,
        **_cost(profile.cost),
        "seconds": profile.seconds,
        "limits": {"flops": limits.flops, "bandwidth": dict(limits.bandwidth)},
        "advice": advice(profile),
    }


def _cost(cost: "Cost") -> dict[str, object]:
    """Return a cost as fields: seconds of a step, operations, bytes, seconds at the limit and what that is
    of."""
    return {
        "seconds": cost.seconds,
        "flops": cost.flops,
        "bytes": cost.bytes,
        "limit": cost.limit,
        "bound": cost.bound,
    }


def _count(text: str) -> int:
    count = whole(text)
    if count < 1:
        raise ArgumentTypeError(f"{count} are too few: give at least 1")
    return count
