"""Writing that leaves either the old or the new content, whatever happens on the way."""

import errno
import itertools
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from netdsl.files import system
from netdsl.files.failure import fail, told

_count = itertools.count()
_TEMPORARY: Final = re.compile(r"\..*\.(\d+)-\d+\.tmp")
_NO_FOLDER_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put content under a name, all of it or nothing.

    The bytes go to a new file in the same folder, to the disk, and only then under the name. After a
    failure the old content stands and no other file is left. What is not `durable` is not waited for: after
    a loss of power there may be a damaged file under the name, so whoever reads it must find that out.

    Errors: E0801 to E0804, with the exit code of files.
    """
    with told("write", path, needs=len(data)):
        temporary = path.parent / f".{path.name[:100]}.{os.getpid()}-{next(_count)}.tmp"
        descriptor = system.open_new(str(temporary))
        try:
            _fill(descriptor, data, durable=durable)
            system.rename(str(temporary), str(path))
        except BaseException:
            _discard(temporary)
            raise
        if durable:
            sync_folder(path.parent)


def append_line(path: Path, text: str) -> None:
    """Add a line to the end of a file in one write, so that a reader never sees half of one.

    A write that falls short (a full disk) is taken back.

    Errors: E0801 to E0804, with the exit code of files.
    """
    if "\n" in text:
        raise ValueError("a line has no line break inside")
    data = text.encode() + b"\n"
    with told("write", path, needs=len(data)):
        descriptor = system.open_append(str(path))
        try:
            _append(descriptor, data)
        except BaseException:
            with suppress(OSError):
                system.close(descriptor)
            raise
        system.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk; a file system that cannot is left alone."""
    descriptor = system.open_folder(str(path))
    try:
        system.sync(descriptor)
    except OSError as failure:
        if failure.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        system.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes, in as many calls as the system takes."""
    rest = memoryview(data)
    while rest:
        written = system.write(descriptor, rest)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest = rest[written:]


def sweep(folder: Path) -> tuple[Path, ...]:
    """Remove the temporary files of processes that were killed while they wrote; return them."""
    gone = []
    with told("clear up", folder):
        for name in system.names(str(folder)):
            found = _TEMPORARY.fullmatch(name)
            if found and not is_running(int(found[1])):
                system.remove(str(folder / name))
                gone.append(folder / name)
    return tuple(gone)


def is_running(process: int) -> bool:
    """Tell whether a process of this machine is alive."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def make_folders(path: Path) -> None:
    """Make a folder and those above it; one that is there is left as it is.

    Errors: E0801 to E0804; E0805 when a file has the name.
    """
    if path.is_dir():
        return
    if path.exists() or path.is_symlink():
        fail("E0805", f"`{path}` is not a folder", help="give another name, or move that file away")
    make_folders(path.parent)
    with told("make the folder", path), suppress(FileExistsError):
        system.make_folder(str(path))


def _fill(descriptor: int, data: bytes, *, durable: bool) -> None:
    try:
        write_all(descriptor, data)
        if durable:
            system.sync(descriptor)
    except BaseException:
        with suppress(OSError):
            system.close(descriptor)
        raise
    system.close(descriptor)


def _append(descriptor: int, data: bytes) -> None:
    size = system.status_of(descriptor).st_size
    try:
        if system.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        with suppress(OSError):
            system.truncate(descriptor, size)
        raise


def _discard(path: Path) -> None:
    with suppress(OSError):
        system.remove(str(path))
