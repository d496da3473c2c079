"""CIFAR-10 in its binary form: records of one label and 3 x 32 x 32 bytes."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.content import Content
from netdsl.data.idx import check_labels
from netdsl.data.images import image_content
from netdsl.data.problems import fail
from netdsl.diagnostics import Span
from netdsl.files import read_bytes, shown
from netdsl.semantics.experiment import SourcePlan

_RECORD: Final = 1 + 3 * 32 * 32
CLASSES: Final = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_FOLDERS: Final = ("cifar-10-batches-bin", "cifar-10", "cifar10", "cifar-10-subset")


def open_cifar10(plan: SourcePlan, access: Access) -> Content:
    """Open `cifar10("folder")`, or `cifar10()` in the data folder: pictures of 32x32 pixels in ten classes.

    The folder has `data_batch_1.bin` to `data_batch_5.bin` (or some of them, or parts of them) and
    `test_batch.bin`.
    """
    given = read_arguments(plan, (Parameter("folder", "text", None),))
    if given["folder"] is not None:
        folder = access.places.find(given["folder"], span_of(plan, "folder", 0))
    else:
        folder = _search(access, plan.span)
    files = {False: _batches(folder, "data_batch_*.bin"), True: _batches(folder, "test_batch*.bin")}
    if not files[False]:
        fail("E0523", f"there is no `data_batch_1.bin` in `{shown(folder)}`", plan.span, "asked for here")
    rows = tuple(sum(_rows(path, plan.span) for path in files[test]) for test in (False, True))

    @lru_cache(maxsize=2)
    def records(test: bool) -> np.ndarray:
        return np.concatenate([_records(path, plan.span) for path in files[test]])

    def read(key: tuple[str, bool]) -> np.ndarray:
        field, test = key
        if field == "label":
            return records(test)[:, 0]
        planes = records(test)[:, 1:].reshape(-1, 3, 32, 32)
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))

    def place(test: bool, row: int) -> str:
        return f"image {row + 1} of the {'test' if test else 'training'} images in `{shown(folder)}`"

    counted = rows if files[True] else rows[:1]
    return image_content((32, 32, 3), (0.0, 255.0), CLASSES, counted, read, place)


def _search(access: Access, span: Span) -> Path:
    for folder in access.places.search(_FOLDERS):
        if _batches(folder, "data_batch_*.bin"):
            return folder
    return fail(
        "E0523",
        "CIFAR-10 is not in the data folder",
        span,
        notes=("netdsl does not download it",),
        help="unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and give the folder it lies in "
        "with --data-dir",
    )


def _batches(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _rows(path: Path, span: Span) -> int:
    count, rest = divmod(path.stat().st_size, _RECORD)
    if rest or not count:
        size = path.stat().st_size
        message = f"`{shown(path)}` has {size:,} bytes, no multiple of CIFAR-10's {_RECORD:,} a picture"
        fail("E0541", message, span, help="copy or download it again")
    return count


def _records(path: Path, span: Span) -> np.ndarray:
    rows = _rows(path, span)
    records = np.frombuffer(read_bytes(path, limit=rows * _RECORD), np.uint8)
    if len(records) != rows * _RECORD:
        fail("E0541", f"`{shown(path)}` changed while it was read", span)
    check_labels(records[::_RECORD], len(CLASSES), path, span)
    return records.reshape(rows, _RECORD)
