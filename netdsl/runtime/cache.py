"""Compiled kernels on disk, each under the name of what it was made from; a damaged one counts as missing."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from netdsl.diagnostics.diagnostic import DiagnosticError
from netdsl.files import cache_folder, write_atomic
from netdsl.lazy_dataclass import dataclass
from netdsl.runtime.trimming import is_due, trim, used

_FIRST_LINE: Final = b"netdsl object 1\n"
_DIGEST: Final = 32
_HEADER: Final = len(_FIRST_LINE) + 2 * _DIGEST
_FOREIGN: Final = stat.S_IWGRP | stat.S_IWOTH
_UNSAFE: Final = "E0807"


@dataclass(frozen=True, slots=True)
class ObjectCache:
    """A folder of object files; without one (a disk that cannot be written) nothing is kept."""

    folder: Path | None

    def read(self, key: str) -> bytes | None:
        """Return the object kept under a key, or None when it is missing, damaged or not safe to load."""
        if self.folder is None:
            return None
        try:
            return _object(_private_content(self._path(key)), key)
        except OSError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Keep an object; a full disk is no reason to stop, the next start compiles it again."""
        if self.folder is None:
            return
        content = _FIRST_LINE + bytes.fromhex(key) + hashlib.sha256(data).digest() + data
        try:
            # A damaged object is found out by its digest, and waiting for the disk took 4 to 10 ms a kernel.
            write_atomic(self._path(key), content, durable=False)
        except DiagnosticError:
            return
        if is_due(key):
            trim(self.folder)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.o"


def open_cache() -> ObjectCache:
    """Return the cache in the user's cache folder, made if need be.

    Errors: E0807 when that folder belongs to someone else or can be written by others.
    """
    try:
        folder = cache_folder() / "kernels"
        folder.mkdir(mode=0o700, exist_ok=True)
    except DiagnosticError as error:
        if any(each.code == _UNSAFE for each in error.diagnostics):
            raise
        return ObjectCache(None)
    except OSError:
        return ObjectCache(None)
    status = folder.lstat()
    return ObjectCache(folder if stat.S_ISDIR(status.st_mode) and _is_own(status) else None)


def _object(content: bytes, key: str) -> bytes | None:
    """Return the object in a file's content if each byte is as it was written, for this key."""
    start = len(_FIRST_LINE)
    data = content[_HEADER:]
    whole = (
        content.startswith(_FIRST_LINE)
        and content[start : start + _DIGEST] == bytes.fromhex(key)
        and content[start + _DIGEST : _HEADER] == hashlib.sha256(data).digest()
    )
    return data if whole else None


def _private_content(path: Path) -> bytes:
    """Return the content of a regular file of this user, nothing of any other."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(descriptor)
        if not (stat.S_ISREG(status.st_mode) and _is_own(status)):
            return b""
        used(descriptor, status)
        return _whole(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _is_own(status: os.stat_result) -> bool:
    """Tell whether a file or folder is this user's and nobody else can write to it."""
    owner = getattr(os, "getuid", lambda: status.st_uid)()
    return status.st_uid == owner and not status.st_mode & _FOREIGN
