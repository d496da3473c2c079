"""Products by cuBLASLt: calls that a double of its bindings accepts, and the bindings themselves."""

import os
from inspect import isfunction, signature
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.diagnostics import DiagnosticError
from netdsl.graph import BATCH, Precision
from netdsl.runtime.cuda import blas
from netdsl.runtime.cuda.blas import Blas, as_columns
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.product import PlacedMatrices, Product
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.cublas_double import Double
from tests.cuda.library_products import (
    CASES,
    RNG,
    ROWS,
    library_products,
    lowered,
    multiplied,
    product_of,
    some_product,
)
from tests.lowering.running import close, oracle


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("always")
def test_a_product_by_the_library_is_what_the_oracle_says(blas_device: SimulatedDevice, name: str) -> None:
    graph, fields = CASES[name]
    program = lowered(graph)
    assert len(library_products(program)) == 1
    executable = DeviceExecutable(program, blas_device)
    executable.bind(fields)
    found = executable.run(np.arange(ROWS), ROWS)["y"]
    expected = oracle(graph, {}, fields, ROWS)[0]["y"]
    close(found.reshape(expected.shape), expected, 1e-6, name)
    assert len(multiplied(blas_device)) == 1


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
    blas_device: SimulatedDevice, left: bool, right: bool, result: bool, count: int
) -> None:
    """Lines are longer than what they hold, and results may lie turned, which no graph asks for."""
    high, wide, deep = 3, 5, 4
    x, w = RNG.normal(size=(count, high, deep)), RNG.normal(size=(count, deep, wide))

    def put(values: NDArray[Any], turned: bool) -> PlacedMatrices:
        lies = values.swapaxes(1, 2) if turned else values
        room = np.zeros((count, lies.shape[1] + 1, lies.shape[2] + 2), np.float32)
        room[:, :-1, :-2] = lies
        address = blas_device.allocate(room.nbytes)
        blas_device.write(address, room)
        return PlacedMatrices(address, room.shape[2], turned, room[0].size, address + room.nbytes)

    y = put(np.full((count, high, wide), np.nan), result)
    workspace = blas_device.allocate(512)
    product = Product(high, wide, deep, count, put(x, left), put(w, right), y, "float32", workspace, 512)
    assert blas_device.library is not None
    blas_device.library.multiply(product, 7)
    lines, length = (wide, high) if result else (high, wide)
    found = np.zeros((count, lines + 1, length + 2), np.float32)
    blas_device.read(y.address, found)
    assert not found[:, -1].any()
    assert not found[:, :, -2:].any()
    inner = found[:, :-1, :-2]
    np.testing.assert_allclose(inner.swapaxes(1, 2) if result else inner, x @ w, atol=1e-5)
    assert multiplied(blas_device)[-1][-1] == 7


# ---- algorithms -----------------------------------------------------------------------------------------


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
    double.refuses, double.knows_none = False, True
    with pytest.raises(DiagnosticError, match="it knows no algorithm"):
        Blas(double).multiply(some_product(start), 0)


# ---- the library itself ---------------------------------------------------------------------------------


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
    for name, function in vars(Double).items():
        if isfunction(function) and name.startswith(("create", "destroy", "mat")):
            told = getattr(bindings, name).__doc__.partition("(")[2].partition(")")[0]
            parameters = [each for each in told.split(",") if each]
            assert len(parameters) == len(signature(function).parameters) - 1, name


def test_the_variable_keeps_products_with_our_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_version", lambda name: "13.1")
    assert os.environ.get(blas.VARIABLE) is None
    assert blas.library_name() == "cuBLASLt 13.1"
    monkeypatch.setenv(blas.VARIABLE, "off")
    assert blas.library_name() is None
    monkeypatch.setenv(blas.VARIABLE, "of")
    with pytest.raises(DiagnosticError, match="E0966"):
        blas.library_name()
