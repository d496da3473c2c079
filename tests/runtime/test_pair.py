"""Steps that a second thread shares while it stands by, and that one takes alone otherwise."""

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.kernels.cpu.context import READY
from netdsl.runtime import pair, sharing
from netdsl.runtime.pair import Pair
from netdsl.runtime.threads import Threads
from tests.kernels.cpu.bench import LEVELS, call, hand_written
from tests.runtime.test_executable import scorer
from tests.runtime.test_threads import Ring

LINE = 16


class Step:
    """A ring of two values, and a list by which one thread does what two do by theirs."""

    def __init__(self) -> None:
        self.ring = Ring(2)
        work = self.ring.tables[:, ::2]
        self.alone = np.ascontiguousarray(work.transpose(1, 0, 2).reshape(4, 12))

    def pair(self, threads: Threads) -> Pair:
        made = threads.pair((self.alone.ctypes.data, 4), *self.ring.arguments())
        assert isinstance(made, Pair)
        return made

    def is_after(self, steps: int) -> bool:
        return bool(self.ring.values().tolist() == self.ring.expected(steps))


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(2)
    yield made
    made.close()


def in_a_thread(job: Callable[[], None]) -> None:
    threading.Thread(target=job, daemon=True).start()


def wait_until_ready(words: NDArray[np.int64]) -> None:
    limit = time.monotonic() + 60
    while words[0] != READY:
        assert time.monotonic() < limit, "nobody stands by"
        os.sched_yield()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pauses", [1, 30, 1000])
def test_a_step_is_taken_once_whether_the_other_thread_just_leaves_or_not(level: str, pauses: int) -> None:
    """The other thread comes and leaves again and again: each of the two may be first."""
    step, kernels = Step(), hand_written(level)
    (tables, contexts), words = step.ring.arguments(), np.zeros(3 * LINE, np.int64)
    turn, gone, shared = (words.ctypes.data + 8 * LINE * each for each in range(3))
    stop = threading.Event()
    ended = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            call(kernels["stand_by"], turn, gone, kernels["interpret"], *tables[1], contexts[1], pauses)
        ended.set()

    in_a_thread(come_and_go)
    for _ in range(500):
        lists = *tables[0], step.alone.ctypes.data, 4
        call(kernels["share_step"], turn, shared, kernels["interpret"], *lists, contexts[0])
        assert words[2 * LINE] in (0, 1)
    stop.set()
    assert ended.wait(60)
    assert words[LINE] > 0
    assert step.is_after(500)


def standing_by(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> tuple[Step, Pair]:
    """Return a step that was taken twice, and a pair whose second thread stands by for long."""
    monkeypatch.setattr(pair, "STANDING_BY", 1.0)
    monkeypatch.setattr(pair, "NEAR", 100.0)
    monkeypatch.setattr(pair, "PINS", False)
    step = Step()
    made = step.pair(threads)
    made()
    made()
    wait_until_ready(made._words)
    return step, made


def test_steps_are_shared_while_the_second_thread_stands_by(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, made = standing_by(threads, monkeypatch)
    for taken in range(3, 9):
        monkeypatch.setattr(made, "_rest", 0.0)
        made()
        assert made._shared.value == 1
        assert step.is_after(taken)
        wait_until_ready(made._words)
    assert made._visits == 1


def test_the_second_thread_is_woken_when_steps_are_near_and_left_alone_after_a_bad_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, asked = Step(), list[Callable[[], None]]()
    tables, contexts = step.ring.arguments()
    made = Pair((step.alone.ctypes.data, 4), (tables[0], tables[1]), (contexts[0], contexts[1]), asked.append)
    now = 0.0
    taken = 0

    def take(after: float, seconds: float) -> None:
        nonlocal now, taken
        times = iter([now + after, now := now + after + seconds])
        monkeypatch.setattr(pair, "perf_counter", lambda: next(times))
        made()
        taken += 1
        assert step.is_after(taken)

    take(1.0, 1e-4)
    take(2 * pair.NEAR, 1e-4)
    assert not asked
    take(pair.NEAR / 2, 1e-4)
    take(pair.NEAR / 2, 1e-4)
    assert len(asked) == 1, "it is woken once"
    made._gone.value += 1
    take(pair.NEAR / 2, 1e-4)
    assert len(asked) == 2, "it has gone to sleep, and is woken again"
    made._gone.value += 1
    take(pair.NEAR / 2, 1e-4)
    assert len(asked) == 3
    made._gone.value += 1
    monkeypatch.setattr(made, "_step", said_to_be_shared(made))
    take(pair.NEAR / 2, 1e-2)
    assert len(asked) == 4
    made._gone.value += 1
    for _ in range(3):
        take(pair.NEAR / 2, 1e-4)
    assert len(asked) == 4, "a shared step of 100 times as long as one alone is followed by a rest"
    take(pair.REST * 1e-2, 1e-4)
    take(pair.NEAR / 2, 1e-4)
    assert len(asked) == 5


def said_to_be_shared(made: Pair) -> Callable[[], None]:
    """Return a step that says it was shared."""

    def take() -> None:
        made._step_alone()
        made._shared.value = 1

    return take


def test_a_step_is_the_same_however_many_threads_wait_for_the_core(threads: Threads) -> None:
    """Beside threads that keep the cores busy."""
    step, stop = Step(), threading.Event()
    made, kernels = step.pair(threads), hand_written(LEVELS[0])
    words = np.zeros((3, 3 * LINE), np.int64)

    def busy(own: NDArray[np.int64]) -> None:
        place = own.ctypes.data
        while not stop.is_set():
            call(kernels["stand_by"], place, place + 8 * LINE, 0, 0, 0, 0, 10_000)

    for own in words:
        in_a_thread(functools.partial(busy, own))
    for _ in range(2000):
        made()
    stop.set()
    assert step.is_after(2000)


def test_threads_are_closed_while_one_stands_by(threads: Threads) -> None:
    step, before = Step(), threading.active_count()
    made = step.pair(threads)
    for taken in (20, 40):
        for _ in range(20):
            made()
        threads.close()
        assert threading.active_count() == before
        assert step.is_after(taken)


def test_a_second_thread_may_run_anywhere_again_when_it_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.sched_getaffinity(0)
    seen = []
    pair._elsewhere(lambda: seen.append(os.sched_getaffinity(0)), min(allowed), None)
    assert seen == ([allowed - {min(allowed)}] if len(allowed) > 1 else [])
    assert os.sched_getaffinity(0) == allowed
    monkeypatch.setattr(pair, "PINS", False)
    pair._elsewhere(lambda: seen.append(os.sched_getaffinity(0)), min(allowed), None)
    assert seen[-1] == allowed


def test_a_forked_child_takes_steps_with_a_thread_of_its_own(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when its parent's stood by at the fork."""
    step, made = standing_by(threads, monkeypatch)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        for _ in range(100):
            made()
        os._exit(0 if step.is_after(102) and made._visits else 1)
    assert os.waitpid(child, 0)[1] == 0
    made()
    assert step.is_after(3)


def test_rows_asked_for_again_and_again_are_the_same_by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 1, 20)).astype(np.float32)
    wanted = [scorer(1).apply({"x": x, "label": np.array([3])}, 1, 1) for x in rows]
    monkeypatch.setattr(sharing, "CYCLES_A_PHASE", 0.01)
    monkeypatch.setattr(sharing, "CYCLES_OF_A_PAIR", 0)
    executable = scorer(2)
    for _ in range(10):
        for x, expected in zip(rows, wanted, strict=True):
            found = executable.apply({"x": x, "label": np.array([3])}, 1, 1)
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value)
    assert isinstance(executable._calls[1]._walk, Pair)
    executable.close()
