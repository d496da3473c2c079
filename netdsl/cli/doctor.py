"""`netdsl doctor`: looks at the machine and tests the installation."""

import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Final

import netdsl
from netdsl.cli.options import Parser, add_format, add_json, command_parser
from netdsl.diagnostics import DiagnosticError, Exit

TINY: Final = """\
model line(x: [1]) = x -> dense(1)

data points {
    source = csv("points.csv", target=y)
    split  = (train=100%)
}

train {
    model     = line
    data      = points
    loss      = mse
    optimizer = sgd(0.5)
    batch     = all
    epochs    = 200
}
"""
"""The self-test: a line through four points that lie on it."""

POINTS: Final = "x,y\n0,1\n0.5,2\n1,3\n0.25,1.5\n"


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "doctor",
        "Tell versions, the CPU, CUDA devices, threads, the cache and Graphviz, and train a tiny network.\n"
        "Nothing it prints names you or your folders, so it can be put into a report.",
        "  netdsl doctor",
    )
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Print what was found; exit code 1 where the test failed."""
    passed, told = self_test()
    found = {**machine(), **cuda(), "cache": cache(), "dot": graphviz(), "self-test": told}
    if arguments.json:
        print(json.dumps({"event": "doctor", **found, "passed": passed}))
    else:
        width = max(map(len, found))
        for name, value in found.items():
            print(f"{name:<{width}}  {value}")
    return 0 if passed else int(Exit.FAILED)


def machine() -> dict[str, str]:
    """Return versions, and what the kernels are compiled for."""
    from netdsl.run.manifest import cpu_record, versions
    from netdsl.runtime.devices import default_threads

    cpu = cpu_record()
    vectors = [each for each in cpu["features"] if each.startswith(("amx", "avx", "fma", "sse4", "neon"))]
    return {
        "netdsl": netdsl.__version__,
        **versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": f"{cpu['name']}, kernels for {cpu['level']} ({' '.join(vectors)})",
        "threads": str(default_threads()),
    }


def cuda() -> dict[str, str]:
    """Return the CUDA devices, the packages that make code for them, and what has not run on one."""
    from netdsl.runtime.cuda.standing import NEVER_RUN, NOT_RUN, device_names
    from netdsl.runtime.cuda.toolchain import versions as packages

    found = packages()
    missing = [name for name, version in found.items() if version is None]
    told = ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)
    return {
        "cuda": ", ".join(device_names()) or "no device",
        "cuda code": told
        if not missing
        else f"{', '.join(missing)} not installed: pip install 'netdsl[cuda]'",
        "cuda products": products(),
        "cuda target": f"run in simulators, but on no device: {', '.join(NOT_RUN)}; "
        f"run nowhere: {', '.join(NEVER_RUN)}",
    }


def products() -> str:
    """Tell what makes large products on a CUDA device."""
    from netdsl.runtime.cuda.blas import VARIABLE, library_name, versions

    try:
        name = library_name()
    except DiagnosticError as error:
        return error.diagnostics[0].message
    if name is not None:
        return f"large ones by {name}, {VARIABLE}=off has netdsl's own kernels make them"
    if None in versions().values():
        return "by netdsl's own kernels; cuBLASLt is not installed: pip install 'netdsl[cuda,cuda-blas]'"
    return f"by netdsl's own kernels, as {VARIABLE} says"


def cache() -> str:
    """Tell how many kernels the cache keeps, and where: below the user's folder, which is not named."""
    from netdsl.files import cache_folder, size_text
    from netdsl.runtime.trimming import BUDGET, on_disk

    try:
        folder = cache_folder() / "kernels"
        sizes = [on_disk(each.stat().st_size) for each in folder.glob("*.o")]
    except DiagnosticError as error:
        return f"not usable: {error.diagnostics[0].code} (netdsl explain {error.diagnostics[0].code})"
    except OSError:  # another process has removed an object meanwhile
        return "in use by another process"
    return f"{len(sizes)} kernels, {size_text(sum(sizes))} of about {size_text(BUDGET)}, in {_place(folder)}"


def _place(folder: Path) -> str:
    """Tell where a folder is without the name of the user."""
    if os.environ.get("NETDSL_CACHE_DIR"):
        return "NETDSL_CACHE_DIR"
    if folder.is_relative_to(Path.home()):
        return str(Path("~") / folder.relative_to(Path.home()))
    return "the folder for caches of this system"


def graphviz() -> str:
    """Return the version of Graphviz's `dot`, which draws diagrams."""
    found = shutil.which("dot")
    if found is None:
        return "missing: `netdsl render` writes DOT (apt install graphviz, brew install graphviz)"
    told = subprocess.run([found, "-V"], capture_output=True, text=True, timeout=10, check=False)
    return (told.stderr or told.stdout).strip().removeprefix("dot - ")


def self_test() -> tuple[bool, str]:
    """Train the tiny network; tell whether it found the line, and how long it took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.net").write_text(TINY)
        (folder / "points.csv").write_text(POINTS)
        try:
            run = netdsl.train(folder / "tiny.net", run_dir=None, style="quiet")
        except DiagnosticError as error:
            return False, f"failed: {error}".replace(name, ".")
        loss = float(str(run.figures["train"]["loss"]))
        run.close()
    seconds = time.perf_counter() - began
    passed = loss < 1e-4
    return passed, f"{'passed' if passed else 'FAILED'} in {seconds:.2f} s (loss {loss:.1e})"
