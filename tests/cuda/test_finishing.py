"""Products whose kernels go on with each sum: the numbers of the CPU, and a launch less for each."""

import numpy as np
import pytest

from netdsl.graph import Builder, Graph, Precision
from netdsl.lowering.cuda.lower import Lowering, lower_to_device
from netdsl.operations import REGISTRY, product
from netdsl.passes.legalize import legalize
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.both_devices import compare_on_device
from tests.cuda.model_steps import model_step
from tests.lowering.running import oracle, start_of

ROWS = 5


def layers(*, twice: bool = False) -> Graph:
    """Make two dense layers; the product of the first may be read twice."""
    builder = Builder(REGISTRY)
    value = builder.apply("input", name="x", shape=(-1, 12), dtype="float")
    for number, units in enumerate((8, 6)):
        width = value.shape[-1]
        w = builder.apply("weight", name=f"w{number}", shape=(width, units))
        b = builder.apply("weight", name=f"b{number}", shape=(units,))
        rate = builder.apply("scalar", name="epoch")
        made = product(value, w, ((1, 0),))
        value = (made + b) * rate
        value = value.apply("maximum", builder.constant(0.0).broadcast(value.shape))
        if twice:
            builder.outputs[f"sum{number}"] = made.sum((1,)).reshape((-1,))
    builder.outputs["y"] = value
    return builder.finish()


def launches(graph: Graph, precision: Precision = "float32") -> int:
    return len(lower_to_device(legalize(graph), "test", 128, precision).steps())


def test_an_offset_and_an_activation_go_with_their_product() -> None:
    graph = layers()
    shop = Lowering(legalize(graph), 128, "float32")
    assert len(shop.plan.finished) == 2
    assert not shop.plan.stored & set(shop.plan.finished.values())
    # The rows, two products, the copy to the result, and the next batch.
    assert launches(graph) == 5
    assert launches(layers(twice=True)) == 7


@pytest.mark.parametrize("twice", [False, True])
def test_the_numbers_are_those_of_the_oracle(twice: bool) -> None:
    rng = np.random.default_rng(0)
    fields = {"x": rng.normal(size=(ROWS, 12)).astype(np.float32)}
    compare_on_device(layers(twice=twice), fields, ROWS, scalars={"epoch": 3.0})


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_so_they_are_where_factors_are_rounded(precision: Precision) -> None:
    rng, graph = np.random.default_rng(0), layers()
    kept = {name: np.round(8 * each) / 8 for name, each in start_of(graph, rng).items()}
    fields = {"x": rng.integers(-8, 8, (ROWS, 12)).astype(np.float32)}
    program = lower_to_device(legalize(graph), "test", 128, precision)
    executable = DeviceExecutable(program, SimulatedDevice())
    for name in executable.names():
        executable.write(name, kept[name])
    executable.bind(fields)
    found = executable.run(np.arange(ROWS), ROWS, scalars={"epoch": 1.0})["y"]
    executable.close()
    wanted = oracle(graph, kept, fields, ROWS, scalars={"epoch": 1.0})[0]["y"]
    np.testing.assert_allclose(found, wanted, atol=0.02 * np.abs(wanted).max())


@pytest.mark.slow
def test_models_have_such_products() -> None:
    assert len(Lowering(legalize(model_step("lenet_digits", ROWS).graph), 32, "float32").plan.finished) > 0
