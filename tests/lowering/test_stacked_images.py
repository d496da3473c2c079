"""Convolutions of several batches of images that lie behind each other, as the steps of a sequence do."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from tests.lowering.running import compare

STEPS, SPACE, ROWS = 3, (8, 9), 17


def network(channels: int, size: int) -> Graph:
    """Return two convolutions whose gradients are joined with what they read."""
    builder = Builder(REGISTRY)
    y = builder.apply("input", name="x", shape=(BATCH, STEPS, *SPACE, channels)).apply("stack")
    shape = size, size, channels, channels
    kernels = [builder.apply("weight", name=name, shape=shape) for name in ("a", "b")]
    sides = {"before": (size // 2,) * 2, "after": (size // 2,) * 2}
    for kernel in kernels:
        y = y.apply("convolve", kernel * 0.1, strides=(1, 1), dilation=(1, 1), groups=1, **sides).apply(
            "tanh"
        )
    total = (y * y).sum((0, 1, 2, 3)).reshape(())
    builder.outputs["y"] = y.apply("unstack")
    for number, kernel in enumerate(kernels):
        builder.outputs[f"d{number}"] = builder.apply("gradient_of", total, kernel)
    return simplify(differentiate(builder.finish()))


@pytest.mark.parametrize(("channels", "size"), [(16, 1), (5, 3), (16, 3), (64, 1)])
def test_gradients_of_convolutions_of_stacks(channels: int, size: int) -> None:
    images = np.random.default_rng(1).normal(size=(ROWS, STEPS, *SPACE, channels)).astype(np.float32)
    graph = network(channels, size)
    executable = compare(graph, {"x": images}, ROWS, threads=2, tolerance=1e-3, batch=ROWS)
    parts = [each for each in executable.program.buffers.values() if each.name.startswith("parts of")]
    assert {each.shape[0] for each in parts} <= {-STEPS}
    assert executable.intruded() == ()
    executable.close()
