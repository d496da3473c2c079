"""Reading: an ordinary file only, and never more than was asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netdsl.files import system
from netdsl.files.failure import fail, shown, size_text, told


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """Open an ordinary file for reading and give its descriptor; close it after.

    Errors: E0802 to E0804; E0805 for a folder, a pipe or a device.
    """
    if "\0" in str(path):
        fail("E0805", f"{str(path)!r} is not a name of a file")
    with told("read", path):
        descriptor = system.open_read(str(path))
    try:
        with told("read", path):
            regular = system.is_regular(system.status_of(descriptor))
        if not regular:
            fail("E0805", f"`{shown(path)}` is not a file", help="give the name of an ordinary file")
        yield descriptor
    finally:
        os.close(descriptor)


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """Read a whole file.

    Errors: those of `reading`; E0804 when it is larger than `limit` bytes.
    """
    with reading(path) as descriptor:
        return b"".join(pieces(descriptor, path, limit=limit))


def pieces(descriptor: int, path: Path, *, limit: int | None = None, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield the bytes of an open file, a piece at a time."""
    total = 0
    while True:
        with told("read", path):
            piece = system.read(descriptor, size)
        if not piece:
            return
        total += len(piece)
        if limit is not None and total > limit:
            fail("E0804", f"`{shown(path)}` is larger than {size_text(limit)}")
        yield piece
