"""What the machine has: cores that this process may use, and the instructions of its CPU."""

import math
import os
from pathlib import Path
from typing import Final

from netdsl.kernels.cpu.machine import Machine, machine

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def default_threads() -> int:
    """Return how many threads can run at once: the cores this process may use, within a container's quota.

    Waiting threads spin, so one more than this costs far more than it brings.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def cpu() -> Machine:
    """Return what kernels are compiled for.

    Errors: E0961 when NETDSL_CPU asks for what this machine has not.
    """
    return machine()


def _quota() -> int:
    """Return the cores a control group grants, rounded up; a large number where nothing limits them."""
    unlimited = 1 << 16
    try:
        granted, period = _QUOTA.read_text().split()
        return unlimited if granted == "max" else math.ceil(int(granted) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return unlimited
