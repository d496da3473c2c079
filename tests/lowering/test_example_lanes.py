"""Whole steps of networks whose convolutions go by examples, against the oracle."""

from __future__ import annotations

import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu.machine import VARIABLE
from netdsl.passes.choose_kernels import choose_kernels
from netdsl.passes.fuse import fuse
from netdsl.passes.legalize import legalize
from netdsl.program import Choice
from tests.kernels.cpu.bench import LEVELS
from tests.lowering.running import compare
from tests.lowering.test_image_networks import Ints, conv, pool
from tests.lowering.test_places import (
    Layer,
    averaged,
    dense,
    flat,
    kept_of,
    normalized,
    relu,
    tanh,
    training,
)
from tests.lowering.test_random_image_networks import POOLED, SETTINGS, Plan, Stage, same_steps

BATCH = 32

NETS: dict[str, tuple[Ints, tuple[Layer, ...]]] = {
    "lenet": (
        (12, 12, 1),
        (
            conv(6, (5, 5), pad=(2, 2)), relu, pool("max_pool", (2, 2)), conv(16, (3, 3)), relu,
            pool("max_pool", (2, 2)), flat, dense(20), relu, dense(10),
        ),
    ),
    "averages": (
        (11, 10, 3),
        (
            conv(5, (3, 2), strides=(2, 1), pad=(1, 0)), tanh, pool("sum_pool", (2, 3), (1, 2), (1, 1)),
            conv(9, (2, 2), dilation=(1, 2)), tanh, flat, dense(3),
        ),
    ),
    "overlapping": (
        (9, 9, 4), (conv(7, (3, 3)), pool("max_pool", (3, 3), (2, 2), (1, 1)), relu, flat, dense(4)),
    ),
    "signal": (
        (30, 1),
        (conv(5, (5,), strides=(2,)), relu, pool("max_pool", (3,), (2,)), conv(7, (3,)), flat, dense(4)),
    ),
}  # fmt: skip


def chosen(shape: Ints, layers: tuple[Layer, ...], batch: int | None) -> Choice:
    return choose_kernels(fuse(legalize(training(shape, layers))), batch)


def convolutions(choice: Choice) -> int:
    """Return how many convolutions have results, or gradients, that go by examples."""
    found = 0
    for unit in choice.units:
        for part in unit.parts:
            index = part.group.stores[0]
            touched = {index, *choice.graph.operands(index)}
            found += part.template == "convolution" and bool(touched & choice.examples)
    return found


@pytest.mark.parametrize("rows", [1, 16, pytest.param(37, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETS)
def test_steps_of_networks(name: str, rows: int) -> None:
    shape, layers = NETS[name]
    graph = training(shape, layers)
    fields = {"x": np.random.default_rng(rows).normal(size=(rows, *shape)).astype(np.float32)}
    bits: dict[str, NDArray[np.float32]] = {}
    for threads in (1, 2, 3, 8):
        executable = compare(
            graph, fields, rows, kept=kept_of(graph), threads=threads, tolerance=1e-4, batch=BATCH
        )
        assert executable.intruded() == ()
        for each in executable.names():
            value = executable.read(each)
            np.testing.assert_array_equal(bits.setdefault(each, value), value, err_msg=each)


narrow = st.builds(
    Stage,
    st.integers(4, 11),
    st.tuples(st.integers(2, 4), st.integers(2, 4)),
    st.integers(1, 2),
    st.integers(0, 2),
    st.just(False),
    st.lists(st.sampled_from(("relu", "tanh")), max_size=2).map(tuple),
    st.sampled_from(POOLED),
)
plans = st.builds(
    Plan,
    st.tuples(st.integers(4, 12), st.integers(4, 12)),
    st.integers(1, 8),
    st.lists(narrow, min_size=1, max_size=2).map(tuple),
    st.just("dense"),
    st.sampled_from((1, 5, 18)),
)


@pytest.mark.slow
@SETTINGS
@given(plans)
def test_steps_of_random_networks(plan: Plan) -> None:
    same_steps(plan, batch=BATCH)


@pytest.mark.parametrize("level", LEVELS)
def test_steps_with_each_set_of_instructions(level: str) -> None:
    shape, layers = NETS["lenet"]
    graph = training(shape, layers)
    fields = {"x": np.random.default_rng(1).normal(size=(21, *shape)).astype(np.float32)}
    with mock.patch.dict(os.environ, {VARIABLE: level}):
        executable = compare(graph, fields, 21, kept=kept_of(graph), tolerance=1e-4, batch=BATCH)
    assert executable.intruded() == ()


@pytest.mark.parametrize("name", NETS)
def test_convolutions_of_few_channels_go_by_examples(name: str) -> None:
    choice = chosen(*NETS[name], BATCH)
    kinds = [
        choice.graph[part.group.stores[0]].operation.name for unit in choice.units for part in unit.parts
    ]
    assert convolutions(choice) == sum(each.startswith("convolve") for each in kinds)


def test_the_batch_has_to_fill_the_lanes() -> None:
    shape, layers = NETS["lenet"]
    assert all(chosen(shape, layers, batch).examples for batch in (16, 29, 32, 64, 100))
    assert not any(chosen(shape, layers, batch).examples for batch in (None, 1, 8, 17, 33))


def test_what_somebody_cannot_read_stays_in_panels() -> None:
    layers = (conv(6, (3, 3)), relu, conv(8, (3, 3), offset=False), normalized, relu, averaged)
    choice = chosen((9, 9, 1), layers, BATCH)
    assert not choice.examples
    assert not chosen((9, 9, 16), (conv(48, (3, 3)), relu, averaged), BATCH).examples
