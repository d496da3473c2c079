"""Runs kernels on a device, by the interface that programs use too."""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from netdsl.kernels.cuda.kernel import CudaKernel
from netdsl.program import Kernel
from netdsl.runtime.cuda.device import Device, Launch
from netdsl.runtime.cuda.simulated import SimulatedDevice


@cache
def first_device() -> Device:
    """Return the first CUDA device, opened once."""
    from netdsl.runtime.cuda.driver import CudaDevice

    return CudaDevice()


def device_of_tests() -> Device:
    """Return the first CUDA device where NETDSL_TEST_CUDA asks for it, else a simulated one."""
    return first_device() if os.environ.get("NETDSL_TEST_CUDA") == "device" else SimulatedDevice()


def simulate(kernel: CudaKernel, arguments: Mapping[str, Any], rows: int = 1) -> None:
    """Run a kernel on the first device as `netdsl.kernels.cuda.simulation.simulate` does in a simulator."""
    run_on(first_device(), kernel, arguments, rows)


def run_on(device: Device, kernel: CudaKernel, arguments: Mapping[str, Any], rows: int) -> None:
    """Run a kernel: arrays of one axis, which it changes, for its addresses, and whole numbers."""
    wanted, given = _named(kernel), {**arguments, "rows": rows}
    arrays = {each.name: given[each.name] for each in kernel.parameters if each.kind != "count"}
    places = {name: device.allocate(max(array.nbytes, 4)) for name, array in arrays.items()}
    for name, array in arrays.items():
        device.write(places[name], array)
    values = tuple(places.get(each.name, given[each.name]) for each in kernel.parameters)
    ends = tuple(
        places[each.name] + arrays[each.name].nbytes if each.name in arrays else 0
        for each in kernel.parameters
    )
    device.prepare({wanted.name: wanted})
    device.recorded([[Launch(wanted, values, ends, kernel.grid(rows))]]).run(1)
    device.finish()
    for name, array in arrays.items():
        device.read(places[name], array)
        device.free(places[name])


def _named(kernel: CudaKernel) -> Kernel:
    """Give a kernel a name of its own: a device keeps kernels by their names."""
    name = f"{kernel.name}_{hashlib.sha256(kernel.text.encode()).hexdigest()[:12]}"
    text = kernel.text.replace(f"def {kernel.name}(", f"def {name}(", 1)
    return Kernel(name, text, (), tuple(each.kind for each in kernel.parameters), kernel.threads)
