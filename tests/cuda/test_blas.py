"""Products by cuBLASLt: calls that a double of its bindings accepts, and what programs compute with it."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.diagnostics import DiagnosticError
from netdsl.graph import BATCH, Builder, Graph, Precision
from netdsl.lowering.cuda import blas as choice
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from netdsl.passes.scan_stage import stage_scans
from netdsl.program import LibraryProduct, Program
from netdsl.run.engine import Engine
from netdsl.run.manifest import manifest_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import parts_of
from netdsl.runtime.cuda import blas, steps
from netdsl.runtime.cuda.blas import Blas, as_columns
from netdsl.runtime.cuda.device import Queue
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.product import PlacedMatrices, Product
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.cublas_double import Double
from tests.cuda.model_steps import SCALARS, model_step
from tests.cuda.test_streaming import LATE, streamed
from tests.cuda.test_training import training_graph
from tests.lowering.running import close, oracle

Arrays = dict[str, NDArray[Any]]

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
RNG = np.random.default_rng(4)
ROWS = 3


@pytest.fixture
def device() -> SimulatedDevice:
    """A simulated device with a library."""
    device = SimulatedDevice()
    device.library = Blas(Double(device))
    return device


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every product be worth the library."""
    for precision in choice.WORTH:
        monkeypatch.setitem(choice.WORTH, precision, 0.0)


def multiplied(device: SimulatedDevice) -> list[tuple[Any, ...]]:
    """Return what the double has multiplied: by which kind of sums, the shape, the terms, the stream."""
    assert device.library is not None
    found: list[tuple[Any, ...]] = device.library.bindings.multiplied
    return found


def lowered(graph: Graph, rows: int = ROWS, precision: Precision = "float32", *, by: bool = True) -> Program:
    return lower_to_device(legalize(stage_scans(graph)), "test", rows, precision, blas=by)


def library_products(program: Program) -> list[LibraryProduct]:
    return [step.work for step in program.steps() if isinstance(step.work, LibraryProduct)]


# ---- single products ------------------------------------------------------------------------------------


def product_of(shapes: tuple[Any, Any], **settings: Any) -> tuple[Graph, Arrays]:
    """Make the product of an input and of another, or of a weight where that has no batch axis."""
    builder = Builder(REGISTRY)
    fields: Arrays = {}
    values = []
    for name, shape in zip("xw", shapes, strict=True):
        values.append(builder.apply("input", name=name, shape=shape, dtype="float"))
        fields[name] = RNG.normal(size=[ROWS if each < 0 else each for each in shape]).astype(np.float32)
    turned = settings.pop("turned", ())
    operands = [
        each.apply("transpose", axes=axes) if axes else each
        for each, axes in zip(values, turned or (None, None), strict=True)
    ]
    y = operands[0].apply("matmul", operands[1], **settings)
    builder.outputs = {"y": y * 1.0}
    return builder.finish(), fields


CASES = {
    "plain": product_of(((BATCH, 5), (5, 7)), contract=((1, 0),), align=()),
    "right turned": product_of(((BATCH, 5), (7, 5)), contract=((1, 1),), align=()),
    "left turned": product_of(((BATCH, 5), (BATCH, 7)), contract=((0, 0),), align=()),
    "both turned": product_of(((4, 5), (7, 4)), contract=((0, 1),), align=()),
    "places": product_of(((BATCH, 4, 5), (5, 7)), contract=((2, 0),), align=()),
    "batched": product_of(((BATCH, 4, 5), (BATCH, 5, 7)), contract=((2, 1),), align=((0, 0),)),
    "batched, right turned": product_of(
        ((BATCH, 4, 5), (BATCH, 7, 5)), contract=((2, 2),), align=((0, 0),)
    ),
    "batched, left turned": product_of(
        ((BATCH, 5, 4), (BATCH, 5, 7)), contract=((1, 1),), align=((0, 0),)
    ),
    "a row": product_of(((1, 5), (5, 7)), contract=((1, 0),), align=()),
    "a column": product_of(((BATCH, 5), (5, 1)), contract=((1, 0),), align=()),
    "one term": product_of(((BATCH, 1), (1, 7)), contract=((1, 0),), align=()),
    "two axes": product_of(((BATCH, 4, 5), (4, 5, 7)), contract=((1, 0), (2, 1)), align=()),
    "a transpose of its own": product_of(
        ((6, 5), (7, 6)), contract=((1, 0),), align=(), turned=((1, 0), (1, 0))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("always")
def test_a_product_by_the_library_is_what_the_oracle_says(device: SimulatedDevice, name: str) -> None:
    graph, fields = CASES[name]
    program = lowered(graph)
    assert len(library_products(program)) == 1
    executable = DeviceExecutable(program, device)
    executable.bind(fields)
    found = executable.run(np.arange(ROWS), ROWS)["y"]
    expected = oracle(graph, {}, fields, ROWS)[0]["y"]
    close(found.reshape(expected.shape), expected, 1e-6, name)
    assert len(multiplied(device)) == 1


def test_matrices_of_no_single_stride_stay_with_our_kernel(always: None) -> None:
    graph, _ = product_of(((BATCH, 4, 3, 5), (BATCH, 7, 3, 5)), contract=((3, 3),), align=((0, 0), (2, 2)))
    assert not library_products(lowered(graph))


def test_only_what_is_worth_it_goes_to_the_library() -> None:
    def by_library(width: int, precision: Precision = "float32", *, installed: bool = True) -> int:
        graph, _ = product_of(((BATCH, 1000), (1000, width)), contract=((1, 0),), align=())
        return len(library_products(lowered(graph, 128, precision, by=installed)))

    assert by_library(2000) == 1
    assert by_library(1000) == 0
    assert by_library(2000, "bf16") == 0
    assert by_library(4000, "bf16") == 1
    assert by_library(4000, installed=False) == 0


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("result", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_all_ways_in_which_matrices_lie(
    device: SimulatedDevice, left: bool, right: bool, result: bool, count: int
) -> None:
    """Lines are longer than what they hold, and results may lie turned, which no graph asks for."""
    high, wide, deep = 3, 5, 4
    x, w = RNG.normal(size=(count, high, deep)), RNG.normal(size=(count, deep, wide))

    def put(values: NDArray[Any], turned: bool) -> PlacedMatrices:
        lies = values.swapaxes(1, 2) if turned else values
        room = np.zeros((count, lies.shape[1] + 1, lies.shape[2] + 2), np.float32)
        room[:, :-1, :-2] = lies
        address = device.allocate(room.nbytes)
        device.write(address, room)
        return PlacedMatrices(address, room.shape[2], turned, room[0].size, address + room.nbytes)

    y = put(np.full((count, high, wide), np.nan), result)
    workspace = device.allocate(512)
    product = Product(high, wide, deep, count, put(x, left), put(w, right), y, "float32", workspace, 512)
    assert device.library is not None
    device.library.multiply(product, 7)
    lines, length = (wide, high) if result else (high, wide)
    found = np.zeros((count, lines + 1, length + 2), np.float32)
    device.read(y.address, found)
    assert not found[:, -1].any()
    assert not found[:, :, -2:].any()
    inner = found[:, :-1, :-2]
    np.testing.assert_allclose(inner.swapaxes(1, 2) if result else inner, x @ w, atol=1e-5)
    assert multiplied(device)[-1][-1] == 7


# ---- algorithms -----------------------------------------------------------------------------------------


def some_product(start: int = 1 << 32, precision: Precision = "float32") -> Product:
    a, b, c = (PlacedMatrices(start + 256 * each, 4, False, 0, start + 4096) for each in range(3))
    return Product(4, 4, 4, 1, a, b, c, precision, start + 1024, 1024)


def test_an_algorithm_is_asked_for_once_for_each_shape_and_alignment() -> None:
    device = SimulatedDevice()
    start = device.allocate(4096)
    double = Double(device)
    library = Blas(double)
    for offset in (0, 0, 256):
        library.multiply(some_product(start + offset), 0)
    assert len(double.algorithms) == 1
    shape, _ = as_columns(some_product(start + 16))
    assert shape.a.alignment == 16
    library.multiply(some_product(start, "bf16"), 0)
    library.multiply(some_product(start, "tf32"), 0)
    assert [each[0] for each in double.multiplied] == [68, 68, 68, 75, 77]
    assert len(double.algorithms) == 3
    library.close()
    assert not double.things


def test_what_the_library_refuses_is_told() -> None:
    device = SimulatedDevice()
    start = device.allocate(4096)
    double = Double(device)
    double.refuses = True
    with pytest.raises(DiagnosticError) as told:
        Blas(double).multiply(some_product(start), 0)
    (found,) = told.value.diagnostics
    assert found.code == "E0965"
    assert found.message == "cuBLASLt cannot multiply 4 x 4 by 4 x 4: NOT_SUPPORTED (15)"


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
def test_a_step_with_the_library_is_that_of_our_kernels(device: SimulatedDevice, name: str) -> None:
    with_library, own = step_of(name, device, by=True), step_of(name, SimulatedDevice(), by=False)
    for path, expected in own.items():
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(with_library[path] / scale, expected / scale, atol=1e-6, err_msg=path)


@pytest.mark.usefixtures("always")
def test_products_of_one_phase_have_workspaces_of_their_own(device: SimulatedDevice) -> None:
    graph, _ = CASES["plain"]
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    x, w = (values[index] for index in graph.leaves("input").values())
    y = x.apply("matmul", w, contract=((1, 0),), align=())
    z = x.apply("matmul", w * 2.0, contract=((1, 0),), align=())
    builder.outputs = {"y": y * 1.0, "z": z * 1.0}
    products = library_products(lowered(builder.finish()))
    assert len({str(each.workspace) for each in products}) == 2


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


def test_the_manifest_names_the_library(device: SimulatedDevice, tmp_path: Path) -> None:
    path = tmp_path / "line.net"
    path.write_text(LINE)
    opened = open_file(path, Options())
    with Engine(opened.experiment, 1, device) as engine:
        record = manifest_of(opened, tmp_path, parts_of(opened.dataset), engine)["device"]
        training = engine.compiled.training
    assert record["blas"] == "a simulated library"
    assert len(library_products(training)) == 5


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


# ---- the library itself ---------------------------------------------------------------------------------


@pytest.fixture
def bindings() -> Any:
    """The bindings, where the extra is installed."""
    if find_spec("nvmath") is None:
        pytest.skip("the extra [cuda-blas] is not installed")
    from nvmath.bindings import cublasLt

    return cublasLt


def test_the_bindings_have_what_is_called_by_these_numbers(bindings: Any) -> None:
    from nvmath.bindings import cublas

    kinds = cublas.ComputeType
    named = kinds.COMPUTE_32F, kinds.COMPUTE_32F_FAST_TF32, kinds.COMPUTE_32F_FAST_16BF
    assert tuple(blas.COMPUTE.values()) == tuple(map(int, named))
    assert (int(cublas.Operation.N), int(cublas.Operation.T)) == (0, 1)
    assert bindings.matmul_heuristic_result_dtype == Double.matmul_heuristic_result_dtype
    for kind in (
        "MatmulDescAttribute",
        "MatrixLayoutAttribute",
        "MatmulPreferenceAttribute",
        "ReductionScheme",
    ):
        for each in getattr(Double, kind):
            assert getattr(bindings, kind)[each.name] == int(each)
    functions = [name for name in vars(Double) if name.startswith(("matmul", "matrix", "create", "destroy"))]
    assert all(hasattr(bindings, name) for name in functions)


def test_the_variable_keeps_products_with_our_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_version", lambda name: "13.1")
    assert os.environ.get(blas.VARIABLE) is None
    assert blas.library_name() == "cuBLASLt 13.1"
    monkeypatch.setenv(blas.VARIABLE, "off")
    assert blas.library_name() is None
    monkeypatch.setenv(blas.VARIABLE, "of")
    with pytest.raises(DiagnosticError, match="E0966"):
        blas.library_name()
