"""`netdsl compile --device cuda`: the kernels of a file's programs as code for a kind of CUDA devices."""

import json
import re
import shutil
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netdsl.cli.options import options_of
from netdsl.files import make_folders, write_atomic

if TYPE_CHECKING:
    from netdsl.program import Kernel, Origin, Program
    from netdsl.runtime.cuda.toolchain import DeviceCode
    from netdsl.semantics.experiment import Experiment

DEFAULT: Final = "sm_90"
"""The kind of devices that code is made for unless another is named: H100, H200."""

ROWS: Final = 128
"""Rows that tiles are chosen for where a batch is all rows."""


def run(arguments: Namespace) -> int:
    """Make the code of all kernels, print what it uses, and write it where that is asked for.

    Errors: E0963 where the packages of the extra `[cuda]` are missing, E0967 where such devices lack
    what kernels need.
    """
    from netdsl.run.opening import open_file
    from netdsl.runtime.cuda.ahead import make_ahead
    from netdsl.runtime.cuda.blas import library_name

    blas = library_name() is not None
    architecture = arguments.arch or DEFAULT
    arguments.device = "auto"  # no device is needed
    experiment = open_file(arguments.file, options_of(arguments)).experiment
    programs = programs_of(experiment, blas=blas)
    make_ahead(
        {each.name: each for program in programs for each in program.kernels.values()}.values(), architecture
    )
    made = {program.name: (program, _codes(program, architecture)) for program in programs}
    described = [_described(program, codes) for program, codes in made.values()]
    if arguments.json:
        print(json.dumps({"event": "result", "architecture": architecture, "programs": described}))
    else:
        _print(described, architecture)
    if arguments.out is not None:
        _write(arguments.out, [each for _, codes in made.values() for each in codes], not arguments.json)
    return 0


def programs_of(experiment: "Experiment", *, blas: bool = False) -> "list[Program]":
    """Return the programs of an experiment, lowered to a CUDA device; with `blas` to one with cuBLASLt."""
    from netdsl.compiler import compile_experiment
    from netdsl.program import Target
    from netdsl.run import engine

    target = Target("cuda", rows=experiment.training.batch or ROWS, blas=blas)
    return list(engine.programs_of(compile_experiment(experiment, target)).values())


def _codes(program: "Program", architecture: str) -> "list[tuple[Kernel, DeviceCode]]":
    from netdsl.runtime.cuda.toolchain import compiled_text

    return [
        (each, compiled_text(each.text, each.name, each.kinds, each.threads, architecture))
        for each in program.kernels.values()
    ]


def _described(program: "Program", codes: "list[tuple[Kernel, DeviceCode]]") -> dict[str, object]:
    launches = Counter(call.kernel for step in program.steps() for call in step.calls)
    kernels = [
        {
            "kernel": kernel.name,
            "launches": launches[kernel.name],
            "threads": kernel.threads,
            "registers": code.registers,
            "spills": code.spills,
            "shared": code.shared,
            "computes": list(kernel.about),
        }
        for kernel, code in codes
    ]
    products = _products(program)
    total = launches.total() + len(products)
    return {"program": program.name, "launches": total, "kernels": kernels, "products": products}


def _products(program: "Program") -> list[dict[str, object]]:
    """Describe the products that cuBLASLt makes, each a launch."""
    from netdsl.program import LibraryProduct

    return [
        {
            "by": "cuBLASLt",
            "sizes": [str(each) for each in (work.count, work.high, work.deep, work.wide)],
            "precision": work.precision,
            "computes": [_told(origin) for origin in step.origins],
        }
        for step in program.steps()
        if isinstance(work := step.work, LibraryProduct)
    ]


def _told(origin: "Origin") -> str:
    """Return what a product computes, as kernels tell it."""
    place = "" if origin.span is None else f"{Path(origin.span.source.name).name}:{origin.span.line} "
    role = f" ({origin.of})" if origin.of else ""
    return f"{place}{origin.path}{role}: {origin.formula}"


def _print(programs: list[dict[str, object]], architecture: str) -> None:
    from netdsl.explain.tables import Column, table

    heads = ("launches", "threads", "registers", "spills", "shared")
    columns = [Column("kernel"), *(Column(head, "right") for head in heads), Column("computes")]
    width = shutil.get_terminal_size((120, 24)).columns
    for program in programs:
        kernels = program["kernels"]
        assert isinstance(kernels, list)
        cells = [
            [each["kernel"], *(str(each[head]) for head in heads), _short(each["computes"])]
            for each in kernels
        ]
        products = program["products"]
        assert isinstance(products, list)
        cells += [[_sizes(each), "1", "", "", "", "", "; ".join(each["computes"])] for each in products]
        print(f"{program['program']}: {len(kernels)} kernels, {program['launches']} launches")
        print(table(columns, cells, width))
    print(f"code for {architecture}; registers of a thread, spills and shared memory in bytes")


def _sizes(product: dict[str, list[str]]) -> str:
    """Return the library's name with the sizes of a product's factors."""
    count, high, deep, wide = product["sizes"]
    many = "" if count == "1" else f"{count} of "
    return f"{product['by']} {many}{high} x {deep} x {wide}"


def _short(computes: list[str]) -> str:
    """Return what a kernel computes with the names of files and numbers of lines, without their text."""
    return re.sub(r"[^;]*?([^/;]+\.net:\d+): [^;]*; ", r"\1 ", "; ".join(computes))


def _write(folder: Path, codes: "list[tuple[Kernel, DeviceCode]]", told: bool) -> None:
    """Write each kernel as text, as PTX and as a cubin."""
    make_folders(folder)
    files: dict[str, bytes] = {}
    for kernel, code in codes:
        files[f"{kernel.name}.py"] = kernel.text.encode()
        files[f"{kernel.name}.ptx"] = code.ptx.encode()
        files[f"{kernel.name}.cubin"] = code.cubin
    for name, content in files.items():
        write_atomic(folder / name, content)
    if told:
        print(f"wrote {len(files)} files to {folder}")
