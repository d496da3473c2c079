"""Products and convolutions of the precision that a train block asks for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Builder, Graph, Origin, Precision, Run
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.lowering.cuda.plan import LIBRARY
from netdsl.operations import REGISTRY, product
from netdsl.passes.legalize import legalize
from netdsl.passes.scan_stage import stage_scans
from netdsl.run.engine import Engine
from netdsl.run.manifest import manifest_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.precision import precision_notes
from netdsl.run.training import job_of, parts_of
from netdsl.runtime.cuda.device import Device
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.simulated import SimulatedDevice
from netdsl.training.loop import train
from netdsl.training.progress import reporter_for
from netdsl.training.signals import Signals
from tests.cuda.model_steps import SCALARS, ModelStep, model_step
from tests.cuda.on_device import device_of_tests

MOONS = """\
data moons {
    source = moons(n=40)
    split  = (train=80%, valid=20%)
}

model net(x: [2]) = x -> dense(6) -> tanh -> dense(2) -> softmax

train {
    loss      = cross_entropy
    optimizer = adam(0.01)
    precision = bf16
    epochs    = 1
}
"""


def engine_of(folder: Path, device: str | Device, text: str = MOONS) -> Engine:
    path = folder / "moons.net"
    path.write_text(text)
    return Engine(open_file(path, Options()).experiment, 1, device)


@pytest.mark.parametrize(("device", "used"), [("cpu", "float32"), ("cuda", "bf16")])
def test_the_manifest_tells_the_precision_that_is_used(tmp_path: Path, device: str, used: str) -> None:
    with engine_of(tmp_path, "cpu" if device == "cpu" else SimulatedDevice()) as engine:
        opened = open_file(tmp_path / "moons.net", Options())
        manifest = manifest_of(opened, tmp_path, parts_of(opened.dataset), engine)
    assert manifest["precision"] == used


def test_the_cpu_says_that_products_stay_as_they_are(tmp_path: Path) -> None:
    with engine_of(tmp_path, "cpu") as engine:
        (note,) = precision_notes(engine, None)
    assert (note.code, note.is_error) == ("W0605", False)
    assert note.primary is not None
    assert note.primary.span.text == "bf16"
    with engine_of(tmp_path, "cpu", MOONS.replace("= bf16", "= bf16  # allow W0605")) as engine:
        assert precision_notes(engine, None) == ()
    with engine_of(tmp_path, "cpu", MOONS.replace("bf16", "float32")) as engine:
        assert precision_notes(engine, None) == ()


def test_a_run_that_goes_on_tells_where_its_precision_changes(tmp_path: Path) -> None:
    with engine_of(tmp_path, SimulatedDevice()) as engine:
        assert precision_notes(engine, None) == precision_notes(engine, "bf16") == ()
        (note,) = precision_notes(engine, "float32")
    assert note.message == "factors of products are in bf16 from here on"
    with engine_of(tmp_path, "cpu") as engine:
        (note,) = precision_notes(engine, "bf16")
    assert note.notes == ("the run began with factors of products in bf16",)


# ---- steps of whole models ------------------------------------------------------------------------------

ROWS = 3
Arrays = dict[str, NDArray[Any]]


def rounded(values: NDArray[Any], precision: Precision) -> NDArray[Any]:
    """Round numbers as matrix units take them: ties to even in bf16, away from 0 in tf32."""
    bits: NDArray[Any] = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    match precision:
        case "bf16":
            bits = bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000
        case "tf32":
            bits = bits + 0x1000 & 0xFFFFE000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def expected(step: ModelStep, precision: Precision) -> Arrays:
    """Work a step out in float64, but for the factors of products; depthwise ones are not rounded."""
    graph = step.graph
    leaves: dict[tuple[str, str], NDArray[Any]] = {}
    for name, index in graph.leaves("input").items():
        number = np.int64 if graph[index].dtype == "int" else np.float64
        leaves["input", name] = step.fields[name].astype(np.float32).astype(number)
    for kind in ("weight", "state"):
        for name in graph.leaves(kind):
            leaves[kind, name] = step.values[name].astype(np.float32).astype(np.float64)
    run = Run(ROWS, 3, 2, SCALARS, leaves)
    values: dict[int, NDArray[Any]] = {}
    for index in graph:
        node, operands = graph[index], [values[each] for each in graph.operands(index)]
        if node.operation.name in LIBRARY and node.setting("groups", 1) == 1:
            operands = [rounded(each, precision) for each in operands]
        values[index] = np.asarray(node.operation.evaluate(node, run, *operands))
    return {name: values[index] for name, index in {**graph.outputs, **graph.updates}.items()}


def on_device(step: ModelStep, precision: Precision) -> Arrays:
    program = lower_to_device(legalize(step.graph), "training", 128, precision)
    executable = DeviceExecutable(program, device_of_tests())
    for name in executable.names():
        executable.write(name, step.values[name].astype(np.float32))
    executable.bind(step.fields)
    found = dict(executable.run(np.arange(ROWS), ROWS, step=2, seed=3, scalars=SCALARS))
    found.update({name: executable.read(name) for name in executable.names()})
    executable.close()
    return found


def differences(found: Arrays, wanted: Arrays) -> dict[str, NDArray[Any]]:
    """Return how far numbers lie apart, as a share of the largest of each kind."""
    return {
        name: np.abs(found[name].reshape(each.shape) - each) / max(1e-30, float(np.abs(each).max()))
        for name, each in wanted.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("name", ["digits_mlp", "lenet_digits", "separable_digits"])
def test_a_step_is_that_of_rounded_factors(name: str, precision: Precision) -> None:
    step = model_step(name, ROWS)
    found = on_device(step, precision)
    right, plain = (differences(found, expected(step, each)) for each in (precision, "float32"))
    # What float32 and float64 put on two sides of a border is rounded to neighbors: a few may differ.
    for path, each in right.items():
        assert np.quantile(each, 0.9) < 1e-6, path
        assert each.max() < 1e-2, path
    most = max(float(np.quantile(each, 0.9)) for each in plain.values())
    assert most > 1e-5


DIGITS = """\
data digits {
    source = digits()
    scale  = divide(16)
    split  = (train=96, valid=48)
}

model net(image: [8, 8, 1]) = image -> flatten -> dense(16) -> relu -> dense(10) -> softmax

train {
    loss      = cross_entropy
    optimizer = adam(0.02)
    precision = bf16
    batch     = 32
    epochs    = 6
    metrics   = [accuracy]
}
"""


@pytest.mark.slow
def test_digits_are_learned_in_bf16_as_in_float32(tmp_path: Path) -> None:
    path = tmp_path / "digits.net"
    path.write_text(DIGITS)
    found = {}
    for name, device in (("float32", "cpu"), ("bf16", SimulatedDevice())):
        opened = open_file(path, Options())
        with Engine(opened.experiment, 1, device) as engine, Signals() as signals:
            job = job_of(opened, engine, parts_of(opened.dataset))
            found[name] = train(job, reporter=reporter_for("quiet"), signals=signals).parts
    plain, less = found["float32"], found["bf16"]
    for part in ("train", "valid"):
        assert less[part]["loss"] == pytest.approx(plain[part]["loss"], abs=0.02)
        assert less[part]["loss"] != pytest.approx(plain[part]["loss"], rel=1e-5)
        assert less[part]["accuracy"] == pytest.approx(plain[part]["accuracy"], abs=0.1)


def product_kernels(graph: Graph, precision: Precision) -> list[str]:
    program = lower_to_device(legalize(stage_scans(graph)), "training", 128, precision)
    return [each.rpartition("_")[0] for each in program.kernels if each.startswith("product")]


@pytest.mark.slow
def test_products_of_a_scan_are_rounded_too() -> None:
    graph = model_step("addition_lstm", ROWS).graph
    assert len(product_kernels(graph, "float32")) == len(product_kernels(graph, "bf16")) > 3
    assert set(product_kernels(graph, "bf16")) == {"product_bf16"}


def test_products_of_an_optimizer_are_not_rounded() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(-1, 8), dtype="float")
    w = builder.apply("weight", name="w", shape=(8, 8))
    builder.outputs["y"] = product(x, w, ((1, 0),))
    with builder.within(Origin(of="update")):
        builder.updates["w"] = product(w, w, ((1, 0),))
    assert sorted(product_kernels(builder.finish(), "tf32")) == ["product", "product_tf32"]
