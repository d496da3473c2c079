"""Calls kernels of each set of instructions on memory between bands that nothing may touch."""

import ctypes
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from netdsl.kernels.cpu.machine import VARIABLE, machine
from netdsl.runtime.load import library, load

CANARY: Final = 0x7FEDBEEF
BAND: Final = 64
ARGUMENTS: Final = 11

Floats = NDArray[np.float32]


def _levels() -> tuple[str, ...]:
    host = llvm.get_host_cpu_features()
    needed = {"avx512": "avx512bw", "avx2": "avx2"}
    tiles = ("amx",) if machine().level == "amx" else ()
    return (*tiles, *(level for level, feature in needed.items() if host.get(feature, False)), "generic")


LEVELS: Final = _levels()


@functools.cache
def hand_written(level: str) -> Mapping[str, int]:
    """Return the library's addresses for a set of instructions."""
    with mock.patch.dict(os.environ, {VARIABLE: level}):
        return library().get_all()


def generated(level: str, text: str, name: str) -> int:
    """Return the address of a kernel of a generated module."""
    with mock.patch.dict(os.environ, {VARIABLE: level}):
        return load(f"from netdsl.kernels.cpu.prelude import *\n{text}", [name])[name]


@dataclass(slots=True)
class Memory:
    """Arrays between bands."""

    bands: list[NDArray[np.uint32]] = field(default_factory=list)

    def place(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of four-byte values, between two bands."""
        raw = np.full(values.size + 2 * BAND + 16, CANARY, np.uint32)
        start = BAND + (-raw.ctypes.data // 4 - BAND) % 16
        self.bands += [raw[:start], raw[start + values.size :]]
        inside = raw[start : start + values.size].view(values.dtype)
        inside[:] = values.ravel()
        return inside.reshape(values.shape)

    def room(self, *shape: int) -> Floats:
        """Return floats that are not a number."""
        return self.place(np.full(shape, np.nan, np.float32))

    def check(self) -> None:
        """Fail when a band was written to."""
        for band in self.bands:
            assert np.all(band == CANARY), "a kernel wrote outside of its buffers"


def call(address: int, *arguments: int | NDArray[Any]) -> None:
    """Call a kernel; an array stands for its address."""
    words = [each if isinstance(each, int) else each.ctypes.data for each in arguments]
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * ARGUMENTS)(address)
    kernel(*words, *[0] * (ARGUMENTS - len(words)))


def stride(rows: int) -> int:
    """Return floats from panel to panel, as programs lay them out."""
    return rows * 16 + (16 if rows * 64 % 4096 == 0 else 0)


def in_panels(matrix: NDArray[Any]) -> Floats:
    """Return the panels of a matrix, one below the other; what lies between them is not a number."""
    rows, columns = matrix.shape
    count = -(-columns // 16)
    result = np.full((count, stride(rows)), np.nan, np.float32)
    padded = np.full((rows, count * 16), np.nan, np.float32)
    padded[:, :columns] = matrix
    result[:, : rows * 16] = padded.reshape(rows, count, 16).transpose(1, 0, 2).reshape(count, -1)
    return result


def from_panels(panels: Floats, rows: int, columns: int) -> Floats:
    """Return the matrix that panels hold."""
    count = -(-columns // 16)
    view = panels.reshape(count, -1)[:, : rows * 16].reshape(count, rows, 16)
    return view.transpose(1, 0, 2).reshape(rows, count * 16)[:, :columns].copy()


def ulps(found: Floats, exact: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far float32 numbers are from exact ones, in units in the last place."""
    tiny = np.finfo(np.float32).tiny
    unit = np.spacing(np.maximum(np.abs(exact.astype(np.float32)), tiny)).astype(np.float64)
    result: NDArray[np.float64] = np.abs(found.astype(np.float64) - exact) / unit
    return result
