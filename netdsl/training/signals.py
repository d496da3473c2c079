"""Ctrl-C and termination: the first signal lets a training finish its step and save, the second ends it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


BEFORE = "stopped before the first step; there was nothing to save"
"""What is told when a signal ends a training while its file is read, its data loaded or its kernels made."""


class Interrupted(KeyboardInterrupt):
    """Raised when a signal ends the work; a KeyboardInterrupt, so that nothing mistakes it for a failure."""

    def __init__(self, number: int, message: str = "stopped") -> None:
        self.number = number
        super().__init__(message)

    @property
    def exit_code(self) -> int:
        """Return the exit code that shells expect."""
        return 128 + self.number


class Signals:
    """Catch SIGINT and SIGTERM while the context stands.

    Outside of `deferred` a signal raises Interrupted where the program stands. Inside, the first one is
    only noted in `received`, and the second raises. Outside the main thread, where Python delivers no
    signals, nothing is caught. `early` is what is told when one comes outside of `deferred`.
    """

    def __init__(self, early: str = "stopped") -> None:
        self.received: int | None = None
        self._early = early
        self._deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Note the first signal instead of raising.

        Python drops what is raised in some callbacks, so a signal from before may have had no effect yet.
        """
        if self.received is not None:
            raise Interrupted(self.received, self._early)
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = number
        if not (self._deferred and first):
            raise Interrupted(number, "stopped at once" if self._deferred else self._early)
