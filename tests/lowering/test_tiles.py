"""Products by tile registers in whole programs, on machines that have them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import BATCH, Builder
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from netdsl.program import Program, Target
from netdsl.runtime import Executable
from tests.compiling import adam, classifier, experiment_of
from tests.kernels.cpu.bench import LEVELS
from tests.lowering.running import compare, start_of

pytestmark = pytest.mark.skipif("amx" not in LEVELS, reason="this machine has no tile registers")

INPUTS = 70


def training(tiles: bool, hidden: tuple[int, ...] = (150, 64)) -> Program:
    """Return a training program of dense layers of which all but the last are large."""
    graph = classifier(INPUTS, hidden)
    rules = {path: adam(graph[index].shape) for path, index in graph.leaves("weight").items()}
    return compile_experiment(experiment_of(graph, rules), Target(check=True, tiles=tiles)).training


def trained(program: Program, rows: int, threads: int, steps: int = 3) -> dict[str, NDArray[Any]]:
    """Return weights after some steps."""
    random = np.random.default_rng(0)
    executable = Executable(program, threads, guard=16)
    for name in executable.names():
        shape = executable.read(name).shape
        start = random.normal(size=shape) * shape[0] ** -0.5 if name.endswith("/w") else np.zeros(shape)
        executable.write(name, start.astype(np.float32))
    many = rows * steps
    executable.bind(
        {
            "prepared/x": random.normal(size=(many, INPUTS)).astype(np.float32),
            "label": random.integers(0, 10, many).astype(np.int32),
        }
    )
    executable.run(np.arange(many), rows, seed=1)
    assert executable.intruded() == ()
    return {name: executable.read(name) for name in executable.names()}


@pytest.mark.parametrize("rows", [32, 50, 64])
def test_bits_do_not_depend_on_threads(rows: int) -> None:
    program = training(tiles=True)
    one = trained(program, rows, 1)
    for threads in (2, 3, 8):
        for name, value in trained(program, rows, threads).items():
            np.testing.assert_array_equal(value, one[name], f"{name} with {threads} threads")


def test_steps_are_those_of_vectors() -> None:
    for name, value in trained(training(tiles=True), 48, 1).items():
        np.testing.assert_allclose(
            value, trained(training(tiles=False), 48, 1)[name], rtol=1e-3, atol=1e-4, err_msg=name
        )


def test_few_rows_have_the_bits_of_vectors() -> None:
    tiled, plain = (trained(training(tiles=each), 31, 2) for each in (True, False))
    for name, value in tiled.items():
        np.testing.assert_array_equal(value, plain[name], name)


def test_kernels_of_tiles_make_large_products_alone() -> None:
    kernels = training(tiles=True).kernels
    assert {"product_of_parts", "back_of_parts", "gradient_of_parts"} <= set(kernels)
    small = training(tiles=True, hidden=(16,)).kernels
    assert not [name for name in small if name.endswith("_of_parts") or name.startswith("split")]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("places", [16, 21])
def test_products_of_examples_with_places(places: int, rows: int, threads: int) -> None:
    """There and back: weights are split once, and the rows of a piece by the call that reads them."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, places, 40), dtype="float")
    w, v = (builder.apply("weight", name=name, shape=(40, 50)) for name in "wv")
    there = x.apply("matmul", w, contract=((2, 0),), align=()).apply("tanh")
    builder.outputs["back"] = there.apply("matmul", v, contract=((2, 1),), align=())
    fields = {"x": np.random.default_rng(rows).normal(size=(rows, places, 40)).astype(np.float32)}
    made = compare(builder.finish(), fields, rows, threads=threads, target=Target(tiles=True))
    kernel = "split_back" if places % 16 == 0 else "back_of_parts"
    assert {"product_of_turns", kernel} <= set(made.program.kernels)
    assert made.intruded() == ()


@pytest.mark.parametrize("places", [(7, 40), (40, 7), (3, 16)])
@pytest.mark.parametrize("rows", [1, 2, 5, 9])
def test_a_weight_for_examples_of_two_lengths(places: tuple[int, int], rows: int) -> None:
    """Of few examples the long ones have rows enough for tiles, and the short ones have not."""
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=(40, 50))
    random = np.random.default_rng(rows)
    fields = {}
    for name, many in zip("xy", places, strict=True):
        x = builder.apply("input", name=name, shape=(BATCH, many, 40), dtype="float")
        builder.outputs[f"of {name}"] = x.apply("matmul", w, contract=((2, 0),), align=())
        fields[name] = random.normal(size=(rows, many, 40)).astype(np.float32)
    compare(builder.finish(), fields, rows, target=Target(tiles=True)).close()


@pytest.mark.parametrize("flat_first", [False, True])
@pytest.mark.parametrize("rows", [5, 33])
def test_a_value_that_is_read_as_two_matrices(rows: int, flat_first: bool) -> None:
    """A flat example and its places are the same memory, but not the same parts."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 192), dtype="float")
    w, v = (builder.apply("weight", name=name, shape=(n, 40)) for name, n in (("w", 192), ("v", 48)))
    y = x.apply("matmul", w, contract=((1, 0),), align=()).apply("tanh")
    z = x.reshape((BATCH, 4, 48)).apply("matmul", v, contract=((2, 0),), align=()).apply("tanh")
    terms = [(y * y).sum((0, 1)).reshape(()), (z * z).sum((0, 1, 2)).reshape(())]
    first, second = terms if flat_first else terms[::-1]
    builder.outputs["objective"] = first + second
    gradients = differentiate(simplify(builder.finish()), "objective", ["w", "v"])
    graph = simplify(gradients, differentiated=True)
    kept = {name: 0.1 * value for name, value in start_of(graph, np.random.default_rng(3)).items()}
    fields = {"x": np.random.default_rng(rows).normal(size=(rows, 192)).astype(np.float32)}
    made = compare(graph, fields, rows, kept=kept, threads=2, target=Target(tiles=True))
    assert "gradient_of_parts" in made.program.kernels
    assert made.intruded() == ()
    made.close()


@pytest.mark.parametrize("rows", [2, 33])
def test_a_weight_before_and_after_its_update(rows: int) -> None:
    """The new value lies where the old one was, and is split anew."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 16, 64), dtype="float")
    old = builder.apply("weight", name="w", shape=(64, 64))
    new = old * 0.9 + 0.01
    for name, w in (("before", old), ("after", new)):
        builder.outputs[name] = x.apply("matmul", w, contract=((2, 0),), align=())
    builder.updates["w"] = new
    fields = {"x": np.random.default_rng(rows).normal(size=(rows, 16, 64)).astype(np.float32)}
    made = compare(builder.finish(), fields, rows, threads=2, target=Target(tiles=True))
    assert "product_of_turns" in made.program.kernels
    made.close()
