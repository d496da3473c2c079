import _thread
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.kernels.cpu.context import ALIGNMENT, BARRIER_WORDS
from netdsl.runtime.load import library, load
from netdsl.runtime.threads import Threads

# Each thread adds its neighbor's last value to its own: wrong as soon as one runs ahead.
TEXT = """
from netdsl.kernels.cpu.prelude import *
@kernel
def take(old_: int, new_: int, thread: int, threads: int) -> None:
    old = at_long(old_)
    new = at_long(new_)
    new[thread * 16] = old[thread * 16] + old[((thread + 1) % threads) * 16] + thread
@kernel
def keep(old_: int, new_: int, thread: int) -> None:
    at_long(old_)[thread * 16] = at_long(new_)[thread * 16] % 1000003
"""


class Ring:
    """Values that threads hand round, meeting at barriers."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.old, self.new = np.ones((threads, 16), np.int64), np.zeros((threads, 16), np.int64)
        raw = np.zeros(4 * BARRIER_WORDS, np.int64)
        start = -raw.ctypes.data % ALIGNMENT // 8
        self.barrier = raw[start : start + BARRIER_WORDS]
        self.contexts = np.zeros((threads, 16), np.int64)
        kernels = load(TEXT, ["take", "keep"]) | {"barrier": library()["barrier"]}
        places = self.old.ctypes.data, self.new.ctypes.data
        self.tables = np.zeros((threads, 4, 12), np.int64)
        for thread, table in enumerate(self.tables):
            rows: Sequence[tuple[int, ...]] = [
                (kernels["take"], *places, thread, threads),
                (kernels["barrier"], self.barrier.ctypes.data, threads),
                (kernels["keep"], *places, thread),
                (kernels["barrier"], self.barrier.ctypes.data, threads),
            ]
            for number, row in enumerate(rows):
                table[number, : len(row)] = row

    def arguments(self) -> tuple[list[tuple[int, int]], list[int]]:
        tables = [(table.ctypes.data, len(table)) for table in self.tables]
        return tables, [context.ctypes.data for context in self.contexts]

    def expected(self, steps: int) -> list[int]:
        values = [1] * self.threads
        for _ in range(steps):
            values = [(values[i] + values[(i + 1) % self.threads] + i) % 1000003 for i in range(self.threads)]
        return values

    def values(self) -> NDArray[np.int64]:
        return self.old[:, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_meet_at_barriers(count: int) -> None:
    """With more threads than cores too."""
    ring, threads = Ring(count), Threads(count)
    threads.run(*ring.arguments(), 0, 150)
    threads.run(*ring.arguments(), 150, 200)
    threads.close()
    assert ring.values().tolist() == ring.expected(200)


def test_threads_run_again_after_they_were_closed() -> None:
    ring, threads = Ring(2), Threads(2)
    for _ in range(3):
        threads.run(*ring.arguments(), 0, 10)
        threads.close()
    assert ring.values().tolist() == ring.expected(30)


def test_threads_are_kept() -> None:
    ring, threads = Ring(3), Threads(3)
    before = threading.active_count()
    for _ in range(5):
        threads.run(*ring.arguments(), 0, 2)
    assert threading.active_count() == before + 3
    threads.close()
    assert threading.active_count() == before


def test_a_run_takes_no_more_threads_than_it_has_lists() -> None:
    threads, before = Threads(5), threading.active_count()
    for count, made in ((1, 0), (2, 2), (3, 3), (2, 3), (1, 3)):
        ring = Ring(count)
        threads.run(*ring.arguments(), 0, 20)
        assert ring.values().tolist() == ring.expected(20)
        assert threading.active_count() == before + made
    threads.make_ready(5)
    assert threading.active_count() == before + 5
    threads.close()
    assert threading.active_count() == before


def test_time_is_told_for_each_thread() -> None:
    ring, threads = Ring(2), Threads(2)
    spent = np.zeros((2, 4), np.int64)
    threads.run_timed(*ring.arguments(), 0, 50, [row.ctypes.data for row in spent])
    threads.close()
    assert ring.values().tolist() == ring.expected(50)
    assert (spent > 0).all()


def test_a_run_has_as_many_lists_as_there_are_threads_at_most() -> None:
    ring = Ring(3)
    tables, contexts = ring.arguments()
    with pytest.raises(ValueError, match="3 launch lists for 2 threads"):
        Threads(2).run(tables, contexts, 0, 1)
    with pytest.raises(ValueError, match="0 launch lists for 2 threads"):
        Threads(2).run([], [], 0, 1)
    with pytest.raises(ValueError, match="0 threads"):
        Threads(0)


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """A shell that starts tests in the background lets them ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
def test_an_interrupt_is_raised_when_the_run_has_ended() -> None:
    ring, threads = Ring(2), Threads(2)
    threads.run(*ring.arguments(), 0, 1)
    timer = threading.Timer(0.01, _thread.interrupt_main)
    timer.start()
    steps = 300_000
    with pytest.raises(KeyboardInterrupt):
        threads.run(*ring.arguments(), 0, steps)
    done = ring.values().tolist()
    assert ring.contexts[:, 0].tolist() == [steps - 1] * 2
    time.sleep(0.01)
    assert ring.values().tolist() == done, "a thread still runs"
    threads.run(*ring.arguments(), 0, 1)
    threads.close()


def test_a_forked_child_makes_threads_of_its_own() -> None:
    ring, threads = Ring(2), Threads(2)
    threads.run(*ring.arguments(), 0, 10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        threads.run(*ring.arguments(), 0, 10)
        os._exit(0 if ring.values().tolist() == ring.expected(20) else 1)
    assert os.waitpid(child, 0)[1] == 0
    threads.close()
