"""Four elements of a thread have the bits of one of each of four threads."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import BATCH, Builder, Graph
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from netdsl.program import Program
from netdsl.runtime.cuda.executable import DeviceExecutable
from tests.compiling import adam, classifier, experiment_of
from tests.cuda.both_devices import compare_on_device
from tests.cuda.on_device import device_of_tests

ROWS = 5
RNG = np.random.default_rng(2)
Arrays = dict[str, NDArray[Any]]


def network() -> Graph:
    """Return formulas whose operands lie as their results do, and in all other ways."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3, 8), dtype="float")
    flat = builder.apply("input", name="flat", shape=(BATCH, 24), dtype="float")
    odd = builder.apply("input", name="odd", shape=(BATCH, 4, 3), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int", below=8)
    bias = builder.apply("weight", name="bias", shape=(8,))
    each = builder.apply("weight", name="each", shape=(3, 8))
    row = x.sum((1, 2)).broadcast((BATCH, 3, 8))
    y = (x + bias.broadcast((BATCH, 3, 8))) * each.broadcast((BATCH, 3, 8)) + flat.reshape((BATCH, 3, 8))
    draws = builder.apply("uniform", shape=(BATCH, 3, 8), stream="u") * builder.apply(
        "gaussian", shape=(BATCH, 3, 8), stream="g"
    )
    builder.outputs = {
        "y": y + row,
        "drawn": y * draws,
        "turned": x.apply("transpose", axes=(0, 2, 1)) * 2.0 + odd.sum((2,)).broadcast(
            (BATCH, 4, 6)
        ).reshape((BATCH, 8, 3)),
        "cut": x.apply("slice", starts=(0, 0, 1), stops=(BATCH, 3, 8), steps=(1, 1, 2)) + 1.0,
        "odd": odd * 3.0 + odd.apply("exp"),
        "hot": label.apply("one_hot", classes=8) + x.sum((1,)).reshape((BATCH, 8)),
    }  # fmt: skip
    builder.updates = {
        "bias": bias * 0.5 + x.sum((0, 1)).reshape((8,)),
        "each": each - 0.1 * x.sum((0,)).reshape((3, 8)),
    }
    return builder.finish()


FIELDS: Arrays = {
    "x": RNG.normal(size=(ROWS, 3, 8)).astype(np.float32),
    "flat": RNG.normal(size=(ROWS, 24)).astype(np.float32),
    "odd": RNG.normal(size=(ROWS, 4, 3)).astype(np.float32),
    "label": RNG.integers(0, 8, ROWS),
}


def results(program: Program, fields: Arrays) -> Arrays:
    executable = DeviceExecutable(program, device_of_tests())
    for name in executable.names():
        shape = executable.read(name).shape
        executable.write(name, np.abs(np.random.default_rng(1).normal(size=shape)))
    executable.bind(fields)
    found = executable.run(np.random.default_rng(3).permutation(ROWS), 4, step=1, seed=7)
    return {**found, **{name: executable.read(name) for name in executable.names()}}


def both(graph: Graph, fields: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    legal = legalize(graph)
    one = lower_to_device(legal, "test", 4)
    monkeypatch.setattr("netdsl.lowering.cuda.points.MANY", 1)
    four = lower_to_device(legal, "test", 4)
    assert not any("ld4" in each.text for each in one.kernels.values() if each.name.startswith("points"))
    assert any("ld4" in each.text for each in four.kernels.values() if each.name.startswith("points"))
    expected = results(one, fields)
    for name, each in results(four, fields).items():
        np.testing.assert_array_equal(each, expected[name], err_msg=name)


def test_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    both(network(), FIELDS, monkeypatch)


def test_formulas_are_what_the_oracle_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.lowering.cuda.points.MANY", 1)
    compare_on_device(network(), FIELDS, ROWS, seed=7, step=1)


def test_steps_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = classifier(8, (12,), 4)
    rules = {name: adam(graph[index].shape) for name, index in graph.leaves("weight").items()}
    fields: Arrays = {
        "prepared/x": RNG.normal(size=(ROWS, 8)).astype(np.float32),
        "label": RNG.integers(0, 4, ROWS),
    }
    both(compile_experiment(experiment_of(graph, rules)).graphs["training"], fields, monkeypatch)
