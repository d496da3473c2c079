"""What an executable has in memory."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.lazy_dataclass import dataclass, field

PAGE: Final = 4096

CANARY: Final = 0x7FEDBEEF
"""The bits of a number that is none, and that no computation gives: what stands where nobody has written."""


def aligned(elements: int, kind: type[np.generic] = np.float32, to: int = PAGE) -> NDArray[Any]:
    """Return zeros whose first element has an address that is a multiple of `to`."""
    width = np.dtype(kind).itemsize
    raw = np.zeros(elements * width + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + elements * width].view(kind)


def address(array: NDArray[Any]) -> int:
    """Return where an array begins; a third of the time of `array.ctypes.data`."""
    address: int = array.__array_interface__["data"][0]
    return address


@dataclass(slots=True)
class Memory:
    """What lies in memory: what is kept, a step's values, what each thread has of its own, the barrier."""

    kept: NDArray[np.float32]
    values: NDArray[np.float32]
    scratch: NDArray[np.float32]
    contexts: NDArray[np.int64]
    numbers: NDArray[np.float32]
    barrier: NDArray[np.int64]
    bound: dict[str, NDArray[Any]] = field(default_factory=dict)
    addresses: list[int] = field(default_factory=list)
    """Those of the bound fields, in the order of a program's inputs."""
    rows: int | None = None
    """How many rows are bound, None where the program reads no field that has some."""
