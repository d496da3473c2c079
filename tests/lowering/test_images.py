"""Convolutions and pools against the oracle: one to three axes, strides, padding, dilation, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph, Setting
from netdsl.operations import REGISTRY
from netdsl.runtime.executable import Executable
from tests.lowering.running import compare, program_of

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """Windows over a space, and what a convolution makes of channels."""

    space: Ints
    size: Ints
    strides: Ints
    before: Ints
    after: Ints
    dilation: Ints
    channels: tuple[int, int]
    groups: int = 1
    rows: int = 3

    @property
    def counts(self) -> Ints:
        """How many windows there are along each axis."""
        return tuple(
            (n + b + a - d * (k - 1) - 1) // s + 1
            for n, b, a, d, k, s in zip(
                self.space, self.before, self.after, self.dilation, self.size, self.strides, strict=True
            )
        )

    def __str__(self) -> str:
        """Return a name for the list of tests."""
        sides = [self.space, self.size, self.strides, self.before, self.after, self.dilation, self.channels]
        return " ".join("x".join(map(str, each)) for each in sides) + f" {self.groups} {self.rows}"

    def geometry(self) -> dict[str, Setting]:
        """Return the settings of a convolution."""
        pads = {"strides": self.strides, "before": self.before, "after": self.after}
        return {**pads, "dilation": self.dilation, "groups": self.groups}

    def pooling(self) -> dict[str, Setting]:
        """Return the settings of a pool."""
        pads = {"strides": self.strides, "before": self.before, "after": self.after}
        return {**pads, "size": self.size}


def _drawn(number: int) -> Windows:
    """Draw windows of any kind; those of no result are drawn again."""
    rng = np.random.default_rng(number)
    while True:
        rank = int(rng.integers(1, 4))
        high = {1: 15, 2: 9, 3: 5}[rank]

        def each(low: int, high: int, rank: int = rank) -> Ints:
            return tuple(int(n) for n in rng.integers(low, high, rank))

        groups = int(rng.choice([1, 1, 2, 3]))
        a, b = (int(n) * groups for n in rng.choice([1, 2, 5, 8, 17], 2))
        windows = Windows(
            each(1, high), each(1, 5), each(1, 4), each(0, 3), each(0, 3), each(1, 3), (a, b), groups,
            int(rng.choice([1, 2, 5])),
        )  # fmt: skip
        if min(windows.counts) >= 1:
            return windows


NAMED = [
    Windows((6, 6), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (3, 8)),
    Windows((7, 9), (3, 3), (2, 2), (1, 1), (1, 1), (1, 1), (16, 32)),
    Windows((8, 8), (5, 5), (1, 1), (2, 2), (2, 2), (1, 1), (1, 6), rows=18),
    Windows((9, 5), (3, 1), (1, 1), (2, 0), (0, 0), (2, 1), (20, 33)),
    Windows((6, 6), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (18, 18), groups=18),
    Windows((6, 6), (3, 3), (2, 2), (1, 1), (1, 1), (1, 1), (5, 10), groups=5),
    Windows((5, 5), (1, 1), (1, 1), (0, 0), (0, 0), (1, 1), (24, 17)),
    Windows((5, 5), (1, 1), (2, 2), (0, 0), (0, 0), (1, 1), (16, 16)),
    Windows((12,), (4,), (2,), (1,), (2,), (1,), (4, 16)),
    Windows((3, 4, 5), (2, 3, 2), (1, 2, 1), (1, 0, 0), (0, 1, 1), (1, 1, 2), (3, 4)),
    Windows((4, 4), (4, 4), (1, 1), (0, 0), (0, 0), (1, 1), (16, 16)),
]


def _slow(windows: Windows) -> Any:
    return pytest.param(windows, marks=pytest.mark.slow)


DRAWN = list(map(_drawn, range(24)))


def _fields(windows: Windows, lead: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(5)
    c, out = windows.channels
    return {
        "x": rng.normal(size=(lead, *windows.space, c)).astype(np.float32),
        "dy": rng.normal(size=(lead, *windows.counts, out)).astype(np.float32),
    }


def _convolutions(windows: Windows) -> Graph:
    builder = Builder(REGISTRY)
    c, out = windows.channels
    x = builder.apply("input", name="x", shape=(BATCH, *windows.space, c), dtype="float")
    dy = builder.apply("input", name="dy", shape=(BATCH, *windows.counts, out), dtype="float")
    kernel = builder.apply("weight", name="k", shape=(*windows.size, c // windows.groups, out))
    geometry = windows.geometry()
    builder.outputs["convolve"] = x.apply("convolve", kernel, **geometry)
    builder.outputs["input"] = dy.apply("convolve_input", kernel, space=windows.space, **geometry)
    builder.updates["k"] = x.apply("convolve_kernel", dy, size=windows.size, **geometry)
    return builder.finish()


@pytest.mark.parametrize("windows", [*NAMED, *map(_slow, DRAWN)], ids=str)
def test_convolutions(windows: Windows) -> None:
    graph = _convolutions(windows)
    compare(graph, _fields(windows, windows.rows), windows.rows)
    _same_bits(graph, _fields(windows, 37))


def _same_bits(graph: Graph, fields: dict[str, NDArray[Any]]) -> None:
    """Check that any number of threads gives the same bits, and that nothing is written beside a buffer."""
    rng = np.random.default_rng(3)
    program = program_of(graph)
    rows = len(next(iter(fields.values())))
    known: dict[str, NDArray[Any]] = {}
    kept = {
        name: rng.normal(size=graph[index].shape).astype(np.float32)
        for name, index in graph.leaves("weight").items()
    }
    for threads in (1, 2, 3):
        executable = Executable(program, threads, guard=16)
        for name, value in kept.items():
            executable.write(name, value)
        executable.bind(fields)
        given = {**executable.run(np.arange(rows), rows)}
        given.update({name: executable.read(name) for name in executable.names()})
        assert executable.intruded() == ()
        for name, value in given.items():
            np.testing.assert_array_equal(known.setdefault(name, value), value, err_msg=name)
        executable.close()


@pytest.mark.parametrize("lead", [1, 4])
def test_convolutions_of_values_without_a_batch(lead: int) -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("weight", name="x", shape=(lead, 7, 6, 3))
    kernel = builder.apply("weight", name="k", shape=(3, 2, 3, 5))
    geometry: dict[str, Setting] = {
        "strides": (2, 1), "before": (1, 0), "after": (1, 0), "dilation": (1, 1), "groups": 1,
    }  # fmt: skip
    y = x.apply("convolve", kernel, **geometry)
    pooled = y.apply("max_pool", size=(2, 2), strides=(2, 2), before=(0, 0), after=(0, 0))
    builder.outputs["pooled"] = pooled
    builder.updates["x"] = y.apply("convolve_input", kernel, space=(7, 6), **geometry)
    builder.updates["k"] = x.apply("convolve_kernel", y, size=(3, 2), **geometry)
    compare(builder.finish(), {}, 1)


def _may_pool(windows: Windows) -> bool:
    pads = zip((*windows.before, *windows.after), windows.size * 2, strict=True)
    return all(pad < size for pad, size in pads) and max(windows.dilation) == 1


POOLS = [
    *(each for each in NAMED[:5] if _may_pool(each)),
    *(_slow(each) for each in (*NAMED[5:], *DRAWN) if _may_pool(each)),
]


@pytest.mark.parametrize("windows", POOLS, ids=str)
def test_pools(windows: Windows) -> None:
    builder = Builder(REGISTRY)
    c = windows.channels[0]
    x = builder.apply("input", name="x", shape=(BATCH, *windows.space, c), dtype="float")
    dy = builder.apply("input", name="dy", shape=(BATCH, *windows.counts, c), dtype="float")
    pooling = windows.pooling()
    taps = x.apply("argmax_pool", **pooling)
    builder.outputs["sum"] = x.apply("sum_pool", **pooling)
    builder.outputs["max"] = x.apply("max_pool", **pooling)
    builder.outputs["taps"] = taps
    builder.outputs["take"] = (x * x).apply("take_window", taps, **pooling)
    builder.outputs["put"] = dy.apply("put_window", taps, space=windows.space, **pooling)
    builder.outputs["spread"] = dy.apply("spread_pool", space=windows.space, **pooling)
    graph = builder.finish()
    for rows in (windows.rows, 33):
        rng = np.random.default_rng(rows)
        fields = {
            "x": rng.integers(-2, 3, size=(rows, *windows.space, c)).astype(np.float32),
            "dy": rng.normal(size=(rows, *windows.counts, c)).astype(np.float32),
        }
        compare(graph, fields, rows)
    _same_bits(graph, fields)


def test_a_pool_of_infinities_and_of_no_numbers() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4, 2), dtype="float")
    pooling: dict[str, Setting] = {"size": (3,), "strides": (2,), "before": (1,), "after": (1,)}
    builder.outputs["max"] = x.apply("max_pool", **pooling)
    builder.outputs["taps"] = x.apply("argmax_pool", **pooling)
    far, none = np.inf, np.nan
    fields = {
        "x": np.array(
            [
                [[-far, 1], [-far, none], [far, 2], [far, none]],
                [[none, -far], [1, -far], [2, -far], [3, far]],
            ],
            np.float32,
        )
    }
    compare(builder.finish(), fields, 2)
