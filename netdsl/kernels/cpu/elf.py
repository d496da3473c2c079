"""What an object file asks of the outside: its undefined symbols."""

import struct
from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"\x7fELF\x02\x01"
_SYMBOL_TABLE: Final = 2


def undefined_symbols(data: bytes) -> frozenset[str]:
    """Return the names a 64-bit little-endian ELF object refers to and does not define.

    Errors: ValueError for anything else.
    """
    if not data.startswith(MAGIC):
        raise ValueError("not a 64-bit little-endian ELF object")
    return frozenset(name for name, section in _symbols(data) if name and section == 0)


def _symbols(data: bytes) -> Iterator[tuple[str, int]]:
    start, size, count = (*struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HH", data, 58))
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + i * size) for i in range(count)]
    for header in headers:
        if header[1] != _SYMBOL_TABLE:
            continue
        names = headers[header[6]][4]
        for place in range(header[4], header[4] + header[5], header[9]):
            name, _, _, section = struct.unpack_from("<IBBH", data, place)
            end = data.index(b"\0", names + name)
            yield data[names + name : end].decode(), section
