"""The IDX format of MNIST: a header with the extents, then the numbers, mostly in a gzip file."""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from netdsl.data.inflate import inflated, size_limit
from netdsl.data.problems import fail
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Label, Span
from netdsl.files import shown
from netdsl.lazy_dataclass import dataclass

_DTYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_CLASSES: Final = 100_000
_DEFLATE_LIMIT: Final = 1033  # no deflate stream unpacks to more than 1,032 times its size


@dataclass(frozen=True, slots=True)
class Header:
    """What an IDX file says of itself."""

    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def content(self) -> int:
        """Return the number of bytes behind the header."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def read_header(path: Path, span: Span | None = None) -> Header:
    """Read the header of an IDX file and hold it against the file's size.

    Errors: E0527.
    """
    return _header(next(_pieces(path, span), b""), path, span)


def read_idx(path: Path, span: Span | None = None) -> np.ndarray:
    """Read an IDX file: uint8 as stored, whole numbers as int32, others as float32."""
    return read_hashed(path, span)[0]


def read_hashed(path: Path, span: Span | None = None) -> tuple[np.ndarray, str]:
    """Read an IDX file, and the SHA-256 of its unpacked content."""
    stream = _pieces(path, span)
    piece = next(stream, b"")
    header = _header(piece, path, span)
    hashing = hashlib.sha256(piece[: header.size])
    target = np.empty(header.content, np.uint8)
    filled, rest = 0, memoryview(piece)[header.size :]
    while True:
        if filled + len(rest) > len(target):
            raise _wrong(path, span, "there is more in it than its header says")
        target[filled : filled + len(rest)] = np.frombuffer(rest, np.uint8)
        hashing.update(rest)
        filled += len(rest)
        following = next(stream, None)
        if following is None:
            break
        rest = memoryview(following)
    if filled < len(target):
        raise _wrong(path, span, _short(header, filled))
    return _converted(target.view(header.dtype).reshape(header.shape), path, span), hashing.hexdigest()


def _pieces(path: Path, span: Span | None) -> Iterator[bytes]:
    return inflated(path, lambda reason: _wrong(path, span, reason))


def _header(start: bytes, path: Path, span: Span | None) -> Header:
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _DTYPES or not start[3]:
        raise _wrong(path, span, "it does not begin as an IDX file does")
    size = 4 + 4 * start[3]
    if len(start) < size:
        raise _wrong(path, span, "it ends in its header")
    extents = tuple(int(each) for each in np.frombuffer(start[4:size], ">u4"))
    header = Header(_DTYPES[start[2]], extents, size)
    stored = path.stat().st_size
    if header.content > min(size_limit(stored), _DEFLATE_LIMIT * stored):
        raise _wrong(path, span, f"its header tells of {header.content:,} bytes, more than can be in it")
    return header


def _converted(stored: np.ndarray, path: Path, span: Span | None) -> np.ndarray:
    if stored.dtype == np.uint8:
        return stored
    if stored.dtype.kind == "i":
        return stored.astype(np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = stored.astype(np.float32)
    if not np.isfinite(numbers).all():
        row = int(np.argwhere(~np.isfinite(numbers))[0][0])
        raise _wrong(path, span, f"row {row + 1} has a number that is not finite in 32 bits")
    return numbers


def _short(header: Header, found: int) -> str:
    return f"its header tells of {header.content:,} bytes, and {found:,} follow"


def _wrong(path: Path, span: Span | None, reason: str) -> DiagnosticError:
    message = f"`{shown(path)}` is no whole IDX file: {reason}"
    label = Label(span, "read here") if span else None
    help = "copy or download it again"
    return DiagnosticError([Diagnostic("E0527", message, label, help=help)], Exit.DATA)


def count_classes(labels: np.ndarray, path: Path, span: Span | None = None) -> int:
    """Return the number of classes of labels that count from 0: the largest one, and one more.

    Errors: E0537 for labels that are no such numbers, E0540 for too many classes.
    """
    if labels.dtype.kind == "f":
        help = "save them as bytes or whole numbers that count from 0"
        fail("E0537", f"the labels in `{shown(path)}` are not whole numbers", span, help=help)
    classes = int(labels.max(initial=0)) + 1
    check_labels(labels, classes, path, span)
    if classes > MOST_CLASSES:
        fail(
            "E0540", f"`{shown(path)}` has a label {classes - 1:,}; the largest is {MOST_CLASSES - 1:,}", span
        )
    return classes


def check_labels(labels: np.ndarray, classes: int, path: Path, span: Span | None = None) -> None:
    """Refuse labels that are not 0 to classes - 1.

    Errors: E0537 with the row.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        row = int(wrong[0])
        message = f"`{shown(path)}`: row {row + 1} has label {int(labels[row])}"
        known = f"the classes are 0 to {classes - 1}"
        fail("E0537", f"{message}, but {known}", span, help="mend the file, or take the row out")
