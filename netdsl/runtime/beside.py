"""A second process that compiles kernels from the other end of a list, while this one begins at its start.

Both keep what they have compiled, and each looks whether the other has it already; where they meet, the
second one is ended. It only helps: if it cannot start, or dies, this process compiles all of them. What it
gains is told in docs/internals/start_up.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from netdsl.runtime.cache import ObjectCache, open_cache

if TYPE_CHECKING:
    from netdsl.runtime.load import Wanted

FEWEST: Final = 8
"""Fewer kernels are compiled before a second process has imported Numba."""


@contextmanager
def beside(wanted: Sequence[Wanted], cache: ObjectCache) -> Iterator[None]:
    """Have a second process compile kernels, the last one first, until this one is done."""
    if len(wanted) < FEWEST or cache.folder is None or _processors() < 2 or not sys.executable:
        yield
        return
    # -P: a folder that a user happens to be in is not where modules are looked for.
    command = [sys.executable, "-P", "-m", "netdsl.runtime.beside"]
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    except OSError:
        yield
        return
    try:
        _send(process, wanted)
        yield
    finally:
        process.kill()
        process.wait()


def _send(process: subprocess.Popen[bytes], wanted: Sequence[Wanted]) -> None:
    sources = {each.source: None for each in wanted}
    jobs = [[each.key, each.name, list(sources).index(each.source)] for each in wanted]
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps({"sources": list(sources), "jobs": jobs}).encode())


def _processors() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> None:
    """Compile what standard input names, and keep it."""
    from netdsl.runtime.load import Wanted

    given = json.loads(sys.stdin.buffer.read())
    cache = open_cache()
    for key, name, source in reversed(given["jobs"]):
        if cache.read(key) is None:
            Wanted(key, name, given["sources"][source]).compiled(cache)


if __name__ == "__main__":
    main()
