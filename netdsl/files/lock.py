"""One writer at a time: a lock that names who holds it and since when."""

import os
import time
from pathlib import Path
from types import TracebackType

from netdsl.files import system
from netdsl.files.failure import fail, shown, told
from netdsl.files.write import write_all


class Lock:
    """Hold a lock on a folder or file of this user while the `with` block runs.

    `patience` is how many seconds to wait for another process that holds it.

    The system lets go of it when the process ends, however it ends. The lock file itself stays: removing
    it would let two processes hold locks on two files of one name.

    Errors: E0806 when another process holds it, with its number and since when.
    """

    def __init__(self, path: Path, *, patience: float = 0.0) -> None:
        self._path = path
        self._patience = patience
        self._descriptor: int | None = None

    def __enter__(self) -> "Lock":
        with told("lock", self._path):
            descriptor = system.open_lock(str(self._path))
            try:
                held = self._wait(descriptor)
                owner = "" if held else system.read(descriptor, 200).decode("utf-8", "replace")
                if held:
                    _sign(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        if not held:
            os.close(descriptor)
            _refuse(self._path, owner)
        self._descriptor = descriptor
        return self

    def _wait(self, descriptor: int) -> bool:
        end = time.monotonic() + self._patience
        while not system.lock(descriptor):
            if time.monotonic() >= end:
                return False
            time.sleep(0.1)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # closing lets go of the lock


def _sign(descriptor: int) -> None:
    text = f"process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n"
    system.truncate(descriptor, 0)
    system.seek(descriptor, 0)
    write_all(descriptor, text.encode())


def _refuse(path: Path, owner: str) -> None:
    who = owner.strip() or "another process"
    fail(
        "E0806",
        f"`{shown(path.parent)}` is in use: {who} holds it",
        help="wait until it has finished, or stop it; a lock ends with the process that holds it",
    )
