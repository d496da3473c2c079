"""Sources of images with labels in IDX files: `idx`, `mnist`, `fashion_mnist`."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.content import Content
from netdsl.data.idx import count_classes, read_hashed, read_header, read_idx
from netdsl.data.places import Places
from netdsl.data.problems import fail
from netdsl.diagnostics import Exit, Span
from netdsl.files import shown
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.schema import FieldSchema

_STEMS: Final = {
    ("image", False): ("train-images", "train_images"),
    ("label", False): ("train-labels", "train_labels"),
    ("image", True): ("t10k-images", "test-images", "t10k_images", "test_images"),
    ("label", True): ("t10k-labels", "test-labels", "t10k_labels", "test_labels"),
}
_ENDINGS: Final = tuple(
    f"{separator}idx{rank}-ubyte{gz}" for separator in "-." for rank in (3, 1) for gz in (".gz", "")
)
_PARAMETERS: Final = (
    Parameter("folder", "text", None),
    *(
        Parameter(name, "text", None, by_name=True)
        for name in ("images", "labels", "test_images", "test_labels")
    ),
)
_ARGUMENTS: Final = {
    ("image", False): "images",
    ("label", False): "labels",
    ("image", True): "test_images",
    ("label", True): "test_labels",
}


Key: TypeAlias = tuple[str, bool]
"""A field, "image" or "label", and whether it is that of the test part."""


def open_idx(plan: SourcePlan, access: Access) -> Content:
    """Open `idx("folder")`, or `idx(images="a.idx3", labels="b.idx1", test_images=…, test_labels=…)`.

    A folder has the files of MNIST, by their usual names, packed or not. Images of two axes get a third, of
    one channel; the classes are 0 to the largest label.
    """
    files = _files(plan, read_arguments(plan, _PARAMETERS), access.places)
    parts = (False, True) if ("image", True) in files else (False,)
    rows = tuple(_rows(files, test, plan.span) for test in parts)
    shape, limits = _shape(files["image", False], plan.span)
    paths = [files["label", test] for test in parts]
    classes = max(count_classes(read_idx(path, plan.span), path, plan.span) for path in paths)

    def read(key: Key) -> np.ndarray:
        return read_idx(files[key], plan.span)

    def place(test: bool, row: int) -> str:
        return f"image {row + 1} of `{shown(files['image', test])}`"

    return image_content(shape, limits, tuple(map(str, range(classes))), rows, read, place)


def image_content(
    shape: tuple[int, ...],
    limits: tuple[float, float] | None,
    classes: tuple[str, ...],
    rows: tuple[int, ...],
    read: Callable[[Key], np.ndarray],
    place: Callable[[bool, int], str],
) -> Content:
    """Return the content of images with labels; `rows` are those to split, and those of a test part."""
    fields = (
        FieldSchema("image", shape, range=limits),
        FieldSchema("label", (), "label", True, classes),
    )

    @lru_cache(maxsize=4)
    def load(field: str, test: bool) -> np.ndarray:
        array = read((field, test))
        return array.reshape(-1, *shape) if field == "image" else array.astype(np.int32)

    return Content(fields, rows[0], rows[1] if len(rows) > 1 else None, load, place)


def find_in_folder(folder: Path) -> dict[Key, Path]:
    """Return the files of a folder that have the usual names of MNIST's."""
    found = {}
    for key, stems in _STEMS.items():
        candidates = (folder / (stem + ending) for stem in stems for ending in _ENDINGS)
        if path := next((each for each in candidates if each.is_file()), None):
            found[key] = path
    return found


def read_official(path: Path, digest: str, span: Span) -> np.ndarray:
    """Read a file that is known by the SHA-256 of what is in it.

    Errors: E0526 when something else is in it.
    """
    array, found = read_hashed(path, span)
    if found != digest:
        fail(
            "E0526",
            f"`{shown(path)}` is not the file that its name says",
            span,
            notes=(f"the SHA-256 of its content is {found}", f"that of the published one is {digest}"),
            help='copy or download it again; to use it as it is: `idx("folder")`',
        )
    return array


def _files(plan: SourcePlan, given: Mapping[str, Any], places: Places) -> dict[Key, Path]:
    named = {key: given[name] for key, name in _ARGUMENTS.items() if given[name] is not None}
    if given["folder"] is not None and not named:
        return _in_folder(places.find(given["folder"], span_of(plan, "folder", 0)), plan)
    if given["folder"] is not None or {key for key in named if not key[1]} != {
        ("image", False),
        ("label", False),
    }:
        fail("E0522", "`idx` takes a folder, or `images=` and `labels=`", plan.span, exit_code=Exit.USAGE)
    if (("image", True) in named) != (("label", True) in named):
        fail("E0522", "`test_images=` and `test_labels=` go together", plan.span, exit_code=Exit.USAGE)
    return {key: places.find(name, span_of(plan, _ARGUMENTS[key])) for key, name in named.items()}


def _in_folder(folder: Path, plan: SourcePlan) -> dict[Key, Path]:
    if not folder.is_dir():
        fail(
            "E0523",
            f"`{shown(folder)}` is not a folder",
            plan.span,
            help="or name the files: `images=`, `labels=`",
        )
    found = find_in_folder(folder)
    lacking = [key for key in (("image", False), ("label", False)) if key not in found]
    if (("image", True) in found) != (("label", True) in found):
        lacking += [key for key in (("image", True), ("label", True)) if key not in found]
    if lacking:
        field, test = lacking[0]
        name = f"{_STEMS[field, test][0]}-idx{3 if field == 'image' else 1}-ubyte.gz"
        fail("E0523", f"there is no `{name}` in `{shown(folder)}`", plan.span, "asked for here")
    return found


def _rows(files: Mapping[Key, Path], test: bool, span: Span) -> int:
    image, label = (read_header(files[field, test], span) for field in ("image", "label"))
    if len(image.shape) not in (3, 4) or len(label.shape) != 1:
        what = "images have three or four axes" if len(label.shape) == 1 else "labels have one axis"
        path = files["image" if len(label.shape) == 1 else "label", test]
        fail("E0527", f"`{shown(path)}` has other axes than expected: {what}", span)
    if image.shape[0] != label.shape[0]:
        fail(
            "E0539",
            f"{image.shape[0]:,} images in `{shown(files['image', test])}`, "
            f"but {label.shape[0]:,} labels in `{shown(files['label', test])}`",
            span,
            help="take the two files that belong together, or download them again",
        )
    if test and image.shape[1:] != read_header(files["image", False], span).shape[1:]:
        help = "take the test files of the same data set"
        fail("E0539", "the images of the test part have another size than the others", span, help=help)
    return image.shape[0]


def _shape(path: Path, span: Span) -> tuple[tuple[int, ...], tuple[float, float] | None]:
    header = read_header(path, span)
    extents = header.shape[1:]
    limits = (0.0, 255.0) if header.dtype == ">u1" else None
    return (extents if len(extents) == 3 else (*extents, 1)), limits
