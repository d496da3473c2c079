"""`netdsl compile`: shows what the compiler makes of a file."""

import json
import shutil
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.cli.options import (
    Parser,
    add_experiment,
    add_format,
    add_json,
    add_machine,
    command_parser,
    options_of,
)
from netdsl.files import make_folders, write_atomic

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.program import Program
    from netdsl.semantics.experiment import Experiment

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_103", "sm_120")
"""Kinds of CUDA devices that code is made for, oldest first."""

BATCH = 256
"""Rows that costs are told for where a batch is all rows and no data is at hand."""


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "compile",
        "Show what the compiler makes of a .net file: layers and parameters, programs with their kernels,\n"
        "operations and memory, and the time that each part of the work took. With `--device cuda` it makes\n"
        "the code of all kernels for a kind of CUDA devices, which need not be there.",
        "  netdsl compile digits.net --rewrites\n  netdsl compile digits.net --out build\n"
        "  netdsl compile digits.net --device cuda --arch sm_90 --out build",
    )
    add_experiment(result)
    add_machine(result)
    result.add_argument(
        "--rewrites", action="store_true", help="list each rewrite, with its rule and its line"
    )
    result.add_argument("--steps", action="store_true", help="list the steps of the training program")
    result.add_argument("--passes", action="store_true", help="list the passes with their times")
    result.add_argument(
        "--arch",
        choices=ARCHITECTURES,
        metavar="SM",
        help="the kind of CUDA devices (sm_90); with --device cuda",
    )
    result.add_argument(
        "--out", type=Path, metavar="DIR", help="write generated kernels, launch lists and graphs as text"
    )
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Compile, print what came out, and write it where that is asked for."""
    if arguments.device == "cuda" or arguments.arch is not None:
        from netdsl.cli import device_code

        return device_code.run(arguments)
    from netdsl.run.engine import Engine, programs_of
    from netdsl.run.opening import open_file

    options = options_of(arguments)
    times = {"read": 0.0, "passes": 0.0, "kernels": 0.0}
    with _timed(times, "read"):
        experiment = open_file(arguments.file, options).experiment
    with _timed(times, "passes"):
        engine = Engine(experiment, options.threads)
        programs_of(engine.compiled)
    with engine, _timed(times, "kernels"):
        for kind in programs_of(engine.compiled):
            engine.executable(kind)
    rows = _rows(experiment)
    programs = [_described(program, rows) for program in programs_of(engine.compiled).values()]
    if arguments.json:
        from netdsl.explain.summary import parameter_count

        record = {"event": "result", "programs": programs, "batch": rows, "seconds": times}
        print(json.dumps({**record, "parameters": parameter_count(experiment.weights)}))
    else:
        _print(experiment, engine.compiled, programs, times, arguments)
    if arguments.out is not None:
        _write(arguments.out, engine.compiled, rows)
    return 0


class _timed:  # noqa: N801 - reads as a verb in a `with`
    """Adds the seconds of a block to a record."""

    def __init__(self, times: dict[str, float], name: str) -> None:
        self._times, self._name = times, name

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._times[self._name] += time.perf_counter() - self._began


def _rows(experiment: "Experiment") -> int:
    if not experiment.inputs:
        return 1
    rows = experiment.schema.rows.get("train", BATCH) if experiment.schema else BATCH
    return min(experiment.training.batch or rows, rows)


def _described(program: "Program", rows: int) -> dict[str, object]:
    from netdsl.passes.plan_memory import plan_memory

    symbols = {"rows": rows}
    plan = plan_memory(program, rows)
    generated = [each for each in program.kernels.values() if each.text]
    return {
        "program": program.name,
        "steps": len(program.steps()),
        "phases": len(program.phases),
        "library_kernels": len(program.kernels) - len(generated),
        "generated_kernels": len(generated),
        "flops": sum(each.flops.value(symbols) for each in program.steps()),
        "bytes": sum(each.bytes.value(symbols) for each in program.steps()),
        "memory_kept": 4 * plan.kept_size,
        "memory_of_a_step": 4 * plan.values_size,
    }


# ---- what is printed --------------------------------------------------------------------------


def _print(
    experiment: "Experiment",
    compiled: "Compiled",
    programs: list[dict[str, object]],
    times: Mapping[str, float],
    arguments: Namespace,
) -> None:
    from netdsl.explain.listing import listing
    from netdsl.explain.summary import summary

    width = shutil.get_terminal_size((120, 24)).columns
    rows = _rows(experiment)
    print(summary(experiment, width=width))
    print(_programs_table(programs, width))
    print(f"for a batch of {rows} rows; FLOPs and bytes are estimates")
    print("seconds: " + ", ".join(f"{name} {seconds:.3f}" for name, seconds in times.items()))
    if arguments.passes:
        print("\n" + _passes_table(compiled, width), end="")
    if arguments.rewrites:
        print("\n" + "\n".join(_rewrites(compiled)))
    if arguments.steps:
        print("\n" + listing(compiled.training, rows, width=width), end="")


def _programs_table(programs: list[dict[str, object]], width: int) -> str:
    from netdsl.explain.listing import amount
    from netdsl.explain.tables import Column, table

    heads = ("steps", "library", "generated", "FLOPs", "bytes", "kept", "a step's")
    keys = (
        "steps",
        "library_kernels",
        "generated_kernels",
        "flops",
        "bytes",
        "memory_kept",
        "memory_of_a_step",
    )
    columns = [Column("program"), *(Column(head, "right") for head in heads)]
    cells = [[str(each["program"]), *(amount(float(str(each[key]))) for key in keys)] for each in programs]
    return table(columns, cells, width)


def _passes_table(compiled: "Compiled", width: int) -> str:
    from netdsl.explain.tables import Column, table

    columns = [
        Column("program"),
        Column("pass"),
        *(Column(head, "right") for head in ("ms", "nodes", "then")),
    ]
    cells = [
        [each.program, each.name, f"{1e3 * each.seconds:.2f}", str(each.before), str(each.after)]
        for each in compiled.passes
    ]
    return table(columns, cells, width)


def _rewrites(compiled: "Compiled") -> Iterator[str]:
    for program, rewrites in compiled.rewrites.items():
        for each in rewrites:
            place = str(each.span) if each.span is not None else each.path or "the objective"
            yield f"{program}: {each.rule} at {place}\n    {each.before}\n    -> {each.after}"
    yield from _fusions(compiled)


def _fusions(compiled: "Compiled") -> Iterator[str]:
    """Yield what was fused: each step that computes more than one formula."""
    from netdsl.run.engine import programs_of

    for name, program in programs_of(compiled).items():
        for step in program.steps():
            if len(step.origins) > 1:
                kernel = step.calls[0].kernel if step.calls else "nothing"
                places = dict.fromkeys(str(each.span) for each in step.origins if each.span is not None)
                yield f"{name}: fused into `{kernel}`, from {', '.join(places) or 'the objective'}"
                yield from (f"    {each.formula}" for each in step.origins)


# ---- what is written --------------------------------------------------------------------------


def _write(folder: Path, compiled: "Compiled", rows: int) -> None:
    """Write a program's kernels, its launches and its graph, each as text."""
    from netdsl.explain.derivations import derivations
    from netdsl.explain.listing import listing
    from netdsl.graph.dump import dump
    from netdsl.lowering.cpu.text import module_text
    from netdsl.run.engine import programs_of

    make_folders(folder)
    texts = {"gradients.txt": derivations(compiled.graphs["differentiated"])}
    for name, graph in compiled.graphs.items():
        texts[f"{name}.graph"] = dump(graph, spans=True)
    for name, program in programs_of(compiled).items():
        texts[f"{name}.steps.txt"] = listing(program, rows, width=200)
        texts[f"{name}.kernels.py"] = module_text(each for each in program.kernels.values() if each.text)
    texts["rewrites.txt"] = "\n".join(_rewrites(compiled)) + "\n"
    for name, text in texts.items():
        write_atomic(folder / name, text.encode())
    print(f"wrote {len(texts)} files to {folder}")
