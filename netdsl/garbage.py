"""Python's garbage collector, which looks through all that stays as often as much is made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SELDOM: Final = 100_000, 20, 20
"""Thresholds while little of what is made is garbage."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the garbage collector look more rarely meanwhile: a tenth of a start went into looking for garbage
    among trees, graphs and programs, which stay."""
    before = gc.get_threshold()
    if before[0] == 0 or before[0] >= SELDOM[0]:
        yield
        return
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def left_alone() -> Iterator[None]:
    """Have the garbage collector leave alone what is there already, and look for garbage in what is made
    meanwhile alone: compiling makes much of it, beside all the modules of Numba. Whoever has frozen something
    keeps it so."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
