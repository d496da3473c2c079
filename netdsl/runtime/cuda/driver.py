"""A CUDA device by its driver: memory, compiled kernels, and the launches of a step as one CUDA graph.

None of this has run on a device yet. Everything above it has, on the simulated device of the same interface.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.program import Kernel
from netdsl.runtime.cuda.ahead import make_ahead
from netdsl.runtime.cuda.blas import Blas, library_name, opened
from netdsl.runtime.cuda.device import Event, Launch, Queue, Recorded
from netdsl.runtime.cuda.product import Product
from netdsl.runtime.cuda.toolchain import compiled_text


class CudaDevice:
    """The first CUDA device. Steps go to one stream, in order; copies beside them to another."""

    def __init__(self) -> None:
        from cuda.bindings import driver
        from cuda.core import Device

        self._driver: Any = driver
        self._device: Any = Device(0)
        self._device.set_current()
        self._stream: Any = self._device.create_stream()
        self._queues: dict[Queue, Any] = {"steps": self._stream, "copies": self._device.create_stream()}
        self._buffers: dict[int, Any] = {}
        self._kernels: dict[str, Any] = {}
        self._library: Blas | None = None
        self.blas = library_name()
        self.name = str(self._device.name)
        version = int(self._told(driver.cuDriverGetVersion()))
        self.driver = f"CUDA {version // 1000}.{version % 1000 // 10}"

    @property
    def architecture(self) -> str:
        """The kind of device that kernels are compiled for."""
        return f"sm_{self._device.arch}"

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes; the driver's are multiples of 256.

        Errors: MemoryError where there is no room for them.
        """
        if size > self.free_memory():
            raise MemoryError
        buffer = self._device.allocate(size, stream=self._stream)
        address = int(buffer.handle)
        self._buffers[address] = buffer
        self._told(self._driver.cuMemsetD8Async(address, 0, size, self._stream.handle))
        return address

    def free_memory(self) -> int:
        """Return how many bytes the driver has, and those that the pool keeps of what was given back."""
        self._stream.sync()
        pool = getattr(self._device.memory_resource, "attributes", None)
        kept = pool.reserved_mem_current - pool.used_mem_current if pool is not None else 0
        return int(self._told(self._driver.cuMemGetInfo())) + kept

    def free(self, address: int) -> None:
        """Give memory back, behind all launches and copies before."""
        self._stream.wait(self._queues["copies"])
        self._buffers.pop(address).close(self._stream)

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Copy an array to the device, behind all launches before; the array may change afterwards."""
        data = np.ascontiguousarray(array)
        if data.nbytes:
            stream = self._stream.handle
            self._told(self._driver.cuMemcpyHtoDAsync(address, data.ctypes.data, data.nbytes, stream))
            self._stream.sync()

    def read(self, address: int, array: NDArray[Any]) -> None:
        """Copy from the device into an array, behind all launches before."""
        if array.nbytes:
            stream = self._stream.handle
            self._told(self._driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))
            self._stream.sync()

    def host_memory(self, size: int) -> NDArray[np.uint8]:
        """Return page-locked memory, which copies read while launches run."""
        address = int(self._told(self._driver.cuMemAllocHost(size)))
        memory = (ctypes.c_uint8 * size).from_address(address)
        return np.frombuffer(memoryview(memory), np.uint8)

    def free_host_memory(self, array: NDArray[np.uint8]) -> None:
        """Give page-locked memory back, when all copies are done."""
        self._queues["copies"].sync()
        self._told(self._driver.cuMemFreeHost(array.ctypes.data))

    def copy(self, address: int, array: NDArray[Any]) -> None:
        """Put a copy to the device into the stream of copies; nothing waits for it here."""
        stream = self._queues["copies"].handle
        self._told(self._driver.cuMemcpyHtoDAsync(address, array.ctypes.data, array.nbytes, stream))

    def mark(self, queue: Queue) -> Event:
        """Return an event behind all that was put into a stream so far."""
        return self._queues[queue].record()

    def follow(self, queue: Queue, event: Event) -> None:
        """Let a stream wait for an event."""
        self._queues[queue].wait(event)

    def wait(self, event: Event) -> None:
        """Wait for an event."""
        event.sync()

    def prepare(self, kernels: Mapping[str, Kernel]) -> None:
        """Compile kernels, or load them from where they are kept."""
        from cuda.core import ObjectCode

        make_ahead([each for each in kernels.values() if each.name not in self._kernels], self.architecture)
        for name, each in kernels.items():
            if name not in self._kernels:
                code = compiled_text(each.text, each.name, each.kinds, each.threads, self.architecture)
                self._kernels[name] = ObjectCode.from_cubin(code.cubin).get_kernel(each.name)

    def recorded(self, phases: Sequence[Sequence[Launch | Product]]) -> CudaSteps:
        """Return launches as one graph, those of a phase as branches.

        Errors: E0965 for a product that the library refuses.
        """
        from cuda.core import LaunchConfig, launch
        from cuda.core.graph import GraphBuilder

        if self._library is None and any(isinstance(each, Product) for phase in phases for each in phase):
            self._library = opened()
        builder = self._device.create_graph_builder()
        builder.begin_building()
        for launches in phases:
            branches = builder.split(len(launches)) if len(launches) > 1 else (builder,)
            for branch, each in zip(branches, launches, strict=True):
                if isinstance(each, Product):
                    assert self._library is not None
                    self._library.multiply(each, int(branch.stream.handle))
                    continue
                config = LaunchConfig(grid=each.blocks, block=each.kernel.threads)
                # Addresses and whole numbers alike are words of 64 bits.
                launch(branch, config, self._kernels[each.kernel.name], *map(np.int64, each.arguments))
            builder = GraphBuilder.join(*branches) if len(branches) > 1 else builder
        graph = builder.end_building().complete()
        return CudaSteps(graph, self._stream)

    def timed(self, launches: Recorded) -> float:
        """Make recorded launches; return the seconds from an event before them to one behind."""
        from cuda.core import EventOptions

        options = EventOptions(timing_enabled=True)
        first = self._stream.record(options=options)
        launches.run(1)
        last = self._stream.record(options=options)
        last.sync()
        return 1e-3 * float(last - first)

    def limits(self) -> tuple[float, float]:
        """Return operations and bytes of a second, from what the driver tells of clocks, lanes and wires.

        A multiprocessor makes 128 multiply-adds of float32 in a turn of its clock; memory sends twice.
        """
        known = self._driver.CUdevice_attribute
        processors, clock, memory_clock, wires = (
            int(self._told(self._driver.cuDeviceGetAttribute(each, self._device.device_id)))
            for each in (
                known.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
                known.CU_DEVICE_ATTRIBUTE_CLOCK_RATE,
                known.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE,
                known.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH,
            )
        )
        return 2.0 * 128 * processors * 1e3 * clock, 2.0 * 1e3 * memory_clock * wires / 8

    def finish(self) -> None:
        """Wait for all launches, and tell of errors in them."""
        self._stream.sync()

    def close(self) -> None:
        """Give all memory back."""
        self._stream.sync()
        if self._library is not None:
            self._library.close()
            self._library = None
        for address in list(self._buffers):
            self.free(address)
        self._stream.sync()

    def _told(self, result: Any) -> Any:
        """Return what a function of the driver has told, the first of what there is; None if nothing.

        Errors: RuntimeError for any status but success.
        """
        status = result[0]
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"the CUDA driver told {status.name}")
        return result[1] if len(result) > 1 else None


class CudaSteps:
    """The launches of a step, or of several, as a graph for any batch: the cursors are in memory."""

    def __init__(self, graph: Any, stream: Any) -> None:
        self._graph, self._stream = graph, stream

    def run(self, times: int) -> None:
        """Launch the graph so many times."""
        for _ in range(times):
            self._graph.launch(self._stream)
