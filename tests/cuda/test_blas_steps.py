"""Programs whose products cuBLASLt makes: whole steps, in the captured graph, and on a device."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Precision
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from netdsl.program import Kernel
from netdsl.run.engine import Engine
from netdsl.run.manifest import manifest_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import parts_of
from netdsl.runtime.cuda import driver, steps
from netdsl.runtime.cuda.blas import Blas
from netdsl.runtime.cuda.device import Launch, Queue
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.product import Product
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.cublas_double import Double
from tests.cuda.library_products import (
    CASES,
    RNG,
    ROWS,
    Arrays,
    library_products,
    lowered,
    some_product,
)
from tests.cuda.model_steps import SCALARS, model_step
from tests.cuda.test_streaming import LATE, streamed
from tests.cuda.test_training import training_graph
from tests.lowering.running import oracle

LINE = """\
model net(x: [2]) = x -> dense(3000) -> relu -> dense(2) -> softmax

data moons {
    source = moons(n=40)
    split  = (train=100%)
}

train {
    loss      = cross_entropy
    optimizer = sgd(0.1)
    epochs    = 1
    batch     = 40000
}
"""


# ---- whole steps ----------------------------------------------------------------------------------------


def step_of(name: str, device: SimulatedDevice, *, by: bool) -> Arrays:
    step = model_step(name, ROWS)
    program = lowered(step.graph, by=by)
    assert bool(library_products(program)) == by
    executable = DeviceExecutable(program, device)
    for path in executable.names():
        executable.write(path, step.values[path].astype(np.float32))
    executable.bind(step.fields)
    found = dict(executable.run(np.arange(ROWS), ROWS, step=2, seed=3, scalars=SCALARS))
    found.update({path: executable.read(path) for path in executable.names()})
    executable.close()
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("name", ["digits_mlp", "lenet_digits", "addition_lstm"])
def test_a_step_with_the_library_is_that_of_our_kernels(blas_device: SimulatedDevice, name: str) -> None:
    with_library, own = step_of(name, blas_device, by=True), step_of(name, SimulatedDevice(), by=False)
    for path, expected in own.items():
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(with_library[path] / scale, expected / scale, atol=1e-6, err_msg=path)


@pytest.mark.usefixtures("always")
def test_products_of_one_phase_have_workspaces_of_their_own(blas_device: SimulatedDevice) -> None:
    graph, _ = CASES["plain"]
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    x, w = (values[index] for index in graph.leaves("input").values())
    y = x.apply("matmul", w, contract=((1, 0),), align=())
    z = x.apply("matmul", w * 2.0, contract=((1, 0),), align=())
    builder.outputs = {"y": y * 1.0, "z": z * 1.0}
    program = lowered(builder.finish())
    assert len({str(each.workspace) for each in library_products(program)}) == 2
    made = [step for step in program.steps() if not step.calls]
    assert [step.writes[-1].buffer.partition(" ")[0] for step in made] == ["workspace"] * 2
    assert max(step.bytes.value({"rows": ROWS}) for step in made) < 1000


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("late", LATE, ids=" ".join)
def test_steps_of_one_graph_have_the_bits_of_steps_one_by_one(
    late: tuple[Queue, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = lower_to_device(legalize(training_graph()), "test", 4, blas=True)
    assert len(library_products(program)) == 5
    found = []
    for most in (steps.MOST, 1):
        monkeypatch.setattr(steps, "MOST", most)
        device = SimulatedDevice(late=late)
        device.library = Blas(Double(device))
        found.append(streamed(program, device, [1, 4]))
    for name, each in found[1].items():
        np.testing.assert_array_equal(found[0][name], each, err_msg=name)


def test_the_manifest_names_the_library(blas_device: SimulatedDevice, tmp_path: Path) -> None:
    path = tmp_path / "line.net"
    path.write_text(LINE)
    opened = open_file(path, Options())
    with Engine(opened.experiment, 1, blas_device) as engine:
        record = manifest_of(opened, tmp_path, parts_of(opened.dataset), engine)["device"]
        training = engine.compiled.training
        assert engine.device_name == "a simulated device with a simulated library"
    assert record["blas"] == "a simulated library"
    assert len(library_products(training)) == 5


# ---- captured in a graph --------------------------------------------------------------------------------


class Capture:
    """A double of cuda-core's builder of graphs: what is put into the stream of each branch."""

    def __init__(self, log: list[tuple[str, int]], handle: int = 100) -> None:
        self.log, self.stream = log, SimpleNamespace(handle=handle)

    def begin_building(self) -> None:
        self.log.append(("begin", 0))

    def split(self, count: int) -> list["Capture"]:
        return [self, *(Capture(self.log, self.stream.handle + number) for number in range(1, count))]

    @staticmethod
    def join(*branches: "Capture") -> "Capture":
        branches[0].log.append(("join", len(branches)))
        return branches[0]

    def end_building(self) -> "Capture":
        return self

    def complete(self) -> str:
        return "graph"


def test_products_stand_in_the_captured_graph_in_their_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[str, int]] = []

    class Library:
        def multiply(self, product: Product, stream: int) -> None:
            log.append(("multiply", stream))

    def launch(branch: Capture, config: object, kernel: str, *arguments: np.int64) -> None:
        log.append((kernel, branch.stream.handle))

    core = SimpleNamespace(LaunchConfig=lambda **_: None, launch=launch)
    monkeypatch.setitem(sys.modules, "cuda.core", core)
    monkeypatch.setitem(sys.modules, "cuda.core.graph", SimpleNamespace(GraphBuilder=Capture))
    monkeypatch.setattr(driver, "opened", Library)
    device = object.__new__(driver.CudaDevice)
    device._device = SimpleNamespace(create_graph_builder=lambda: Capture(log))
    device._library, device._stream, device._kernels = None, None, {"advance": "advance"}
    advance = Launch(Kernel("advance"), (0,), (0,), 1)
    device.recorded([[some_product()], [some_product(), advance, some_product()], [advance]])
    assert log == [
        ("begin", 0),
        ("multiply", 100),
        ("multiply", 100),
        ("advance", 101),
        ("multiply", 102),
        ("join", 3),
        ("advance", 100),
    ]


# ---- on a device ----------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.usefixtures("always", "bindings", "toolchain")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("name", CASES)
def test_products_on_a_device(name: str, precision: Precision) -> None:
    """Factors that are whole numbers of a few bits are rounded by no precision."""
    from netdsl.runtime.cuda.driver import CudaDevice

    graph, fields = CASES[name]
    whole = {path: np.rint(4 * each) for path, each in fields.items()}
    executable = DeviceExecutable(lowered(graph, precision=precision), CudaDevice())
    executable.bind(whole)
    found = [executable.run(np.arange(ROWS), ROWS)["y"] for _ in range(2)]
    expected = oracle(graph, {}, whole, ROWS)[0]["y"]
    np.testing.assert_array_equal(found[0].reshape(expected.shape), expected)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.usefixtures("bindings", "toolchain")
def test_a_large_product_on_a_device_has_the_same_bits_again() -> None:
    from netdsl.runtime.cuda.driver import CudaDevice

    rows, builder = 512, Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 2000), dtype="float")
    w = builder.apply("weight", name="w", shape=(2000, 1000))
    builder.outputs = {"y": x.apply("matmul", w, contract=((1, 0),), align=()) * 1.0}
    graph = builder.finish()
    program = lowered(graph, rows)
    assert len(library_products(program)) == 1
    values, factor = RNG.normal(size=(rows, 2000)), RNG.normal(size=(2000, 1000))
    found = []
    for _ in range(2):
        executable = DeviceExecutable(program, CudaDevice())
        executable.write("w", factor.astype(np.float32))
        executable.bind({"x": values.astype(np.float32)})
        found.append(executable.run(np.arange(rows), rows)["y"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], values @ factor, atol=2e-3)
