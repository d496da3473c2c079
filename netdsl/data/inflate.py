"""The bytes of a file, inflated if it is a gzip file, as a stream that ends before memory does."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from netdsl.files import pieces, reading

Wrong = Callable[[str], Exception]
_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 20
_ALWAYS_ALLOWED: Final = 1 << 30
_RATIO: Final = 100


def size_limit(stored: int) -> int:
    """Return how many bytes a compressed file may hold: 100 times its size, or 1 GiB if that is more."""
    return max(_ALWAYS_ALLOWED, _RATIO * stored)


def inflated(path: Path, wrong: Wrong) -> Iterator[bytes]:
    """Yield the content of a file, unpacked if it is gzip, in pieces of at most 1 MiB.

    `wrong(reason)` makes the error to raise for a damaged gzip file.
    """
    with reading(path) as descriptor:
        stored = pieces(descriptor, path)
        first = next(stored, b"")
        if first.startswith(_GZIP):
            yield from _unpack(first, stored, path.stat().st_size, wrong)
        else:
            yield first
            yield from stored


def _unpack(first: bytes, stored: Iterator[bytes], size: int, wrong: Wrong) -> Iterator[bytes]:
    engine = zlib.decompressobj(wbits=31)
    total, rest = 0, first
    while True:
        try:
            piece = engine.decompress(rest, _PIECE)
        except zlib.error as failure:
            raise wrong("its gzip stream is damaged") from failure
        total += len(piece)
        if total > size_limit(size):
            raise wrong(f"it unpacks to more than {_RATIO} times its size")
        if piece:
            yield piece
        if engine.eof:
            break
        rest = engine.unconsumed_tail or next(stored, b"")
        if not rest and not piece:
            raise wrong("it ends in the middle")
    if engine.unused_data or next(stored, b""):
        raise wrong("there is something behind its end")
