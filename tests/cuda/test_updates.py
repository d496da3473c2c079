"""New weights are written where the old ones lie, behind all that reads these, of their own gradients."""

from typing import Literal

import numpy as np
import pytest

from netdsl.graph import Builder, Graph
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.lowering.cuda.points import MOST
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from tests.cuda.both_devices import compare_on_device

WIDTH = 7


def averages(count: int) -> Graph:
    """Make new weights, and averages of the old ones, which take other launches where there are many."""
    builder = Builder(REGISTRY)
    slope = builder.apply("input", name="x", shape=(-1, WIDTH), dtype="float").sum((0,)).reshape((WIDTH,))
    half = builder.constant(0.5).broadcast((WIDTH,))
    weights = [builder.apply("weight", name=f"w{number}", shape=(WIDTH,)) for number in range(count)]
    for number, weight in enumerate(weights):
        builder.updates[f"w{number}"] = weight * half + slope
    for number, weight in enumerate(weights):
        average = builder.apply("state", name=f"a{number}", shape=(WIDTH,))
        builder.updates[f"a{number}"] = average * half + weight
    return builder.finish()


@pytest.mark.parametrize("count", [2, MOST - 8])
def test_what_reads_old_weights_is_in_the_launch_that_writes_new_ones(count: int) -> None:
    fields = {"x": np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)}
    compare_on_device(averages(count), fields, 3)


@pytest.mark.parametrize("kind", ["copied", "swapped", "mixed"])
def test_old_values_are_read_before_new_ones_are_written(kind: Literal["copied", "swapped", "mixed"]) -> None:
    builder = Builder(REGISTRY)
    slope = builder.apply("input", name="x", shape=(-1, WIDTH), dtype="float").sum((0,)).reshape((WIDTH,))
    half = builder.constant(0.5).broadcast((WIDTH,))
    weight = builder.apply("weight", name="w", shape=(WIDTH,))
    last = builder.apply("state", name="last", shape=(WIDTH,))
    new = {"copied": weight * half + slope, "swapped": last, "mixed": weight * half + last}
    builder.updates = {"w": new[kind], "last": last * half + weight if kind == "mixed" else weight}
    fields = {"x": np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)}
    compare_on_device(builder.finish(), fields, 3)


@pytest.mark.parametrize("groups", [1, 2, 4], ids=["whole", "two groups", "depthwise"])
def test_gradients_of_kernels_in_pieces_go_to_their_own_weights(groups: int) -> None:
    builder = Builder(REGISTRY)
    x, slope = (builder.apply("input", name=name, shape=(-1, 9, 9, 4), dtype="float") for name in ("x", "dy"))
    kernel = builder.apply("weight", name="k", shape=(3, 3, 4 // groups, 4))
    about = {"strides": (1, 1), "before": (1, 1), "after": (1, 1), "dilation": (1, 1)}
    gradient = x.apply("convolve_kernel", slope, size=(3, 3), groups=groups, **about)
    builder.updates["k"] = kernel - gradient * builder.constant(0.1).broadcast(kernel.shape)
    graph = builder.finish()
    kernels = lower_to_device(legalize(graph), "test", 128).kernels.values()
    assert any("scratch" in each.text for each in kernels)
    rng = np.random.default_rng(0)
    fields = {name: rng.normal(size=(3, 9, 9, 4)).astype(np.float32) for name in ("x", "dy")}
    compare_on_device(graph, fields, 3)
