"""Convolutions and pools of values that are made: the library computes them, whatever the windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.operations import REGISTRY
from netdsl.runtime.executable import Executable
from tests.lowering.running import compare, program_of
from tests.lowering.test_images import Windows

ONE, TWO, NONE = (1, 1), (2, 2), (0, 0)

KINDS = [
    Windows((9, 7), (3, 3), ONE, ONE, ONE, ONE, (16, 32)),
    Windows((9, 7), (3, 3), TWO, ONE, ONE, ONE, (17, 20)),
    Windows((8, 8), (1, 1), TWO, NONE, NONE, ONE, (24, 16)),
    Windows((10, 9), (3, 2), (3, 1), (2, 0), (0, 1), (1, 2), (6, 16)),
    Windows((9, 20), (5, 5), ONE, NONE, NONE, ONE, (6, 16)),
    Windows((9, 9), (3, 3), TWO, ONE, ONE, ONE, (20, 20), groups=20),
    Windows((7, 9), (3, 3), ONE, TWO, TWO, TWO, (32, 32), groups=32),
    Windows((31,), (5,), (2,), (2,), (2,), (1,), (8, 16)),
]
"""Windows over values of at least four channels, which lie in panels."""

FAR = Windows((6, 7), (3, 3), ONE, (1, 3), (4, 4), ONE, (16, 16), groups=16)
"""Windows of which some lie beside the image, as those of pools may not."""


def _made(builder: Builder, name: str, space: tuple[int, ...], channels: int) -> Value:
    given = builder.apply("input", name=name, shape=(BATCH, *space, channels), dtype="float")
    return given.apply("tanh")


def _convolutions(windows: Windows) -> Graph:
    builder = Builder(REGISTRY)
    c, out = windows.channels
    x, dy = _made(builder, "x", windows.space, c), _made(builder, "dy", windows.counts, out)
    kernel = builder.apply("weight", name="k", shape=(*windows.size, c // windows.groups, out))
    geometry = windows.geometry()
    builder.outputs["y"] = x.apply("convolve", kernel, **geometry).apply("tanh")
    builder.outputs["dx"] = dy.apply("convolve_input", kernel, space=windows.space, **geometry).apply("tanh")
    change = x.apply("convolve_kernel", dy, size=windows.size, **geometry)
    builder.updates["k"] = kernel - change
    return builder.finish()


def _fields(windows: Windows, rows: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(rows)
    c, out = windows.channels
    return {
        "x": rng.integers(-2, 3, size=(rows, *windows.space, c)).astype(np.float32),
        "dy": rng.normal(size=(rows, *windows.counts, out)).astype(np.float32),
    }


def _results(graph: Graph, fields: dict[str, NDArray[Any]], threads: int) -> dict[str, NDArray[Any]]:
    """Return what any number of threads gives, and check that nothing is written beside a buffer."""
    executable = Executable(program_of(graph), threads, guard=16)
    rng = np.random.default_rng(4)
    for name, index in graph.leaves("weight").items():
        executable.write(name, rng.normal(size=graph[index].shape).astype(np.float32))
    executable.bind(fields)
    rows = len(next(iter(fields.values())))
    found = {**executable.run(np.arange(rows), rows)}
    found.update({name: executable.read(name) for name in executable.names()})
    assert executable.intruded() == ()
    executable.close()
    return found


def _same_bits(graph: Graph, fields: dict[str, NDArray[Any]]) -> None:
    one = _results(graph, fields, 1)
    for threads in (2, 3):
        for name, value in _results(graph, fields, threads).items():
            np.testing.assert_array_equal(one[name], value, err_msg=name)


@pytest.mark.parametrize("windows", [*KINDS, FAR], ids=str)
def test_convolutions(windows: Windows) -> None:
    graph = _convolutions(windows)
    used = set(program_of(graph).kernels)
    assert used & {"convolution", "winograd"}
    assert used & {"convolution_gradient", "winograd_gradient"}
    assert ("turn_kernel" in used) == (windows.groups == 1)
    assert not any(name.startswith("convolve") for name in used)
    # Sums are about 17 in size, of which transformed tiles may round off 3e-6 (see `cpu_kernels.md`).
    tolerance = 5e-5 if "winograd" in used else 1e-5
    for rows in (1, 7):
        compare(graph, _fields(windows, rows), rows, tolerance=tolerance)
    _same_bits(graph, _fields(windows, 21))


@pytest.mark.parametrize("windows", [KINDS[0], KINDS[1], KINDS[7]], ids=str)
def test_pools(windows: Windows) -> None:
    builder = Builder(REGISTRY)
    c = windows.channels[0]
    x, dy = _made(builder, "x", windows.space, c), _made(builder, "dy", windows.counts, c)
    pooling = windows.pooling()
    taps = x.apply("argmax_pool", **pooling)
    builder.outputs["taps"] = taps
    made = {
        "max": x.apply("max_pool", **pooling),
        "sum": x.apply("sum_pool", **pooling),
        "put": dy.apply("put_window", taps, space=windows.space, **pooling),
        "spread": dy.apply("spread_pool", space=windows.space, **pooling),
    }
    builder.outputs.update({name: value.apply("tanh") for name, value in made.items()})
    graph = builder.finish()
    used = set(program_of(graph).kernels)
    assert used >= {"max_pool", "put_window", "sum_pool"}
    assert not any("pool_" in name or "window_" in name for name in used)
    for rows in (1, 7):
        fields = _fields(windows, rows)
        fields["dy"] = fields["dy"][..., :1].repeat(c, axis=-1) * np.arange(1, c + 1, dtype=np.float32)
        compare(graph, fields, rows)
    _same_bits(graph, fields)


def test_a_kernel_is_turned_for_each_step_anew() -> None:
    windows = KINDS[0]
    graph = _convolutions(windows)
    executable = Executable(program_of(graph), 2)
    kernel = np.zeros((3, 3, *windows.channels), np.float32)
    executable.write("k", kernel)
    executable.bind(_fields(windows, 4))
    order = np.tile(np.arange(4), 2)
    assert not executable.run(order[:4], 4)["dx"].any()
    assert executable.run(order[4:], 4)["dx"].any()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_gradient_becomes_the_kernel_when_nobody_reads_the_old_one(threads: int) -> None:
    """One convolution reads the kernel transformed, the other as it lies, in the unit that makes the next."""
    builder = Builder(REGISTRY)
    x, dy = (builder.apply("input", name=name, shape=(BATCH, 12, 12, 16)) for name in ("x", "dy"))
    around = {"before": (1, 1), "after": (1, 1), "dilation": (1, 1), "groups": 1}
    inside = {**around, "before": (0, 0), "after": (0, 0)}
    weight = builder.apply("weight", name="w", shape=(1, 1, 16, 16))
    images = x.apply("convolve", weight, strides=(1, 1), **inside).apply("tanh")
    kernel = builder.apply("weight", name="k", shape=(3, 3, 16, 16))
    for n in (1, 2):
        builder.outputs[f"by {n}"] = images.apply("convolve", kernel, strides=(n, n), **around).apply("tanh")
    given = dy.apply("tanh")
    builder.updates["k"] = images.apply("convolve_kernel", given, size=(3, 3), strides=(1, 1), **around)
    graph, rng = builder.finish(), np.random.default_rng(5)
    assert "winograd_gradient" in program_of(graph).kernels
    fields = {name: rng.normal(size=(17, 12, 12, 16)).astype(np.float32) for name in ("x", "dy")}
    compare(graph, fields, 17, threads=threads, tolerance=1e-4).close()
