"""A CUDA device by its driver: memory, compiled kernels, and the launches of a step as one CUDA graph.

None of this has run on a device yet. Everything above it has, on the simulated device of the same interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.program import Kernel
from netdsl.runtime.cuda.ahead import make_ahead
from netdsl.runtime.cuda.device import Launch
from netdsl.runtime.cuda.toolchain import compiled_text


class CudaDevice:
    """The first CUDA device. All work goes to one stream, in order."""

    def __init__(self) -> None:
        from cuda.bindings import driver
        from cuda.core import Device

        self._driver: Any = driver
        self._device: Any = Device(0)
        self._device.set_current()
        self._stream: Any = self._device.create_stream()
        self._buffers: dict[int, Any] = {}
        self._kernels: dict[str, Any] = {}
        self.name = str(self._device.name)

    @property
    def architecture(self) -> str:
        """The kind of device that kernels are compiled for."""
        return f"sm_{self._device.arch}"

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes; the driver's are multiples of 256.

        Errors: MemoryError where there is no room for them.
        """
        free = self._driver.cuMemGetInfo()[1]
        if size > free:
            raise MemoryError
        buffer = self._device.allocate(size, stream=self._stream)
        address = int(buffer.handle)
        self._buffers[address] = buffer
        self._told(self._driver.cuMemsetD8Async(address, 0, size, self._stream.handle))
        return address

    def free(self, address: int) -> None:
        """Give memory back, behind all launches before."""
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

    def prepare(self, kernels: Mapping[str, Kernel]) -> None:
        """Compile kernels, or load them from where they are kept."""
        from cuda.core import ObjectCode

        make_ahead([each for each in kernels.values() if each.name not in self._kernels], self.architecture)
        for name, each in kernels.items():
            if name not in self._kernels:
                code = compiled_text(each.text, each.name, each.kinds, each.threads, self.architecture)
                self._kernels[name] = ObjectCode.from_cubin(code.cubin).get_kernel(each.name)

    def recorded(self, phases: Sequence[Sequence[Launch]]) -> CudaSteps:
        """Return the launches of a step as one graph, those of a phase as branches."""
        from cuda.core import LaunchConfig, launch
        from cuda.core.graph import GraphBuilder

        builder = self._device.create_graph_builder()
        builder.begin_building()
        for launches in phases:
            branches = builder.split(len(launches)) if len(launches) > 1 else (builder,)
            for branch, each in zip(branches, launches, strict=True):
                config = LaunchConfig(grid=each.blocks, block=each.kernel.threads)
                # Addresses and whole numbers alike are words of 64 bits.
                launch(branch, config, self._kernels[each.kernel.name], *map(np.int64, each.arguments))
            builder = GraphBuilder.join(*branches) if len(branches) > 1 else builder
        graph = builder.end_building().complete()
        return CudaSteps(graph, self._stream)

    def finish(self) -> None:
        """Wait for all launches, and tell of errors in them."""
        self._stream.sync()

    def close(self) -> None:
        """Give all memory back."""
        for address in list(self._buffers):
            self.free(address)
        self._stream.sync()

    def _told(self, result: Any) -> None:
        """Check what a function of the driver has told."""
        status = result[0]
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"the CUDA driver told {status.name}")


class CudaSteps:
    """The launches of a step, as a graph: a launch of the graph is a step, as its cursor is in memory."""

    def __init__(self, graph: Any, stream: Any) -> None:
        self._graph, self._stream = graph, stream

    def run(self, times: int) -> None:
        """Take so many steps."""
        for _ in range(times):
            self._graph.launch(self._stream)
