"""Which device a program runs on: a CUDA device where one works and is wanted, else the CPU.

Looking for a device loads the driver's library and nothing of Numba, so it takes no time where there is none.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.runtime.cuda.standing import device_names

if TYPE_CHECKING:
    from netdsl.runtime.cuda.device import Device


def chosen(name: str) -> Device | None:
    """Return the device that `auto`, `cpu` or `cuda` stands for, None for the CPU.

    Errors: those of `expect_device` for `cuda`.
    """
    if name == "cpu" or (name == "auto" and not works()):
        return None
    expect_device()
    from netdsl.runtime.cuda.driver import CudaDevice

    return CudaDevice()


def works() -> bool:
    """Tell whether there is a device, and what makes code for it."""
    if devices() == 0:
        return False
    from netdsl.runtime.cuda.toolchain import versions

    return None not in versions().values()


def expect_device() -> None:
    """Make sure that there is a device, and what makes code for it.

    Errors: E0906 where there is no device, E0963 where a package is missing.
    """
    if devices() == 0:
        message = "NVIDIA's driver finds no CUDA device here"
        cure = "leave `--device` out to use the CPU; `nvidia-smi` shows what the driver finds"
        raise DiagnosticError([Diagnostic("E0906", message, help=cure)])
    from netdsl.runtime.cuda.toolchain import check_packages

    check_packages()


@cache
def devices() -> int:
    """Return how many devices the driver finds; 0 where there is no driver."""
    return len(device_names())
