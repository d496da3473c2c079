"""Drawn rows in place of published pictures that are not at hand: for what needs a shape and no sense."""

from typing import Final

import numpy as np

from netdsl.data.cifar import CLASSES
from netdsl.data.content import Content
from netdsl.data.dataset import Dataset
from netdsl.data.images import Key, image_content
from netdsl.data.published import FASHION_MNIST, MNIST
from netdsl.data.split import size_parts
from netdsl.semantics.experiment import DataPlan

_GRAY: Final = (28, 28, 1)
_PICTURES: Final = {
    "mnist": (_GRAY, MNIST.classes, (60_000, 10_000)),
    "fashion_mnist": (_GRAY, FASHION_MNIST.classes, (60_000, 10_000)),
    "cifar10": ((32, 32, 3), CLASSES, (50_000, 10_000)),
}


class StandIn(Dataset):
    """A data set whose rows are drawn."""


def stand_in(plan: DataPlan) -> StandIn | None:
    """Return a data set of drawn pictures and labels with the fields and parts of a published one.

    None for any other source: nothing is known of it before it is read.
    """
    if plan.source.name not in _PICTURES:
        return None
    shape, classes, rows = _PICTURES[plan.source.name]

    def read(key: Key) -> np.ndarray:
        field, test = key
        random = np.random.default_rng(int(test))
        if field == "label":
            return random.integers(0, len(classes), rows[test])
        return random.integers(0, 256, (rows[test], *shape), np.uint8)

    def place(test: bool, row: int) -> str:
        return f"drawn picture {row + 1}"

    content: Content = image_content(shape, (0.0, 255.0), classes, rows, read, place)
    sizes = size_parts(plan.split, content.rows, content.own_test, content.between)
    return StandIn(plan, content, sizes, 0)
