"""Downloading a published file: over https, resumed where it broke off, held against its checksum."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from netdsl.data.problems import fail
from netdsl.data.published import Published
from netdsl.diagnostics import Span
from netdsl.files import (
    Lock,
    make_folders,
    pieces,
    reading,
    sync_folder,
    system,
    told,
    write_all,
)

_PIECE: Final = 1 << 16
_PATIENCE: Final = 30  # seconds without a byte
_LOCKED_PATIENCE: Final = 600  # seconds for another process to finish the download


class Body(Protocol):
    """What a server sends: `start` is the offset it begins at."""

    start: int

    def read(self, count: int) -> bytes:
        """Return some bytes, none at the end."""


Opener: TypeAlias = Callable[[str, int], AbstractContextManager[Body]]
"""Opens a URL from an offset on; a server may ignore the offset and begin at 0."""

Report: TypeAlias = Callable[[str, int, int], None]
"""Told the name of a file, the bytes that are here, and the bytes there will be."""


class _Response:
    def __init__(self, response: Any) -> None:
        self._response = response
        self.start = 0
        if response.status == 206:
            self.start = _start_of(response.headers.get("Content-Range", ""))

    def __enter__(self) -> "_Response":
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def read(self, count: int) -> bytes:
        return bytes(self._response.read(count))


class OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Refuses to follow a server to an address that is not https."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that follows. Raises URLError for an address that is not https."""
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str, start: int) -> AbstractContextManager[Body]:
    """Open an https URL from an offset on. Raises OSError or HTTPException."""
    if not url.startswith("https://"):
        raise urllib.error.URLError("it is not https")
    headers = {"User-Agent": "netdsl"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    return _Response(urllib.request.build_opener(OnlyHttps).open(request, timeout=_PATIENCE))


def download(
    file: Published,
    folder: Path,
    *,
    opener: Opener | None = None,
    report: Report | None = None,
    span: Span | None = None,
) -> Path:
    """Bring a published file into a folder, unless it is there, and return its path.

    What came before a break is kept as `NAME.part`, and the next attempt goes on from there. The file gets
    its name only when its SHA-256 is right. One process at a time downloads a file.

    Errors: E0525 when no place gives it, E0526 when what they give is something else; those of files.
    """
    target = folder / file.name
    if target.is_file():
        return target
    make_folders(folder)
    with Lock(folder / f"{file.name}.lock", patience=_LOCKED_PATIENCE):
        if not target.is_file():
            _bring(file, target, opener or open_https, report, span)
    return target


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    hashing = hashlib.sha256()
    with reading(path) as descriptor:
        for piece in pieces(descriptor, path):
            hashing.update(piece)
    return hashing.hexdigest()


def _bring(file: Published, target: Path, opener: Opener, report: Report | None, span: Span | None) -> None:
    part = target.with_name(f"{file.name}.part")
    failures = []
    for url in file.urls:
        try:
            _fetch(file, url, part, opener, report)
        except (OSError, HTTPException) as failure:
            failures.append(f"{url}: {_reason(failure)}")
            continue
        if digest_of(part) == file.sha256:
            _accept(part, target)
            return
        failures.append(f"{url}: what it gave is another file (its SHA-256 is not {file.sha256})")
        with told("remove", part):
            system.remove(str(part))
    code = "E0526" if "another file" in failures[-1] else "E0525"
    fail(
        code,
        f"`{file.name}` could not be downloaded",
        span,
        notes=failures,
        help=file.by_hand(target.parent),
    )


def _fetch(file: Published, url: str, part: Path, opener: Opener, report: Report | None) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if have >= file.size:
        return  # whole, or wrong: the checksum tells
    with opener(url, have) as body, told("write", part, needs=file.size - have):
        descriptor = system.open_append(str(part))
        try:
            if body.start != have:
                system.truncate(descriptor, body.start)
                have = body.start
            _copy(file, body, descriptor, have, report)
            system.sync(descriptor)
        finally:
            system.close(descriptor)


def _copy(file: Published, body: Body, descriptor: int, have: int, report: Report | None) -> None:
    while have <= file.size:
        try:
            piece = body.read(_PIECE)
        except (OSError, HTTPException) as failure:
            raise _BrokenOffError(_reason(failure)) from failure
        if not piece:
            break
        write_all(descriptor, piece[: file.size + 1 - have])
        have += len(piece)
        if report is not None:
            report(file.name, min(have, file.size), file.size)
    if have < file.size:
        raise _BrokenOffError(f"it broke off after {have:,} of {file.size:,} bytes")


class _BrokenOffError(HTTPException):
    """The server, not the disk, is at fault: not an OSError, which would be told as the disk's."""


def _accept(part: Path, target: Path) -> None:
    with told("write", target):
        system.rename(str(part), str(target))
        sync_folder(target.parent)


def _start_of(content_range: str) -> int:
    unit, _, rest = content_range.partition(" ")
    start = rest.partition("-")[0]
    if unit != "bytes" or not start.isdigit():
        raise HTTPException(f"the server sent a part that it calls {content_range!r}")
    return int(start)


def _reason(failure: BaseException) -> str:
    if isinstance(failure, urllib.error.HTTPError):
        return f"the server says {failure.code} {failure.reason}"
    if isinstance(failure, urllib.error.URLError):
        return str(failure.reason)
    return str(failure) or type(failure).__name__
