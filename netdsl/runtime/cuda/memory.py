"""Memory of a device that grows when more is wanted, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.files import size_text
from netdsl.runtime.cuda.device import Device

UNIT: Final = 64
"""Floats in 256 bytes: each buffer begins at a multiple of them."""

LARGEST: Final = 1 << 31
"""Elements that a value has fewer of: kernels divide places as numbers of 32 bits."""


class NoRoomError(DiagnosticError):
    """E0964: a device has no room for so many bytes more."""

    def __init__(self, device: Device, size: int) -> None:
        message = f"the memory of {device.name} has no room for {size_text(size)} more"
        cure = "take smaller batches or a smaller network, or use the CPU: --device cpu"
        super().__init__([Diagnostic("E0964", message, help=cure)], Exit.FAILED)


class TooLargeError(DiagnosticError):
    """E0964: a value has more elements than kernels can tell apart."""

    def __init__(self, elements: int) -> None:
        message = f"a value of a step has {elements} elements; a kernel tells less than {LARGEST} apart"
        cure = "take smaller batches, or use the CPU: --device cpu"
        super().__init__([Diagnostic("E0964", message, help=cure)], Exit.FAILED)


@dataclass(slots=True)
class Array:
    """Memory of the device that grows when more is wanted."""

    device: Device
    address: int = 0
    size: int = 0

    def fit(self, size: int) -> bool:
        """Make room for so many bytes; tell whether it lies elsewhere now.

        Errors: NoRoomError.
        """
        if size <= self.size and self.address:
            return False
        self.free()
        wanted = max(size, 4 * UNIT)
        try:
            self.address = self.device.allocate(wanted)
        except MemoryError:
            raise NoRoomError(self.device, wanted) from None
        self.size = wanted
        return True

    def free(self) -> None:
        """Give it back."""
        if self.address:
            self.device.free(self.address)
        self.address = self.size = 0
