"""What a device is to an executable: memory by address, and launches that are recorded once and run often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from netdsl.program import Kernel, Step


@dataclass(frozen=True, slots=True)
class Region:
    """Memory that launches may touch: an address, and its size in bytes."""

    address: int
    size: int


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

    def recorded(
        self,
        steps: Sequence[tuple[Step, tuple[int, ...], int]],
        kernels: Mapping[str, Kernel],
        regions: Sequence[Region],
    ) -> Recorded:
        """Return launches, each with its arguments and blocks, ready to run."""

    def finish(self) -> None:
        """Wait for all launches, and tell of errors in them."""

    def close(self) -> None:
        """Give all memory back."""
