"""New weights are written where the old ones lie, behind all that reads these."""

from typing import Literal

import numpy as np
import pytest

from netdsl.graph import Builder, Graph
from netdsl.lowering.cuda.points import MOST
from netdsl.operations import REGISTRY
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
