"""What was measured, kept as JSON, and the page that is made of it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Results = dict[str, Any]
ON = "on"
"""Where results have, by section and key, what each record was measured on."""

PACKAGES = "numpy", "numba", "torch", "jax", "keras", "pytensor", "scikit-learn"
FOR_DEVICES = "numba-cuda", "cuda-core", "nvmath-python"


def read(folder: Path) -> Results:
    """Return what was measured before, if anything was."""
    file = folder / "results.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def add(folder: Path, section: str, key: str, record: Any) -> None:
    """Write a record beside those of before, in place of its own of before, and what it was measured on."""
    results = read(folder)
    results.setdefault(section, {})[key] = record
    results.setdefault(ON, {}).setdefault(section, {})[key] = setting(record.get("device", ""))
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "results.json.part"
    part.write_text(json.dumps(results, indent=1), encoding="utf-8")
    part.replace(folder / "results.json")


def setting(device: str = "") -> str:
    """Return what figures are measured on now: the device where there is one, the machine, and the versions
    of all that take part."""
    packages = (*PACKAGES, *FOR_DEVICES) if device else PACKAGES
    told = ", ".join(f"{name} {number}" for name, number in versions(packages).items())
    return "; ".join(filter(None, (device, machine(), told)))


def machine() -> str:
    """Return what the figures were measured on, in words."""
    from netdsl.kernels.cpu.machine import machine as kind

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        told = (
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        )
        name = next(told, name)
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {count} cores, {kind().level}, {platform.system()}, Python {platform.python_version()}"


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of the packages that take part."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
