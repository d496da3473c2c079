"""What a device is to an executable: memory by address, launches that are recorded once and run often.

It has two queues of work, one for steps, one for copies beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.program import Kernel
from netdsl.runtime.cuda.product import Product

Queue: TypeAlias = Literal["steps", "copies"]
"""Work of one queue is done in order; that of two only where one follows an event of the other."""

Event: TypeAlias = Any
"""A place in a queue, of a kind that the device knows."""


Span: TypeAlias = tuple[int, int]
"""Memory from an address to before another."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch with numbers for its arguments: addresses and whole numbers. `ends` are where the memory
    behind each address ends, 0 for a whole number; `reads` and `writes` is what memory it touches."""

    kernel: Kernel
    arguments: tuple[int, ...]
    ends: tuple[int, ...]
    blocks: int
    reads: tuple[Span, ...] = ()
    writes: tuple[Span, ...] = ()


class Recorded(Protocol):
    """Launches of a step, or of several."""

    def run(self, times: int) -> None:
        """Make all launches so many times; the device may still be at work afterwards."""


class Device(Protocol):
    """A device, real or simulated."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def driver(self) -> str:
        """What runs its kernels, with the version."""

    @property
    def blas(self) -> str | None:
        """What makes large products, with the version: a library; None where our own kernels do."""

    def free_memory(self) -> int:
        """Return how many bytes can be had."""

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes, a multiple of 256.

        Errors: MemoryError where there is no room for them.
        """

    def free(self, address: int) -> None:
        """Give memory back."""

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Copy an array to the device, after all steps before."""

    def read(self, address: int, array: NDArray[Any]) -> None:
        """Copy from the device into an array, after all steps before."""

    def host_memory(self, size: int) -> NDArray[np.uint8]:
        """Return memory of the host that `copy` reads: page-locked, so that it is read beside launches."""

    def free_host_memory(self, array: NDArray[np.uint8]) -> None:
        """Give memory of the host back, when all copies are done."""

    def copy(self, address: int, array: NDArray[Any]) -> None:
        """Put a copy to the device into the queue of copies. The array lies in memory of `host_memory`, and
        stays as it is until an event behind the copy has come."""

    def mark(self, queue: Queue) -> Event:
        """Return an event that comes when all is done that was put into a queue so far."""

    def follow(self, queue: Queue, event: Event) -> None:
        """Let what is put into a queue from now on wait for an event."""

    def wait(self, event: Event) -> None:
        """Wait until an event has come."""

    def prepare(self, kernels: Mapping[str, Kernel]) -> None:
        """Compile kernels, or load them from where they are kept."""

    def recorded(self, phases: Sequence[Sequence[Launch | Product]]) -> Recorded:
        """Return phases that follow each other, ready to run; launches of one need none of each other."""

    def timed(self, launches: Recorded) -> float:
        """Make recorded launches; return the seconds from an event before them to one behind."""

    def limits(self) -> tuple[float, float]:
        """Return what the device can do in a second: operations of float32, bytes from and to memory."""

    def finish(self) -> None:
        """Wait for all steps, and tell of errors in them."""

    def close(self) -> None:
        """Give all memory back."""
