"""Weights files: named arrays and texts as safetensors, with checksums over all of it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from netdsl.files.failure import fail, shown
from netdsl.files.read import read_bytes
from netdsl.files.write import write_atomic

if TYPE_CHECKING:
    import numpy as np

Contents: TypeAlias = "tuple[dict[str, np.ndarray], dict[str, str]]"
"""What a weights file holds: arrays by name, and texts by name."""

_DTYPES: Final = {"F32": "float32", "F64": "float64", "I32": "int32", "I64": "int64"}
_TENSORS: Final = "netdsl.sha256.tensors"
_HEADER: Final = "netdsl.sha256.header"
_HEADER_LIMIT: Final = 64 << 20
_OTHERS: Final = (
    (b"\x80", "a Python pickle, which netdsl never reads: it can run any program"),
    (b"PK", "a zip archive, such as PyTorch's or NumPy's"),
    (b"\x89HDF", "an HDF5 file, such as Keras's"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip file"),
)


def write_tensors(path: Path, arrays: "Mapping[str, np.ndarray]", metadata: Mapping[str, str]) -> None:
    """Write a weights file, all of it or nothing.

    Errors: those of write_atomic.
    """
    write_atomic(path, encode_tensors(arrays, metadata))


def read_tensors(path: Path) -> Contents:
    """Read a weights file. One that was altered in any byte that matters is refused.

    Errors: E0810 for a file of another kind, E0811 for a damaged one, E0812 for one without our checksums.
    """
    return decode_tensors(read_bytes(path), path)


def encode_tensors(arrays: "Mapping[str, np.ndarray]", metadata: Mapping[str, str]) -> bytes:
    """Return a weights file's bytes. The same arrays and texts give the same bytes."""
    if reserved := {_TENSORS, _HEADER} & set(metadata):
        raise ValueError(f"reserved: {sorted(reserved)}")
    entries: dict[str, Any] = {}
    data = bytearray()
    for name, array in sorted(arrays.items(), key=lambda each: (-each[1].itemsize, each[0])):
        entries[name] = _entry(array, len(data))
        data += array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = {
        **metadata,
        _TENSORS: hashlib.sha256(data).hexdigest(),
        _HEADER: _header_digest(entries, metadata),
    }
    header = json.dumps(
        {"__metadata__": dict(sorted(texts.items())), **entries}, separators=(",", ":")
    ).encode()
    header += b" " * (-len(header) % 8)  # the arrays begin where a processor likes them to
    return len(header).to_bytes(8, "little") + header + bytes(data)


def decode_tensors(content: bytes, path: Path) -> Contents:
    """Return what a weights file's bytes hold; `path` is for the messages."""
    header, data = _parts(content, path)
    texts = header.pop("__metadata__", None)
    if not isinstance(texts, dict) or _TENSORS not in texts or _HEADER not in texts:
        fail(
            "E0812",
            f"`{shown(path)}` has no checksums of netdsl",
            help="it was written by another program; netdsl cannot tell whether it is whole",
        )
    tensors_digest, header_digest = texts.pop(_TENSORS), texts.pop(_HEADER)
    if header_digest != _header_digest(header, texts):
        _damaged(path, "the checksum of its header differs")
    if tensors_digest != hashlib.sha256(data).hexdigest():
        _damaged(path, "the checksum of its arrays differs")
    return _arrays(content, path), texts


def _entry(array: "np.ndarray", offset: int) -> dict[str, Any]:
    for name, dtype in _DTYPES.items():
        if array.dtype.name == dtype:
            return {
                "dtype": name,
                "shape": list(array.shape),
                "data_offsets": [offset, offset + array.nbytes],
            }
    raise ValueError(f"no weights file holds {array.dtype}")


def _header_digest(entries: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([entries, metadata], sort_keys=True).encode()).hexdigest()


def _parts(content: bytes, path: Path) -> tuple[dict[str, Any], memoryview]:
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(_HEADER_LIMIT, len(content) - 8) or content[8:9] != b"{":
        _other(content, path)
    try:
        header = json.loads(content[8 : 8 + size], object_pairs_hook=_once)
    except (ValueError, RecursionError):
        _damaged(path, "its header is no JSON")
    return header, memoryview(content)[8 + size :]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _arrays(content: bytes, path: Path) -> "dict[str, np.ndarray]":
    import numpy as np  # here, so that commands that read no weights start sooner
    import safetensors

    deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
    try:
        found = deserialize(content)
    except safetensors.SafetensorError as failure:
        _damaged(path, str(failure))
    if unknown := sorted({entry["dtype"] for _, entry in found} - set(_DTYPES)):
        _damaged(path, f"it holds arrays of {unknown[0]}")
    return {
        name: np.frombuffer(entry["data"], np.dtype(_DTYPES[entry["dtype"]]).newbyteorder("<"))
        .reshape(entry["shape"])
        .astype(_DTYPES[entry["dtype"]])
        for name, entry in sorted(found)
    }


def _other(content: bytes, path: Path) -> NoReturn:
    kind = next((text for start, text in _OTHERS if content.startswith(start)), None)
    if content.startswith(b"PK") and b"data.pkl" in content:
        kind = (
            "a PyTorch archive with a Python pickle in it, which netdsl never reads: it can run any program"
        )
    if not content:
        kind = "an empty file"
    fail(
        "E0810",
        f"`{shown(path)}` is not a weights file of netdsl" + (f" (found {kind})" if kind else ""),
        help="weights files are safetensors; those of a run are `best.safetensors` and `last.safetensors`",
    )


def _damaged(path: Path, why: str) -> NoReturn:
    fail(
        "E0811",
        f"the weights file `{shown(path)}` is damaged: {why}",
        help="use another checkpoint of the run, or a copy of the file",
    )
