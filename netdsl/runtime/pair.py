"""A step again and again by two threads: the second stands by for a moment after each."""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Final

import numpy as np

from netdsl.kernels.cpu.context import ALIGNMENT
from netdsl.runtime.arena import address, aligned
from netdsl.runtime.load import library

STANDING_BY: Final = 5e-4
"""Seconds that the second thread waits for the next step before it sleeps again. It is woken while the first
thread takes a step alone, and has to be there still when that has ended."""

NEAR: Final = 1e-4
"""Seconds between two steps, at most, for the second thread to be woken and to be used: what it waits for
costs no more than what it spares."""

REST: Final = 20
"""How many times as long as a shared step the second thread is left to sleep where that step took more than
twice as long as one alone: another program had a core, and the first thread waited for it."""

PINS: Final = sys.platform == "linux"
"""Whether a thread can be kept away from a core."""

_TRIAL: Final = 1000
_LINE: Final = ALIGNMENT // 8
_INTERPRET: Final = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)
_STAND_BY: Final = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7)
_SHARE_STEP: Final = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 8)


class Pair:
    """One step of a launch list for two threads, or of the list for one where no second thread is ready.

    Handing a run to a sleeping thread costs a quarter of a millisecond, and a row of 784-512-256-10 takes
    100 us: so the thread is woken once steps follow each other closely, and shares those that come while
    it stands by. Both lists give the same bits.
    """

    def __init__(
        self,
        alone: tuple[int, int],
        lists: tuple[tuple[int, int], tuple[int, int]],
        contexts: tuple[int, int],
        begin: Callable[[Callable[[], None]], None],
    ) -> None:
        """Take addresses and numbers of rows of the lists; `begin` hands a job to the second thread."""
        kernels = library().get_all(["interpret", "stand_by", "share_step"])
        walker = kernels["interpret"]
        words = aligned(3 * _LINE, np.int64, ALIGNMENT)
        turn, gone, shared = (address(words) + 8 * _LINE * each for each in range(3))
        self._words = words
        self._gone, self._shared = map(ctypes.c_int64.from_address, (gone, shared))
        self._step = _bound(
            _SHARE_STEP(kernels["share_step"]), turn, shared, walker, *lists[0], *alone, contexts[0]
        )
        self._step_alone = _bound(_INTERPRET(walker), *alone, contexts[0], 0, 1)
        standing = _STAND_BY(kernels["stand_by"])
        pauses = _pauses(functools.partial(standing, turn, gone, walker, *lists[1], contexts[1]))
        words[:] = 0
        self._stand_by = _bound(standing, turn, gone, walker, *lists[1], contexts[1], pauses)
        self._begin = begin
        self._process = os.getpid()
        self._visits = 0
        """How many times the second thread was woken; `_gone` is how many times it has gone to sleep."""
        self._least = inf
        """Seconds of a step alone, at least."""
        self._ended = self._rest = -inf
        """When the last step ended, and until when the second thread is left to sleep."""

    def __call__(self) -> None:
        """Take the step."""
        if self._process != os.getpid():
            self._forget()
        began = perf_counter()
        if began - self._ended > NEAR or began < self._rest:
            self._step_alone()
            shared = False
        else:
            if self._visits == self._gone.value:
                self._visits += 1
                self._begin(functools.partial(_elsewhere, self._stand_by, _core(), self._words))
            self._step()
            shared = self._shared.value != 0
        self._ended = perf_counter()
        spent = self._ended - began
        if not shared:
            self._least = min(self._least, spent)
        elif spent > 2 * self._least:
            self._rest = self._ended + REST * spent

    def _forget(self) -> None:
        """Begin anew in a forked child, which has none of its parent's threads."""
        self._words[:] = 0
        self._visits, self._process = 0, os.getpid()


def _bound(kernel: Callable[..., None], *words: int) -> Callable[[], None]:
    """Return a call of a kernel, its words made ready."""
    return functools.partial(kernel, *map(ctypes.c_int64, words))


def _pauses(stand_by: Callable[[int], None]) -> int:
    """Return how often the second thread looks for the next step: a pause takes 13 to 65 ns."""
    least = inf
    for _ in range(3):
        began = perf_counter()
        stand_by(_TRIAL)
        least = min(least, perf_counter() - began)
    return int(STANDING_BY / least * _TRIAL)


def _core() -> int:
    """Return the number of the core that the caller runs on, -1 where the system does not tell."""
    return int(ctypes.CDLL(None).sched_getcpu()) if PINS else -1


def _elsewhere(stand_by: Callable[[], None], core: int, _words: object) -> None:
    """Stand by on another core than that of the caller, who may have let go of the words meanwhile.

    A woken thread begins on the core of the one that woke it, where it would only be in the way: on a virtual
    machine of two cores that was so 160 times of 200. Where there is no other core it never stands by again.
    """
    if not PINS:
        stand_by()
        return
    allowed = os.sched_getaffinity(0)
    if allowed > {core}:
        os.sched_setaffinity(0, allowed - {core})
        stand_by()
        os.sched_setaffinity(0, allowed)
