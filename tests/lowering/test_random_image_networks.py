"""Networks for images drawn at random take the steps that the oracle takes, with any number of threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.graph import Value
from tests.lowering.running import compare
from tests.lowering.test_image_networks import conv, pool
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
    placed,
    relu,
    squeezed,
    tanh,
    training,
)

CHANNELS = (1, 3, 4, 6, 16, 17, 33)
BETWEEN: dict[str, Layer] = {
    "relu": relu, "tanh": tanh, "dropout": dropout, "batchnorm": normalized, "layernorm": layer_normalized,
    "placed": placed, "squeezed": squeezed,
}  # fmt: skip
POOLED = ("", "max_pool", "sum_pool")
SETTINGS = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@dataclass(frozen=True)
class Stage:
    """A convolution and what follows it."""

    outputs: int
    size: tuple[int, int]
    stride: int
    pad: int
    depthwise: bool
    between: tuple[str, ...]
    pooled: str


stages = st.builds(
    Stage,
    st.sampled_from(CHANNELS),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 2),
    st.integers(0, 2),
    st.booleans(),
    st.lists(st.sampled_from(list(BETWEEN)), max_size=2).map(tuple),
    st.sampled_from(POOLED),
)


@dataclass(frozen=True)
class Plan:
    """A network as drawn."""

    space: tuple[int, int]
    channels: int
    stages: tuple[Stage, ...]
    ending: str
    rows: int


plans = st.builds(
    Plan,
    st.tuples(st.integers(4, 12), st.integers(4, 12)),
    st.sampled_from(CHANNELS),
    st.lists(stages, min_size=1, max_size=3).map(tuple),
    st.sampled_from(("dense", "averaged", "places")),
    st.sampled_from((1, 5, 18)),
)


def layers_of(plan: Plan) -> tuple[Layer, ...]:
    """Return the layers of a plan."""
    found: list[Layer] = []
    for stage in plan.stages:
        pad, strides = (stage.pad, stage.pad), (stage.stride, stage.stride)
        found.append(conv(stage.outputs, stage.size, strides=strides, pad=pad, depthwise=stage.depthwise))
        found += [BETWEEN[name] for name in stage.between]
        found += [pool(stage.pooled, (2, 2))] if stage.pooled else []
    endings: dict[str, tuple[Layer, ...]] = {"dense": (flat, dense(10), tanh), "averaged": (averaged, tanh)}
    return (*found, *endings.get(plan.ending, (tanh,)))


def fits(plan: Plan) -> bool:
    """Tell whether each window finds room."""
    net = Net()
    h: Value = net.builder.apply("input", name="x", shape=(-1, *plan.space, plan.channels), dtype="float")
    try:
        for layer in layers_of(plan):
            h = layer(net, h)
    except ValueError:
        return False
    return True


def same_steps(plan: Plan, **settings: Any) -> None:
    """Compare a step of a network with the oracle's, and its weights for one thread and three."""
    assume(fits(plan))
    shape = (*plan.space, plan.channels)
    graph = training(shape, layers_of(plan))
    fields = {"x": np.random.default_rng(plan.rows).normal(size=(plan.rows, *shape)).astype(np.float32)}
    bits: dict[str, NDArray[np.float32]] = {}
    for threads in (1, 3):
        executable = compare(
            graph, fields, plan.rows, kept=kept_of(graph), threads=threads, tolerance=1e-3, **settings
        )
        assert executable.intruded() == ()
        for each in executable.names():
            value = executable.read(each)
            np.testing.assert_array_equal(bits.setdefault(each, value), value, err_msg=each)
        executable.close()


@pytest.mark.slow
@SETTINGS
@given(plans)
def test_steps(plan: Plan) -> None:
    same_steps(plan, step=2, seed=5)
