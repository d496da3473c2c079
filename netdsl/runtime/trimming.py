"""The bound of the cache of kernels: what was used least recently goes when there is too much."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from netdsl.diagnostics import DiagnosticError
from netdsl.files import sweep

BUDGET: Final = 128 << 20
"""Bytes that the cache of kernels has on disk, about: more until the next look. Some hundred models have so
many kernels."""

PAGE: Final = 4096
"""Bytes that a file takes a multiple of."""

KEPT: Final = 0.75
"""The part of the budget that is left, so that not every write finds too much again."""

DAY: Final = 86_400
"""Seconds after which a use is noted anew: it is a write to the disk, and to the day is enough."""


def used(descriptor: int, found: os.stat_result) -> None:
    """Note that an open file is used, in the time of its last change: not each disk keeps that of a read."""
    if time.time() - found.st_mtime > DAY and os.utime in os.supports_fd:
        with suppress(OSError):
            os.utime(descriptor)


def on_disk(size: int) -> int:
    """Return the bytes that a file of a size takes on a disk."""
    return -(-size // PAGE) * PAGE


def is_due(key: str) -> bool:
    """Tell whether who writes this key should look at the size of the cache: one in 256 does.

    To list a full cache takes some 50 ms. Keys are digests, so any writers of kernels take turns.
    """
    return key.startswith("00")


def trim(folder: Path, budget: int = BUDGET) -> None:
    """Remove the objects of a folder that were used least recently, if they have more bytes than the budget.

    Several processes may do so at once, and others read meanwhile: who has opened an object has it whole, and
    who comes too late compiles it again. What killed processes have left half-written goes as well.
    """
    with suppress(DiagnosticError):
        sweep(folder)
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for each in entries:
            if each.name.endswith(".o"):
                with suppress(OSError):
                    status = each.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, each.name, on_disk(status.st_size)))
    total = sum(size for _, _, size in found)
    if total <= budget:
        return
    for _, name, size in sorted(found):
        with suppress(OSError):
            os.unlink(folder / name)
        total -= size
        if total <= KEPT * budget:
            return
