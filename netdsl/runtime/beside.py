"""A second process that compiles kernels from the other end of a list, while this one begins at its start.

Both keep what they have compiled, and each looks whether the other has it already; where they meet, the
second one is ended. It only helps: if it cannot start, or dies, this process compiles all of them. What it
gains is told in docs/internals/start_up.md.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from netdsl.runtime.cache import ObjectCache, open_cache
from netdsl.runtime.devices import default_threads
from netdsl.runtime.load import Wanted, surroundings

FEWEST: Final = 8
"""Fewer kernels are compiled before a second process has imported Numba."""


@contextmanager
def beside(wanted: Sequence[Wanted], cache: ObjectCache) -> Iterator[None]:
    """Have a second process compile kernels, the last one first, until this one is done."""
    with ExitStack() as ended:
        if len(wanted) >= FEWEST and cache.folder is not None and default_threads() > 1 and _is_python():
            with suppress(OSError):
                ended.callback(_end, _started(wanted))
        yield


def _is_python() -> bool:
    """Tell whether the program of this process is Python: one that embeds it, or is frozen, would begin anew
    with whatever it does."""
    return not getattr(sys, "frozen", False) and Path(sys.executable or "").name.lower().startswith("python")


def _started(wanted: Sequence[Wanted]) -> subprocess.Popen[bytes]:
    # -P: a folder that a user happens to be in is not where modules are looked for.
    command = [sys.executable, "-P", "-m", "netdsl.runtime.beside"]
    quiet = subprocess.DEVNULL
    # A file and no pipe: what does not fit into a pipe is waited for until the other process reads it.
    with tempfile.TemporaryFile() as told:
        told.write(json.dumps(_told(wanted)).encode())
        told.seek(0)
        return subprocess.Popen(command, stdin=told, stdout=quiet, stderr=quiet)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _told(wanted: Sequence[Wanted]) -> dict[str, Any]:
    sources = list({each.source: None for each in wanted})
    jobs = [[each.key, each.name, sources.index(each.source)] for each in wanted]
    return {"parent": os.getpid(), "surroundings": surroundings(), "sources": sources, "jobs": jobs}


def compile_told(told: Mapping[str, Any]) -> None:
    """Compile what the parent wants, and keep it, as long as the parent lives.

    Nothing is kept under the parent's keys by another netdsl, Numba or LLVM than the parent's, such as the
    installed one, where the parent has its own from the folder that it was started in.
    """
    if told["surroundings"] != surroundings():
        return
    cache = open_cache()
    for key, name, source in reversed(told["jobs"]):
        if _is_orphan(told["parent"]):
            return
        if cache.read(key) is None:
            Wanted(key, name, told["sources"][source]).compiled(cache)


def _is_orphan(parent: int) -> bool:
    """Tell whether the parent has died. Windows does not say so: there the list is compiled to its end."""
    return os.name == "posix" and os.getppid() != parent


if __name__ == "__main__":
    # This process ends soon: looking for garbage in what Numba makes took a tenth of its time.
    gc.disable()
    compile_told(json.loads(sys.stdin.buffer.read()))
