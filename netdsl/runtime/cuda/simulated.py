"""A device in plain Python: memory that is NumPy's, kernels that a stepper runs thread by thread.

It shows what a program computes where there is no device, and finds accesses beside buffers. It is slow.

Queues can be late on purpose: their work is done when something waits for it and no sooner, on what memory
holds by then. So a wait that is missing gives other results.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.kernels.cuda.kernel import CudaKernel, Parameter
from netdsl.kernels.cuda.simulation import simulate
from netdsl.program import Kernel
from netdsl.runtime.cuda.blas import Blas
from netdsl.runtime.cuda.device import Launch, Queue, Recorded
from netdsl.runtime.cuda.product import Product

_APART: Final = 1 << 32
"""Bytes from the address of one piece of memory to that of the next: no kernel reaches so far by mistake."""

_TYPES: Final = {"float": np.float32, "int": np.int32, "long": np.int64}


class SimulatedDevice:
    """Runs launches one thread after the other."""

    name = "a simulated device"
    driver = "stepper"

    def __init__(self, room: int = 1 << 30, late: Iterable[Queue] = ()) -> None:
        """Make a device with memory for so many bytes, and queues that are late."""
        self._room = room
        self._memory: dict[int, NDArray[np.uint8]] = {}
        self._regions: list[tuple[int, int]] = []
        self._made = 0
        self._late = frozenset(late)
        self.library: Blas | None = None
        """What makes large products; none unless a test puts one there."""

        self._work: dict[Queue, deque[Callable[[], None]]] = {"steps": deque(), "copies": deque()}
        self._done: dict[Queue, int] = {"steps": 0, "copies": 0}

    @property
    def blas(self) -> str | None:
        """The name of what makes large products."""
        return None if self.library is None else "a simulated library"

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes.

        Errors: MemoryError where there is no room for them.
        """
        if size > self.free_memory():
            raise MemoryError
        self._made += 1
        address = self._made * _APART
        self._memory[address] = np.zeros(size, np.uint8)
        return address

    def free_memory(self) -> int:
        """Return how many bytes can be had."""
        return self._room - sum(map(len, self._memory.values()))

    def free(self, address: int) -> None:
        """Give memory back, after all steps and copies before."""
        for queue in self._work:
            self._reach(self.mark(queue))
        del self._memory[address]

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Copy an array to the device, after all steps before."""
        self.finish()
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._bytes(address, len(data))[:] = data

    def read(self, address: int, array: NDArray[Any]) -> None:
        """Copy from the device into an array, which is in one piece, after all steps before."""
        self.finish()
        flat = array.reshape(-1).view(np.uint8)
        flat[:] = self._bytes(address, len(flat))

    def host_memory(self, size: int) -> NDArray[np.uint8]:
        """Return memory of the host that `copy` reads."""
        return np.zeros(size, np.uint8)

    def free_host_memory(self, array: NDArray[np.uint8]) -> None:
        """Have nothing to give back: NumPy does."""

    def copy(self, address: int, array: NDArray[Any]) -> None:
        """Put a copy to the device into the queue of copies: it is of what the array holds then."""
        data = array.reshape(-1).view(np.uint8)
        assert np.shares_memory(data, array), "a copy reads memory in one piece"

        def work() -> None:
            self._bytes(address, len(data))[:] = data

        self.put("copies", work)

    def mark(self, queue: Queue) -> tuple[Queue, int]:
        """Return an event: how much of a queue's work has to be done."""
        return queue, self._done[queue] + len(self._work[queue])

    def follow(self, queue: Queue, event: tuple[Queue, int]) -> None:
        """Let what is put into a queue from now on wait for an event."""
        self.put(queue, lambda: self._reach(event))

    def wait(self, event: tuple[Queue, int]) -> None:
        """Wait until an event has come."""
        self._reach(event)

    def _reach(self, event: tuple[Queue, int]) -> None:
        """Do a queue's work as far as an event asks for."""
        queue, wanted = event
        while self._done[queue] < wanted:
            work = self._work[queue].popleft()
            self._done[queue] += 1
            work()

    def put(self, queue: Queue, work: Callable[[], None]) -> None:
        """Put work into a queue, and do it unless the queue is late."""
        self._work[queue].append(work)
        if queue not in self._late:
            self._reach(self.mark(queue))

    def prepare(self, kernels: Mapping[str, Kernel]) -> None:
        """Have nothing to compile."""

    def recorded(self, phases: Sequence[Sequence[Launch | Product]]) -> SimulatedSteps:
        """Return phases that follow each other. The last launch of each comes first, to see that none of them
        needs another."""
        return SimulatedSteps(self, [each for launches in phases for each in reversed(launches)])

    def timed(self, launches: Recorded) -> float:
        """Make recorded launches; return the seconds that it took here."""
        self.finish()
        began = time.perf_counter()
        launches.run(1)
        self.finish()
        return time.perf_counter() - began

    def limits(self) -> tuple[float, float]:
        """Return that an operation and a byte take a nanosecond each: nobody knows."""
        return 1e9, 1e9

    def finish(self) -> None:
        """Do all steps that wait."""
        self._reach(self.mark("steps"))

    def close(self) -> None:
        """Give all memory back."""
        self._memory.clear()

    def _bytes(self, address: int, size: int) -> NDArray[np.uint8]:
        base = address // _APART * _APART
        piece = self._memory[base][address - base : address - base + size]
        assert len(piece) == size, "a copy leaves its memory"
        return piece

    def array(self, address: int, end: int, kind: str) -> NDArray[Any]:
        """Return memory from an address to before the end of its region."""
        return self._bytes(address, end - address).view(_TYPES[kind])


class SimulatedSteps:
    """Launches of a step, or of several."""

    def __init__(self, device: SimulatedDevice, launches: Sequence[Launch | Product]) -> None:
        self._device, self._launches = device, launches

    def run(self, times: int) -> None:
        """Make all launches so many times."""
        self._device.put("steps", lambda: self._run(times))

    def _run(self, times: int) -> None:
        with np.errstate(all="ignore"):
            for _ in range(times):
                for each in self._launches:
                    if isinstance(each, Launch):
                        self._launch(each)
                    else:
                        self._multiply(each)

    def _multiply(self, product: Product) -> None:
        """Let the library make a product; it may read and write the buffers of the operands alone."""
        assert self._device.library is not None
        sides = (
            (product.left, product.high, product.deep),
            (product.right, product.deep, product.wide),
            (product.result, product.high, product.wide),
        )
        for matrices, high, wide in sides:
            lines, length = (wide, high) if matrices.turned else (high, wide)
            floats = (product.count - 1) * matrices.apart + (lines - 1) * matrices.line + length
            assert matrices.address + 4 * floats <= matrices.end, "a product leaves its buffers"
        self._device.library.multiply(product, 0)

    def _launch(self, launch: Launch) -> None:
        kernel = launch.kernel
        names = kernel.text.partition("(")[2].partition(")")[0].replace(" ", "").split(",")
        parameters = tuple(Parameter(n, k) for n, k in zip(names, kernel.kinds, strict=True))  # type: ignore[arg-type]
        given: dict[str, Any] = {
            each.name: self._device.array(value, end, each.kind) if end else value
            for each, value, end in zip(parameters, launch.arguments, launch.ends, strict=True)
        }
        text = CudaKernel("", kernel.name, kernel.text, parameters, kernel.threads, ((launch.blocks, 1),))
        simulate(text, given, given.get("rows", 0))
