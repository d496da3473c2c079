"""What a device is to an executable: memory by address, and launches that are recorded once and run often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from netdsl.program import Kernel


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch with numbers for its arguments: addresses and whole numbers. `ends` are where the memory
    behind each address ends, 0 for a whole number."""

    kernel: Kernel
    arguments: tuple[int, ...]
    ends: tuple[int, ...]
    blocks: int


class Recorded(Protocol):
    """Launches of one step."""

    def run(self, times: int) -> None:
        """Take so many steps, each after the one before; the device may still be at work afterwards."""


class Device(Protocol):
    """A device, real or simulated."""

    @property
    def name(self) -> str:
        """What people call it."""

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes, a multiple of 256.

        Errors: MemoryError where there is no room for them.
        """

    def free(self, address: int) -> None:
        """Give memory back."""

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Copy an array to the device, after all launches before."""

    def read(self, address: int, array: NDArray[Any]) -> None:
        """Copy from the device into an array, after all launches before."""

    def prepare(self, kernels: Mapping[str, Kernel]) -> None:
        """Compile kernels, or load them from where they are kept."""

    def recorded(self, phases: Sequence[Sequence[Launch]]) -> Recorded:
        """Return phases that follow each other, ready to run; launches of one need none of each other."""

    def finish(self) -> None:
        """Wait for all launches, and tell of errors in them."""

    def close(self) -> None:
        """Give all memory back."""
