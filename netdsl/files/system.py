"""Every call to the file system passes here, so that a test can make the n-th one fail."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no fcntl
    fcntl = None  # type: ignore[assignment]

Interceptor: TypeAlias = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]
"""Called in place of a call, with its name, the function and the arguments."""

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC: Final = getattr(os, "O_CLOEXEC", 0)
_interceptor: Interceptor | None = None


@contextmanager
def intercepted(interceptor: Interceptor) -> Iterator[None]:
    """Let a function of the tests stand between this module and the system."""
    global _interceptor
    before, _interceptor = _interceptor, interceptor
    try:
        yield
    finally:
        _interceptor = before


def _call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the system, again where a signal came between."""
    while True:
        try:
            if _interceptor is None:
                return function(*arguments)
            return _interceptor(name, function, arguments)
        except InterruptedError:
            # A descriptor is gone even when its close was interrupted: a second close could hit another file.
            if name == "close":
                return None


def open_new(path: str, mode: int = 0o666) -> int:
    """Make a file that must not exist yet, for writing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _CLOSE_ON_EXEC
    return int(_call("open", os.open, path, flags, mode))


def open_append(path: str) -> int:
    """Open or make a file whose every write goes to the end."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK | _CLOSE_ON_EXEC
    return int(_call("open", os.open, path, flags, 0o666))


def open_lock(path: str) -> int:
    """Open or make a file to lock and to note its owner in."""
    flags = os.O_RDWR | os.O_CREAT | _NO_LINK | _CLOSE_ON_EXEC
    return int(_call("open", os.open, path, flags, 0o666))


def open_read(path: str) -> int:
    """Open a file for reading; a pipe does not make the call wait."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _CLOSE_ON_EXEC
    return int(_call("open", os.open, path, flags))


def open_folder(path: str) -> int:
    """Open a folder, to sync it."""
    return int(_call("open", os.open, path, os.O_RDONLY | _CLOSE_ON_EXEC))


def write(descriptor: int, data: bytes | memoryview) -> int:
    """Write some of the bytes; return how many."""
    return int(_call("write", os.write, descriptor, data))


def read(descriptor: int, count: int) -> bytes:
    """Read at most `count` bytes."""
    return bytes(_call("read", os.read, descriptor, count))


def seek(descriptor: int, offset: int) -> None:
    """Set the position of the next read or write."""
    _call("seek", os.lseek, descriptor, offset, os.SEEK_SET)


def truncate(descriptor: int, size: int) -> None:
    """Cut a file to a size."""
    _call("truncate", os.ftruncate, descriptor, size)


def sync(descriptor: int) -> None:
    """Wait until a file or folder is on the disk."""
    _call("fsync", os.fsync, descriptor)


def close(descriptor: int) -> None:
    """Close a descriptor."""
    _call("close", os.close, descriptor)


def rename(source: str, target: str) -> None:
    """Give a file another name, in place of the file that had it."""
    _call("rename", os.replace, source, target)


def remove(path: str) -> None:
    """Remove a file."""
    _call("remove", os.unlink, path)


def make_folder(path: str, mode: int = 0o777) -> None:
    """Make a folder that must not exist yet."""
    _call("mkdir", os.mkdir, path, mode)


def status(path: str) -> os.stat_result:
    """Tell what a path is, without following a link."""
    result: os.stat_result = _call("stat", os.lstat, path)
    return result


def status_of(descriptor: int) -> os.stat_result:
    """Tell what an open file is."""
    result: os.stat_result = _call("stat", os.fstat, descriptor)
    return result


def names(path: str) -> list[str]:
    """List the names in a folder, sorted."""
    return sorted(_call("list", os.listdir, path))


def lock(descriptor: int) -> bool:
    """Try to lock a file; False when another process holds the lock."""
    if fcntl is None:  # pragma: no cover - Windows has no fcntl
        return True
    try:
        _call("lock", fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def free_bytes(path: str) -> int | None:
    """Tell the free space of the disk a folder lies on; None where the system does not say."""
    try:
        found = os.statvfs(path)
    except (AttributeError, OSError):
        return None
    return found.f_bavail * found.f_frsize


def is_regular(found: os.stat_result) -> bool:
    """Tell whether a status is that of an ordinary file."""
    return stat.S_ISREG(found.st_mode)
