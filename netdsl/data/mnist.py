"""MNIST and Fashion-MNIST: found in the data folder or the cache, else downloaded once."""

from pathlib import Path
from typing import Final

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import read_arguments
from netdsl.data.content import Content
from netdsl.data.images import Key, find_in_folder, image_content, read_official
from netdsl.data.problems import fail
from netdsl.data.published import FASHION_MNIST, MNIST, Collection
from netdsl.diagnostics import Span
from netdsl.files import cache_folder
from netdsl.semantics.experiment import SourcePlan

_KEYS: Final[tuple[Key, ...]] = (("image", False), ("label", False), ("image", True), ("label", True))


def open_mnist(plan: SourcePlan, access: Access) -> Content:
    """Open `mnist()`: 60,000 handwritten digits of 28x28 pixels, and 10,000 to test with."""
    return _open(MNIST, plan, access)


def open_fashion_mnist(plan: SourcePlan, access: Access) -> Content:
    """Open `fashion_mnist()`: pictures of ten kinds of clothes, in the same numbers and sizes."""
    return _open(FASHION_MNIST, plan, access)


def _open(collection: Collection, plan: SourcePlan, access: Access) -> Content:
    read_arguments(plan, ())

    def read(key: Key) -> np.ndarray:
        place = _KEYS.index(key)
        path = _locate(collection, place, access, plan.span)
        return read_official(path, collection.contents[place], plan.span)

    def place(test: bool, row: int) -> str:
        return f"image {row + 1} of the {'test' if test else 'training'} images of {collection.name}"

    return image_content((28, 28, 1), (0.0, 255.0), collection.classes, (60_000, 10_000), read, place)


def _locate(collection: Collection, place: int, access: Access, span: Span) -> Path:
    for folder in access.places.search(collection.folders):
        if found := find_in_folder(folder).get(_KEYS[place]):
            return found
    file = collection.files[place]
    kept = cache_folder() / "data" / collection.name
    if access.offline and not (kept / file.name).is_file():
        fail(
            "E0525",
            f"`{file.name}` of {collection.name} is not here, and nothing is downloaded when offline",
            span,
            "needed for this",
            help=file.by_hand(kept),
        )
    from netdsl.data.download import download  # here: most runs need no network

    return download(file, kept, opener=access.opener, report=access.report, span=span)
