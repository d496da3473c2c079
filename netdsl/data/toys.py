"""Points in the plane with labels, drawn from a seed: `moons`, `circles`, `spirals`, `blobs`."""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments
from netdsl.data.content import Content, of_arrays
from netdsl.data.draws import gaussian, permutation, uniform
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.schema import FieldSchema

_MOST: Final = 10_000_000
_ROWS: Final = Parameter("n", "count", 1000, 1, _MOST)
_SEED: Final = Parameter("seed", "count", 0, 0, 2**53, by_name=True)


def _noise(default: float) -> Parameter:
    return Parameter("noise", "number", default, 0, 1e6)


def _classes(default: int) -> Parameter:
    return Parameter("classes", "count", default, 1, 1000, by_name=True)


def open_moons(plan: SourcePlan, access: Access) -> Content:
    """Open `moons(n=1000, noise=0.1)`: two half circles that reach into one another."""
    given = read_arguments(plan, (_ROWS, _noise(0.1), _SEED))

    def draw(label: np.ndarray, along: np.ndarray) -> np.ndarray:
        angle = math.pi * along
        upper = np.stack([np.cos(angle), np.sin(angle)], 1)
        lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
        return np.where(label[:, None] == 0, upper, lower)

    return _points(plan, access, given, 2, draw)


def open_circles(plan: SourcePlan, access: Access) -> Content:
    """Open `circles(n=1000, noise=0.05, factor=0.5)`: a circle inside another, `factor` times as large."""
    factor = Parameter("factor", "number", 0.5, 0, 1, by_name=True)
    given = read_arguments(plan, (_ROWS, _noise(0.05), factor, _SEED))

    def draw(label: np.ndarray, along: np.ndarray) -> np.ndarray:
        angle = 2 * math.pi * along
        radius = np.where(label == 0, 1.0, given["factor"])
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)

    return _points(plan, access, given, 2, draw)


def open_spirals(plan: SourcePlan, access: Access) -> Content:
    """Open `spirals(n=1000, noise=0.05, classes=2, turns=1)`: arms that wind around the middle."""
    turns = Parameter("turns", "number", 1.0, 0, 100, by_name=True)
    given = read_arguments(plan, (_ROWS, _noise(0.05), _classes(2), turns, _SEED))

    def draw(label: np.ndarray, along: np.ndarray) -> np.ndarray:
        angle = 2 * math.pi * (given["turns"] * along + label / given["classes"])
        return np.stack([along * np.cos(angle), along * np.sin(angle)], 1)

    return _points(plan, access, given, given["classes"], draw)


def open_blobs(plan: SourcePlan, access: Access) -> Content:
    """Open `blobs(n=1000, noise=1, classes=3, radius=5)`: round clouds, their middles on a circle."""
    radius = Parameter("radius", "number", 5.0, 0, 1e6, by_name=True)
    given = read_arguments(plan, (_ROWS, _noise(1.0), _classes(3), radius, _SEED))

    def draw(label: np.ndarray, along: np.ndarray) -> np.ndarray:
        angle = 2 * math.pi * label / given["classes"]
        return np.stack([given["radius"] * np.cos(angle), given["radius"] * np.sin(angle)], 1)

    return _points(plan, access, given, given["classes"], draw)


def _points(
    plan: SourcePlan,
    access: Access,
    given: dict[str, Any],
    classes: int,
    draw: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Content:
    """Draw points: as many of each class as can be, each somewhere along its curve, moved by the noise."""
    rows, key = given["n"], (plan.name, access.seed, given["seed"])
    label = (permutation(rows, *key, "label") % classes).astype(np.int32)
    exact = draw(label, uniform(rows, *key, "along"))
    moved = exact + given["noise"] * gaussian(2 * rows, *key, "noise").reshape(rows, 2)
    fields = (
        FieldSchema("x", (2,)),
        FieldSchema("label", (), "label", True, tuple(map(str, range(classes)))),
    )
    return of_arrays(fields, {"x": moved.astype(np.float32), "label": label}, source="point")
