"""The threads of an executable: each walks its own launch list, and they meet at its barriers."""

import ctypes
import functools
import os
import queue
import threading
from collections.abc import Callable, Sequence
from time import perf_counter, thread_time
from typing import Final

from netdsl.runtime.load import library
from netdsl.runtime.pair import Pair

Job = Callable[[], None]
_INTERPRET: Final = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)
_INTERPRET_TIMED: Final = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)


@functools.cache
def _timed() -> Callable[..., None]:
    return _INTERPRET_TIMED(library()["interpret_timed"])


class Threads:
    """Keep threads waiting for launch lists: `count` of them at most, of which a run takes one a list.

    A list with barriers needs all its threads at once. So a run is handed over whole: a signal that raises
    in the caller's thread finds it not begun, and withdraws it, or begun, and waits for its end.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"{count} threads")
        self.count = count
        self._workers: list[_Worker] = []
        self._process = os.getpid()
        self._one_run = threading.Lock()

    @functools.cached_property
    def _interpret(self) -> Callable[..., None]:
        # Looked up for the first run: a program loads it together with the kernels of its first rows.
        return _INTERPRET(library()["interpret"])

    def run(self, tables: Sequence[tuple[int, int]], contexts: Sequence[int], first: int, last: int) -> float:
        """Walk a launch list in each thread for each step from `first` to before `last`.

        `tables` are addresses and numbers of rows, `contexts` the addresses of the threads' blocks. Returned
        is how many cores the threads had meanwhile: fewer than there are threads where others took them.
        """
        if len(tables) == 1:
            self._interpret(*tables[0], contexts[0], first, last)
            return 1.0
        return self._together(
            [
                _job(self._interpret, table, rows, context, first, last)
                for (table, rows), context in zip(tables, contexts, strict=True)
            ]
        )

    def alone(self, table: tuple[int, int], context: int) -> Job:
        """Return what walks a launch list for one step in the caller's thread, its words made ready."""
        words = [ctypes.c_int64(each) for each in (*table, context, 0, 1)]
        return functools.partial(self._interpret, *words)

    def pair(self, alone: tuple[int, int], lists: Sequence[tuple[int, int]], contexts: Sequence[int]) -> Job:
        """Return what walks a launch list for one step in the caller's thread, or lists for two of them where
        one of the others is ready."""
        return Pair(alone, (lists[0], lists[1]), (contexts[0], contexts[1]), self._begin)

    def run_timed(
        self,
        tables: Sequence[tuple[int, int]],
        contexts: Sequence[int],
        first: int,
        last: int,
        spent: Sequence[int],
    ) -> None:
        """Run as `run` does, and add each launch's cycles to the int64 arrays at the addresses `spent`."""
        timed = _timed()
        self._together(
            [
                _job(timed, table, rows, context, first, last, ticks)
                for (table, rows), context, ticks in zip(tables, contexts, spent, strict=True)
            ]
        )

    def make_ready(self, count: int) -> None:
        """Make the threads of a run of so many lists, so that the time of the run is without it."""
        if count > 1:
            with self._one_run:
                self._start(count)

    def close(self) -> None:
        """End the threads; the next run starts them anew."""
        with self._one_run:
            workers, self._workers = self._workers, []
            if self._process == os.getpid():
                for worker in workers:
                    worker.end()

    def _together(self, jobs: Sequence[Job]) -> float:
        if not 1 <= len(jobs) <= self.count:
            raise ValueError(f"{len(jobs)} launch lists for {self.count} threads")
        if len(jobs) == 1:
            jobs[0]()
            return 1.0
        with self._one_run:
            self._start(len(jobs))
            batch = _Batch(jobs, self._workers[: len(jobs)])
            began = perf_counter()
            try:
                self._workers[0].begin(batch)
                batch.done.wait()
            except BaseException:
                batch.withdraw_or_wait()
                raise
            return sum(batch.spent) / (perf_counter() - began)

    def _begin(self, job: Job) -> None:
        """Hand a job to one thread, and do not wait for it."""
        with self._one_run:
            self._start(1)
            self._workers[0].begin(job)

    def _start(self, count: int) -> None:
        """Make the threads when they are first needed; a forked child has none of its parent's."""
        if self._process != os.getpid():
            self._workers, self._process = [], os.getpid()
        while len(self._workers) < count:
            self._workers.append(_Worker())


class _Batch:
    """The jobs of one run. Whoever takes it first, the first worker or a caller that gives up, decides."""

    def __init__(self, jobs: Sequence[Job], workers: Sequence["_Worker"]) -> None:
        self.done = threading.Event()
        self.spent = [0.0] * len(jobs)
        """Seconds of a core that each thread had."""
        self._taken = threading.Lock()
        self._jobs = [_counted(job, self.spent, number) for number, job in enumerate(jobs)]
        self._workers = workers

    def __call__(self) -> None:
        """Hand a job to each other worker, do the first, wait for all. No signal is raised in a worker."""
        if not self._taken.acquire(blocking=False):
            return
        ends = [threading.Lock() for _ in self._jobs[1:]]
        for worker, job, end in zip(self._workers[1:], self._jobs[1:], ends, strict=True):
            end.acquire()
            worker.begin(_then_release(job, end))
        self._jobs[0]()
        for end in ends:
            end.acquire()
        self.done.set()

    def withdraw_or_wait(self) -> None:
        """Take the run back if it has not begun, else wait for its end, however many signals come."""
        if self._taken.acquire(blocking=False):
            return
        while not self.done.is_set():
            try:
                self.done.wait()
            except KeyboardInterrupt:
                continue


class _Worker:
    """A thread that waits for jobs and does them one after the other."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="netdsl", daemon=True)
        self._thread.start()

    def begin(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _job(kernel: Callable[..., None], *words: int) -> Job:
    return lambda: kernel(*words)


def _counted(job: Job, spent: list[float], number: int) -> Job:
    def counted() -> None:
        before = thread_time()
        job()
        spent[number] = thread_time() - before

    return counted


def _then_release(job: Job, end: threading.Lock) -> Job:
    def both() -> None:
        job()
        end.release()

    return both
