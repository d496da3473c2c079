"""A step's work as a product of matrices by a library of the device, rather than by a kernel."""

from __future__ import annotations

from netdsl.graph import Precision
from netdsl.lazy_dataclass import dataclass
from netdsl.program.count import Count

WORKSPACE = 32 << 20
"""Bytes that a library has for itself while it makes a product: what NVIDIA recommends for an H100."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """Matrices of float32 in memory, one or several of a batch.

    `start` is the address of the first in bytes. The numbers of a row lie together, rows `line` floats apart;
    of a `turned` matrix those of a column, and columns `line` apart. The next matrix is `apart` floats away.
    """

    start: Count
    line: int
    turned: bool = False
    apart: int = 0


@dataclass(frozen=True, slots=True)
class LibraryProduct:
    """result = left right, for each of `count` matrices: `left` is high x deep, `right` deep x wide.

    Factors are rounded to `precision`; sums are float32. The library has so many bytes of `room` for itself,
    at `workspace`.
    """

    high: Count
    wide: Count
    deep: Count
    count: Count
    left: Matrices
    right: Matrices
    result: Matrices
    precision: Precision
    workspace: Count
    room: int = WORKSPACE
