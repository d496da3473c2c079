"""NumPy's `.npz`: a zip archive of arrays, each a field."""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, NoReturn, TypeAlias

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.content import Content
from netdsl.data.idx import count_classes
from netdsl.data.inflate import size_limit
from netdsl.data.problems import fail
from netdsl.diagnostics import Exit, Span
from netdsl.files import reading, shown
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.problems import nearest
from netdsl.semantics.schema import FieldSchema

_PARAMETERS: Final = (
    Parameter("file", "text"),
    Parameter("target", "names", (), by_name=True),
    Parameter("label", "names", (), by_name=True),
    Parameter("test", "text", None, by_name=True),
)
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
_HEADER: Final = re.compile(
    rb"\{ *'descr': *'([<>|=]?[a-zA-Z]\d+)', *'fortran_order': *(True|False),"
    rb" *'shape': *\(([\d, ]*)\),? *\}\s*"
)
_HEADER_LIMIT: Final = 10_000
_MOST_ARRAYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Member:
    """An array of an archive, by what its header says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    column_major: bool


_Files: TypeAlias = Mapping[bool, Path]
_Archives: TypeAlias = Mapping[bool, Mapping[str, Member]]


def open_npz(plan: SourcePlan, access: Access) -> Content:
    """Open `npz("file.npz", target=y, label=c, test="other.npz")`.

    Each array is a field, its first axis the rows. `label` names arrays of classes, whole numbers from 0;
    `target` those of numbers to predict; all others are inputs.
    """
    given = read_arguments(plan, _PARAMETERS)
    files = {False: access.places.find(given["file"], span_of(plan, "file", 0))}
    if given["test"] is not None:
        files[True] = access.places.find(given["test"], span_of(plan, "test"))
    members = {test: _members(path, plan.span) for test, path in files.items()}
    _check(plan, given, files, members)
    rows = {test: _rows(members[test], path, plan.span) for test, path in files.items()}

    @cache
    def load(field: str, test: bool) -> np.ndarray:
        stored = _read(files[test], field, members[test][field], plan.span)
        if field in given["label"]:
            return _label(stored, files[test], field, plan)
        return _finite(stored, files[test], f"`{field}`, ", plan.span)

    def place(test: bool, row: int) -> str:
        return f"row {row + 1} of `{shown(files[test])}`"

    classes = {
        name: max(count_classes(load(name, test), path, plan.span) for test, path in files.items())
        for name in given["label"]
    }
    fields = tuple(_field(name, member, given, classes) for name, member in members[False].items())
    return Content(fields, rows[False], rows.get(True), load, place)


def read_arrays(path: Path, span: Span | None = None) -> dict[str, np.ndarray]:
    """Read all arrays of a `.npz` file: uint8 as stored, other numbers as float32.

    Errors: E0538 for a file that is none, E0531 for a number that is not finite.
    """
    members = _members(path, span)
    return {
        name: _finite(_read(path, name, member, span), path, f"`{name}`, ", span)
        for name, member in members.items()
    }


def read_array(path: Path, span: Span | None = None) -> np.ndarray:
    """Read a `.npy` file: uint8 as stored, other numbers as float32.

    Errors: E0538.
    """
    with reading(path) as descriptor, open(descriptor, "rb", closefd=False) as stream:
        try:
            member = _member(stream)
            stored = _fill(stream, member, path.stat().st_size, path, span)
        except _DAMAGED as failure:
            _wrong(path, str(failure), span)
    return _finite(stored, path, "", span)


def _check(
    plan: SourcePlan,
    given: Mapping[str, Any],
    files: Mapping[bool, Path],
    members: Mapping[bool, Mapping[str, Member]],
) -> None:
    for argument in ("target", "label"):
        for name in given[argument]:
            if name not in members[False]:
                meant = nearest(name, members[False])
                listed = ", ".join(f"`{each}`" for each in members[False])
                help = f"did you mean `{meant}`?" if meant else f"its arrays are {listed}"
                message = f"there is no array `{name}` in `{shown(files[False])}`"
                fail("E0533", message, span_of(plan, argument), "not known", help=help, exit_code=Exit.USAGE)
    if both := set(given["target"]) & set(given["label"]):
        fail("E0522", f"`{min(both)}` is a number or a class, not both", plan.span, exit_code=Exit.USAGE)
    if True in members:
        _check_test(plan, files, members)


def _check_test(plan: SourcePlan, files: _Files, members: _Archives) -> None:
    for name, member in members[False].items():
        other = members[True].get(name)
        if other is None or other.shape[1:] != member.shape[1:]:
            message = (
                f"`{shown(files[True])}` has no array `{name}` of the shape it has in `{shown(files[False])}`"
            )
            help = "the test file holds the same arrays as the other, with rows of the same shape"
            fail("E0539", message, span_of(plan, "test"), help=help)


def _field(name: str, member: Member, given: Mapping[str, Any], classes: Mapping[str, int]) -> FieldSchema:
    if name in classes:
        return FieldSchema(name, (), "label", True, tuple(map(str, range(classes[name]))))
    limits = (0.0, 255.0) if member.dtype == np.uint8 else None
    return FieldSchema(name, member.shape[1:], target=name in given["target"], range=limits)


def _members(path: Path, span: Span | None) -> dict[str, Member]:
    found = {}
    with reading(path) as descriptor, open(descriptor, "rb", closefd=False) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                infos = archive.infolist()
                _check_archive(infos, path, span)
                for info in infos:
                    with archive.open(info) as member:
                        found[info.filename.removesuffix(".npy")] = _checked(member, info, path, span)
        except _DAMAGED as failure:
            _wrong(path, str(failure), span)
    if not found:
        _wrong(path, "there is no array in it", span)
    return found


def _check_archive(infos: list[zipfile.ZipInfo], path: Path, span: Span | None) -> None:
    names = [info.filename for info in infos]
    if len(names) > _MOST_ARRAYS or len(set(names)) != len(names):
        _wrong(path, "an array stands twice in it, or there are too many", span)
    if sum(info.file_size for info in infos) > size_limit(path.stat().st_size):
        _wrong(path, "it unpacks to more than 100 times its size", span)


def _checked(stream: IO[bytes], info: zipfile.ZipInfo, path: Path, span: Span | None) -> Member:
    member = _member(stream)
    name = info.filename.removesuffix(".npy")
    if member.dtype.kind not in "fiub":
        _wrong(path, f"`{name}` holds {member.dtype}, and only numbers are read", span)
    if not member.shape:
        _wrong(path, f"`{name}` is a single number; the first axis of a field is its rows", span)
    size = math.prod(member.shape) * member.dtype.itemsize
    if not 0 <= info.file_size - size <= _HEADER_LIMIT + 12:
        _wrong(path, f"`{name}` has {info.file_size:,} bytes, and its header tells of {size:,}", span)
    return member


def _member(stream: IO[bytes]) -> Member:
    """Read the header of an array: a text of three entries. It is matched, never evaluated."""
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:] not in {b"\1\0", b"\2\0", b"\3\0"}:
        raise ValueError("it does not begin as an array does")
    length = int.from_bytes(stream.read(2 if start[6] == 1 else 4), "little")
    found = _HEADER.fullmatch(stream.read(length)) if length <= _HEADER_LIMIT else None
    if found is None:
        raise ValueError("an array is not of plain numbers (Python objects are never read)")
    shape = tuple(int(each) for each in found[3].replace(b" ", b"").split(b",") if each)
    return Member(shape, np.dtype(found[1].decode()), found[2] == b"True")


def _rows(members: Mapping[str, Member], path: Path, span: Span | None) -> int:
    (first, member), *others = members.items()
    for name, other in others:
        if other.shape[0] != member.shape[0]:
            counts = f"`{first}` has {member.shape[0]:,} rows, and `{name}` has {other.shape[0]:,}"
            help = "the first axis of every array is the rows; save those that belong together"
            fail("E0539", f"`{shown(path)}`: {counts}", span, help=help)
    return member.shape[0]


def _read(path: Path, name: str, member: Member, span: Span | None) -> np.ndarray:
    with reading(path) as descriptor, open(descriptor, "rb", closefd=False) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                info = next(each for each in archive.infolist() if each.filename.removesuffix(".npy") == name)
                with archive.open(info) as content:
                    if _member(content) != member:
                        raise ValueError("it changed while it was read")
                    return _fill(content, member, info.file_size, path, span)
        except _DAMAGED as failure:
            _wrong(path, str(failure), span)


def _fill(stream: IO[bytes], member: Member, limit: int, path: Path, span: Span | None) -> np.ndarray:
    size = math.prod(member.shape) * member.dtype.itemsize
    if size > limit:
        _wrong(path, f"its header tells of {size:,} bytes, more than are in it", span)
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(1 << 20, size - len(data)))):
        data += piece
    if len(data) < size or stream.read(1):
        _wrong(path, "it has not as many bytes as its header says", span)
    flat = np.frombuffer(data, member.dtype)
    return flat.reshape(member.shape, order="F" if member.column_major else "C")


def _label(stored: np.ndarray, path: Path, name: str, plan: SourcePlan) -> np.ndarray:
    if stored.ndim != 1 or (stored.dtype.kind == "f" and not (stored == np.floor(stored)).all()):
        help = f"name it in `target=` if it holds numbers to predict: `target={name}`"
        fail("E0537", f"`{name}` in `{shown(path)}` is not one whole number a row", plan.span, help=help)
    if stored.size and not 0 <= int(stored.min()) <= int(stored.max()) < 2**31:
        help = "number the classes 0, 1, 2, …: `_, y = numpy.unique(y, return_inverse=True)`"
        message = f"`{name}` in `{shown(path)}` has labels that do not count from 0"
        fail("E0537", message, plan.span, help=help)
    return stored.astype(np.int32)


def _finite(stored: np.ndarray, path: Path, name: str, span: Span | None) -> np.ndarray:
    if stored.dtype.kind not in "fiub":
        _wrong(path, f"it holds {stored.dtype}, and only numbers are read", span)
    if stored.dtype == np.uint8:
        return np.ascontiguousarray(stored)
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.ascontiguousarray(stored, np.float32)
    if not np.isfinite(numbers).all():
        place = np.argwhere(~np.isfinite(np.atleast_1d(numbers)))[0]
        value = np.atleast_1d(stored)[tuple(place)]
        fail(
            "E0531",
            f"`{shown(path)}`: {name}row {place[0] + 1} has {value}, not a finite number of 32 bits",
            span,
            help="take such rows out, or fill them in, and save the file again",
        )
    return numbers


def _wrong(path: Path, reason: str, span: Span | None) -> NoReturn:
    first = reason.strip().splitlines()[0] if reason.strip() else "it ends too soon"
    fail("E0538", f"`{shown(path)}` cannot be read as NumPy's arrays: {first}", span)
