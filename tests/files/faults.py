"""Makes the n-th call to the file system fail."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from netdsl.diagnostics import DiagnosticError
from netdsl.files import system

KINDS = ("ENOSPC", "EIO", "EACCES", "EINTR", "SHORT")


@dataclass
class Faults:
    """Counts calls; the `at`-th one (from 1) fails as `kind` says. With `at` 0 none does."""

    at: int = 0
    kind: str = "EIO"
    calls: list[str] = field(default_factory=list)
    hit: str = ""

    def __call__(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        self.calls.append(name)
        if len(self.calls) != self.at:
            return function(*arguments)
        self.hit = name
        if self.kind == "SHORT":
            return self._short(name, function, arguments)
        if name == "close":
            function(*arguments)  # the descriptor is gone even if its close fails
        code = getattr(errno, self.kind)
        raise OSError(code, os.strerror(code))

    def _short(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name != "write":
            return function(*arguments)
        descriptor, data = arguments
        return function(descriptor, bytes(data)[: len(data) // 2])


@contextmanager
def faulty(at: int, kind: str) -> Iterator[Faults]:
    faults = Faults(at, kind)
    with system.intercepted(faults):
        yield faults


def outcome(work: Callable[[], object]) -> DiagnosticError | None:
    """Do something; return the error that it ended with."""
    try:
        work()
    except DiagnosticError as error:
        return error
    return None


def count_calls(work: Callable[[], object]) -> int:
    with faulty(0, "EIO") as faults:
        work()
    return len(faults.calls)
