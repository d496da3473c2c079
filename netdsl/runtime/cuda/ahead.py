"""Code for many kernels at once: by processes, as Numba makes that of one kernel after the other.

Each process puts what it makes into the cache. One that fails is not asked why: its kernels are made anew
where they are needed, and tell what is wrong.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

from netdsl.program import Kernel
from netdsl.runtime.cuda.toolchain import check_architecture, check_packages, compiled_text, is_kept

SHARE: Final = 4
"""Kernels that are worth a process: it starts in the time of about two."""
MOST: Final = 16


def make_ahead(kernels: Iterable[Kernel], architecture: str) -> None:
    """Make the code of kernels that is not in the cache, where there are enough of them and of processors.

    Errors: E0963 where a package of the toolchain is missing, E0967 where devices lack what one needs.
    """
    kernels = list(kernels)
    check_architecture(kernels, architecture)
    check_packages()
    missing = [each for each in kernels if not is_kept(each, architecture)]
    workers = min(len(os.sched_getaffinity(0)), len(missing) // SHARE, MOST)
    if workers < 2:
        return
    command = [sys.executable, "-m", "netdsl.runtime.cuda.ahead", architecture]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(workers)
    ]
    for number, process in enumerate(running):
        told = [[each.text, each.name, each.kinds, each.threads] for each in missing[number::workers]]
        assert process.stdin is not None
        try:
            with process.stdin as words:
                words.write(json.dumps(told).encode())
        except BrokenPipeError:
            continue
    for process in running:
        process.wait()


def _work(architecture: str) -> None:
    """Make the kernels that stdin tells."""
    for text, name, kinds, threads in json.load(sys.stdin):
        compiled_text(text, name, kinds, threads, architecture)


if __name__ == "__main__":
    _work(sys.argv[1])
