"""The same graph on the CPU and on a device: a simulated one unless NETDSL_TEST_CUDA asks for a real one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.compiler import program_of
from netdsl.graph import Graph
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.passes.legalize import legalize
from netdsl.passes.scan_stage import stage_scans
from netdsl.runtime import Executable
from netdsl.runtime.cuda.executable import DeviceExecutable
from tests.cuda.on_device import device_of_tests
from tests.lowering.running import close, oracle, start_of

Arrays = Mapping[str, NDArray[Any]]


def on_both(
    graph: Graph,
    fields: Arrays,
    values: Arrays,
    order: NDArray[np.int64],
    batch: int,
    scalars: Mapping[str, float] | None = None,
    seed: int = 3,
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return outputs and kept values of a graph run on the CPU, and on the device."""
    legal = legalize(stage_scans(graph))
    made = Executable(program_of(legal, "test"), threads=1), device_executable(legal)
    both = []
    for executable in made:
        for name in executable.names():
            executable.write(name, np.asarray(values[name]))
        executable.bind({name: np.asarray(each) for name, each in fields.items()})
        found = executable.run(order, batch, step=2, seed=seed, scalars=scalars or {})
        both.append({**found, **{name: executable.read(name) for name in executable.names()}})
        executable.close()
    return both[0], both[1]


def device_executable(legal: Graph, rows: int = 128) -> DeviceExecutable:
    """Return the executable of a legal graph on the device of the tests."""
    return DeviceExecutable(lower_to_device(legal, "test", rows), device_of_tests())


def compare_on_device(
    graph: Graph,
    fields: Arrays,
    rows: int,
    kept: Arrays | None = None,
    *,
    tolerance: float = 1e-5,
    scalars: Mapping[str, float] | None = None,
    step: int = 0,
    seed: int = 0,
) -> None:
    """Run one step of so many rows on the device, and check each output and update by the oracle."""
    kept = kept if kept is not None else start_of(graph, np.random.default_rng(3))
    executable = device_executable(legalize(graph))
    for name in executable.names():
        executable.write(name, kept[name])
    executable.bind(fields)
    found = executable.run(np.arange(rows), rows, scalars=scalars or {}, step=step, seed=seed)
    outputs, updates = oracle(graph, kept, fields, rows, scalars=scalars or {}, step=step, seed=seed)
    for name, value in outputs.items():
        close(found[name].reshape(value.shape), value, tolerance, name)
    for name, value in updates.items():
        close(executable.read(name), value, tolerance, name)
    executable.close()
