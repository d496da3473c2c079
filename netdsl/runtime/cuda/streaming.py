"""Rows that a device has no room for: those of a batch are sent while the step before computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdsl.runtime.cuda.device import Device, Recorded

HALVES: Final = 2
"""Batches that a field's memory on the device has room for: one is read, the other written."""

_UNIT: Final = 64
"""Bytes whose multiples fields begin at in memory of the host."""


class Streaming:
    """Takes steps over rows of the host. Batches go by turns to the first and the second half of a field's
    memory on the device, from two page-locked buffers, so that three things wait for each other:

    - the host, before it fills a buffer, for the copy from it, of two steps ago;
    - a copy, before it writes a half, for the step that read it, of two steps ago;
    - a step for the copy of its rows.
    """

    def __init__(self, device: Device, fields: Sequence[NDArray[np.generic]]) -> None:
        """Take the rows of fields, each in one piece, which stay as they are."""
        self._device, self._fields = device, fields
        self._batch = 0
        self._memory: list[NDArray[np.uint8]] = []
        self._halves: list[list[NDArray[np.generic]]] = []
        """A field's rows within each buffer."""

    def sizes(self, batch: int) -> list[int]:
        """Return how many bytes each field needs on the device for batches of so many rows."""
        return [HALVES * batch * _row_size(each) for each in self._fields]

    def order(self, rows: int, batch: int) -> NDArray[np.int64]:
        """Return where on the device the rows of a pass lie, in the order in which they are read."""
        places = np.arange(rows, dtype=np.int64)
        return places % batch + places // batch % HALVES * batch

    def begin(self, addresses: Sequence[int], batch: int) -> None:
        """Begin a pass in batches of so many rows, fields lying at these addresses, with room for `sizes`."""
        if batch != self._batch:
            self._make(batch)
        self._addresses = addresses
        self._number = 0
        # Behind all that was put into the queues before, as memory that has just been made.
        self._copied = [self._device.mark("copies")] * HALVES
        self._read = [self._device.mark("steps")] * HALVES

    def step(self, rows: NDArray[np.int64], launches: Recorded) -> None:
        """Take a step over rows of the fields; the device may still be at work afterwards."""
        device, half = self._device, self._number % HALVES
        device.wait(self._copied[half])
        pieces = [each[: len(rows)] for each in self._halves[half]]
        for field, piece in zip(self._fields, pieces, strict=True):
            # The order is checked. Without a mode NumPy would gather into memory of its own first.
            np.take(field, rows, axis=0, out=piece, mode="clip")
        device.follow("copies", self._read[half])
        for address, size, piece in zip(self._addresses, self.sizes(self._batch), pieces, strict=True):
            device.copy(address + half * size // HALVES, piece)
        self._copied[half] = device.mark("copies")
        device.follow("steps", self._copied[half])
        launches.run(1)
        self._read[half] = device.mark("steps")
        self._number += 1

    def close(self) -> None:
        """Give the buffers back."""
        for each in self._memory:
            self._device.free_host_memory(each)
        self._halves, self._memory, self._batch = [], [], 0

    def _make(self, batch: int) -> None:
        self.close()
        starts, end = [], 0
        for each in self._fields:
            starts.append(end)
            end += -(-batch * _row_size(each) // _UNIT) * _UNIT
        self._memory = [self._device.host_memory(max(end, _UNIT)) for _ in range(HALVES)]
        self._halves = [
            [_rows_at(memory, start, batch, each) for start, each in zip(starts, self._fields, strict=True)]
            for memory in self._memory
        ]
        self._batch = batch


def _rows_at(
    memory: NDArray[np.uint8], start: int, batch: int, field: NDArray[np.generic]
) -> NDArray[np.generic]:
    piece = memory[start : start + batch * _row_size(field)]
    return piece.view(field.dtype).reshape(batch, *field.shape[1:])


def _row_size(field: NDArray[np.generic]) -> int:
    return field.itemsize * int(np.prod(field.shape[1:], dtype=np.int64))
