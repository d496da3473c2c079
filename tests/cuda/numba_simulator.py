"""Runs kernels in numba-cuda's simulator, in a process that was started with it switched on."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from netdsl.kernels.cuda import matrix_units
from netdsl.kernels.cuda.kernel import WARP, CudaKernel
from netdsl.kernels.cuda.simulation import FUNCTIONS


def _context() -> Any:
    from numba.cuda.simulator.kernel import _get_kernel_context

    return _get_kernel_context()


def _shared(kind: Any, name: str) -> Any:
    lock = threading.Lock()

    def shared(slot: int, count: int) -> Any:
        # Its own arrays are told apart by the line that asks for them, which would be this one.
        with lock:
            return _context().shared._allocations.setdefault((name, slot), np.zeros(count, kind))

    return shared


def _across(combine: Any) -> Any:
    def across(value: Any) -> Any:
        thread: Any = threading.current_thread()
        values = _context().shared._allocations.setdefault("warp", np.zeros(1024, np.float32))
        for mask in (16, 8, 4, 2, 1):
            thread.syncthreads()
            values[thread.thread_id] = value
            thread.syncthreads()
            value = combine(value, values[thread.thread_id ^ mask])
        return value

    return across


def _meeting(name: str) -> Any:
    def meeting(*told: Any) -> Any:
        thread: Any = threading.current_thread()
        all_told = _context().shared._allocations.setdefault("meeting", [None] * 1024)
        thread.syncthreads()
        all_told[thread.thread_id] = told
        thread.syncthreads()
        first = thread.thread_id // WARP * WARP
        return matrix_units.together(name, all_told[first : first + WARP])[thread.thread_id - first]

    return meeting


def simulate(kernel: CudaKernel, arguments: Mapping[str, Any], rows: int = 1) -> None:
    """Run a kernel as `netdsl.kernels.cuda.simulation.simulate` does."""
    from numba import cuda

    words: dict[str, Any] = {
        **FUNCTIONS,
        "cuda": cuda,
        "shared_floats": _shared(np.float32, "floats"),
        "shared_halves": _shared(np.float32, "halves"),
        "shared_ints": _shared(np.int32, "ints"),
        "warp_sum": _across(lambda a, b: a + b),
        "warp_max": _across(np.maximum),
        **{name: _meeting(name) for name in matrix_units.MEETINGS},
    }
    exec(compile(kernel.text, f"<kernel {kernel.name}>", "exec"), words)  # noqa: S102 - our own text
    given = {**arguments, "rows": rows}
    function = cuda.jit(words[kernel.name])
    function[kernel.grid(rows), kernel.threads](*(given[each.name] for each in kernel.parameters))
