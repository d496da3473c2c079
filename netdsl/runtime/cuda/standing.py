"""How far the CUDA target is tried: which devices there are, and what has never run on one."""

import ctypes
from typing import Final

NOT_RUN: Final = (
    "points",
    "folds",
    "draws",
    "products",
    "products that go on with their sums",
    "convolutions",
    "matrix units in tf32 and bf16",
    "sorted sums of rows of tables",
    "scans",
    "trainings",
    "several steps in a graph",
    "rows sent beside steps",
    "times of launches",
)
"""What has run in a simulator, but on no device: taken out when tests marked `gpu` have run it."""

NEVER_RUN: Final = ("memory, copies and graphs of the driver", "products by cuBLASLt")
"""What has run nowhere, since no simulator has it."""

_LIBRARIES: Final = ("libcuda.so.1", "nvcuda.dll")
_NAME: Final = 100


def device_names() -> tuple[str, ...]:
    """Return the names of the devices that NVIDIA's driver finds; none where there is no driver."""
    for library in _LIBRARIES:
        try:
            driver = ctypes.CDLL(library)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            continue
        return tuple(_name(driver, number) for number in range(count.value))
    return ()


def _name(driver: ctypes.CDLL, number: int) -> str:
    text = ctypes.create_string_buffer(_NAME)
    driver.cuDeviceGetName(text, _NAME, number)
    return text.value.decode(errors="replace")
