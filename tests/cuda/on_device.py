"""Runs kernels on a CUDA device, as the simulators run them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from netdsl.kernels.cuda.kernel import CudaKernel
from netdsl.program import Kernel
from netdsl.runtime.cuda.device import Launch
from netdsl.runtime.cuda.driver import CudaDevice


@cache
def device() -> CudaDevice:
    """Return the device, opened once."""
    return CudaDevice()


def simulate(kernel: CudaKernel, arguments: Mapping[str, Any], rows: int = 1) -> None:
    """Run a kernel as `netdsl.kernels.cuda.simulation.simulate` does."""
    known = _named(kernel)
    compiled = Kernel(
        known.name, known.text, (), tuple(each.kind for each in known.parameters), known.threads
    )
    device().prepare({compiled.name: compiled})
    given = {**arguments, "rows": rows}
    addresses = {
        each.name: device().allocate(max(given[each.name].nbytes, 1))
        for each in known.parameters
        if each.kind != "count"
    }
    for name, address in addresses.items():
        device().write(address, given[name])
    values = tuple(addresses.get(each.name, given[each.name]) for each in known.parameters)
    launch = Launch(compiled, values, (0,) * len(values), known.grid(rows))
    device().recorded([launch]).run(1)
    device().finish()
    for name, address in addresses.items():
        device().read(address, given[name])
        device().free(address)
    assert all(np.asarray(given[name]).flags.c_contiguous for name in addresses)


def _named(kernel: CudaKernel) -> CudaKernel:
    """Give a kernel a name of its own: a device keeps kernels by their names."""
    name = f"{kernel.name}_{hashlib.sha256(kernel.text.encode()).hexdigest()[:12]}"
    return replace(kernel, name=name, text=kernel.text.replace(f"def {kernel.name}(", f"def {name}(", 1))
