"""Whole steps of networks for images against the oracle: convolutions, pools and all that stands between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Setting, Value
from netdsl.passes.choose_kernels import choose_kernels
from netdsl.passes.fuse import fuse
from netdsl.passes.legalize import legalize
from tests.lowering.running import compare
from tests.lowering.test_places import (
    Layer,
    Net,
    averaged,
    dense,
    dropout,
    flat,
    kept_of,
    layer_normalized,
    normalized,
    relu,
    tanh,
    training,
)

Ints = tuple[int, ...]


def conv(
    outputs: int,
    size: Ints,
    *,
    strides: Ints | None = None,
    pad: Ints | None = None,
    dilation: Ints | None = None,
    offset: bool = True,
    depthwise: bool = False,
) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        geometry = geometry_of(size, strides, pad, dilation)
        c = x.shape[-1]
        out, groups, within = (c, c, 1) if depthwise else (outputs, 1, c)
        y = x.apply("convolve", net.weight(*size, within, out), groups=groups, **geometry)
        return y + net.weight(out) if offset else y

    return layer


def geometry_of(
    size: Ints, strides: Ints | None, pad: Ints | None, dilation: Ints | None
) -> dict[str, Setting]:
    ones, none = (1,) * len(size), (0,) * len(size)
    return {
        "strides": strides or ones, "before": pad or none, "after": pad or none, "dilation": dilation or ones,
    }  # fmt: skip


def transposed(outputs: int, size: Ints, strides: Ints, space: Ints) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        kernel = net.weight(*size, outputs, x.shape[-1])
        geometry = geometry_of(size, strides, None, None)
        return x.apply("convolve_input", kernel, space=space, groups=1, **geometry) + net.weight(outputs)

    return layer


def pool(name: str, size: Ints, strides: Ints | None = None, pad: Ints | None = None) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        none = pad or (0,) * len(size)
        y = x.apply(name, size=size, strides=strides or size, before=none, after=none)
        return y / float(np.prod(size)) if name == "sum_pool" else y

    return layer


def residual(strides: Ints) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        c = x.shape[-1] * strides[0]
        h = relu(net, normalized(net, conv(c, (3, 3), strides=strides, pad=(1, 1), offset=False)(net, x)))
        h = normalized(net, conv(c, (3, 3), pad=(1, 1), offset=False)(net, h))
        around = x if strides == (1, 1) else conv(c, (1, 1), strides=strides, offset=False)(net, x)
        return relu(net, h + around)

    return layer


def separable(outputs: int, strides: Ints) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        h = conv(0, (3, 3), strides=strides, pad=(1, 1), offset=False, depthwise=True)(net, x)
        h = relu(net, normalized(net, h))
        return relu(net, normalized(net, conv(outputs, (1, 1), offset=False)(net, h)))

    return layer


NETS: dict[str, tuple[Ints, tuple[Layer, ...]]] = {
    "lenet": (
        (12, 12, 1),
        (
            conv(6, (5, 5), pad=(2, 2)), tanh, pool("max_pool", (2, 2)), conv(16, (3, 3)), tanh,
            pool("sum_pool", (2, 2)), flat, dense(20), relu, dense(10),
        ),
    ),
    "normalized": (
        (8, 8, 3),
        (
            conv(20, (3, 3), pad=(1, 1), offset=False), normalized, relu, conv(20, (3, 3), pad=(1, 1)),
            normalized, relu, pool("max_pool", (2, 2)), dropout, flat, dense(16), relu,
        ),
    ),
    "residual": (
        (6, 6, 3), (conv(16, (3, 3), pad=(1, 1)), residual((1, 1)), residual((2, 2)), averaged, flat)
    ),
    "separable": ((8, 8, 5), (conv(8, (3, 3), strides=(2, 2), pad=(1, 1)), separable(24, (1, 1)), averaged)),
    "separable narrow": ((5, 5, 18), (separable(6, (2, 2)), separable(17, (1, 1)), flat)),
    "signal": (
        (30, 2), (conv(12, (5,), strides=(2,)), relu, pool("max_pool", (3,), (2,)), conv(7, (3,)), flat)
    ),
    "dilated": ((9, 9, 4), (conv(8, (3, 3), pad=(2, 2), dilation=(2, 2)), tanh, conv(5, (2, 3)), averaged)),
    "autoencoder": (
        (8, 8, 1),
        (
            conv(8, (3, 3), strides=(2, 2), pad=(1, 1)), relu, conv(12, (4, 4)), relu,
            transposed(8, (4, 4), (1, 1), (4, 4)), relu, transposed(1, (2, 2), (2, 2), (8, 8)), tanh,
        ),
    ),
    "transformed tiles": (
        (9, 10, 3),
        (
            conv(32, (3, 3), pad=(1, 1), offset=False), normalized, relu, conv(36, (3, 3), pad=(1, 1)), relu,
            pool("max_pool", (2, 2)), conv(32, (3, 3), pad=(2, 2)), tanh, averaged,
        ),
    ),
    "many channels as data": ((4, 4, 16), (conv(16, (3, 3)), flat, dense(10), tanh)),
    "many taps": ((14, 13, 8), (conv(0, (13, 12), depthwise=True), tanh, conv(20, (1, 1)), averaged)),
    "overlapping pools": (
        (9, 7, 16),
        (
            conv(16, (1, 1)), pool("max_pool", (3, 3), (2, 2), (1, 1)), relu,
            pool("sum_pool", (2, 3), (1, 2)),
        ),
    ),
    "layernorm": (
        (4, 5, 6), (conv(12, (3, 3), pad=(1, 1)), layer_normalized, relu, conv(9, (1, 1)), averaged)
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows", [1, 5, pytest.param(33, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETS)
def test_steps_of_image_networks(name: str, rows: int) -> None:
    shape, layers = NETS[name]
    graph = training(shape, layers)
    fields = {"x": np.random.default_rng(rows).normal(size=(rows, *shape)).astype(np.float32)}
    bits: dict[str, NDArray[np.float32]] = {}
    for threads in (1, 2, 3):
        executable = compare(
            graph, fields, rows, kept=kept_of(graph), threads=threads, tolerance=1e-4, step=2, seed=5
        )
        assert executable.intruded() == ()
        for each in executable.names():
            value = executable.read(each)
            np.testing.assert_array_equal(bits.setdefault(each, value), value, err_msg=each)


@pytest.mark.parametrize("rows", [3, 64])
def test_bits_of_sums_of_some_examples(rows: int) -> None:
    """Kernels whose gradients are summed over 4 and 8 examples before they are stored, and their sums
    after."""
    layers = (conv(32, (3, 3), pad=(1, 1)), relu, conv(32, (3, 3), pad=(1, 1)), relu, averaged)
    deep = (
        conv(32, (3, 3), pad=(1, 1)),
        relu,
        pool("max_pool", (2, 2)),
        conv(48, (3, 3), pad=(1, 1)),
        averaged,
    )
    for shape, each in (((12, 10, 3), layers), ((8, 8, 3), deep)):
        graph = training(shape, each)
        fields = {"x": np.random.default_rng(rows).normal(size=(rows, *shape)).astype(np.float32)}
        bits: dict[str, NDArray[np.float32]] = {}
        for threads in (1, 2, 3, 8):
            executable = compare(graph, fields, rows, kept=kept_of(graph), threads=threads, tolerance=1e-4)
            assert executable.intruded() == ()
            for name in executable.names():
                value = executable.read(name)
                np.testing.assert_array_equal(bits.setdefault(name, value), value, err_msg=name)


def _templates(layers: tuple[Callable[[Net, Value], Value], ...], shape: Ints) -> list[str]:
    choice = choose_kernels(fuse(legalize(training(shape, layers))))
    return [part.template for unit in choice.units for part in unit.parts if part.group.form == "windows"]


def test_convolutions_have_kernels_of_their_own() -> None:
    layers = (conv(8, (3, 3), pad=(1, 1)), relu, conv(0, (3, 3), depthwise=True), relu, conv(5, (3, 3)))
    assert sorted(_templates(layers, (9, 9, 3))) == ["convolution"] * 8


def test_volumes_and_results_of_few_channels_are_loops() -> None:
    assert set(_templates((conv(8, (2, 2, 2)), relu), (3, 3, 3, 2))) == {"loops"}
    assert "loops" in _templates((conv(2, (3, 3)), relu), (5, 5, 4))
