"""Products of the CUDA target against NumPy, in a simulator."""

import os

import numpy as np
import pytest

from netdsl.kernels.cuda.products import matrix_product, merged, product
from netdsl.kernels.cuda.tiling import TINY, Tile
from netdsl.program import ROWS
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.on_device import run_on
from tests.cuda.running import numbers, run

BROAD = Tile(64, 64, 8, 8)
"""What a thread does in the largest tile, with fewer threads."""


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("shape", [(20, 36, 40), (33, 10, 17), (5, 64, 24), (1, 1, 1)])
@pytest.mark.parametrize("splits", [1, 3])
def test_a_product_of_matrices(shape: tuple[int, int, int], turned: tuple[bool, bool], splits: int) -> None:
    rng = np.random.default_rng(sum(shape))
    height, width, deep = shape
    x, w = numbers(rng, height, deep), numbers(rng, deep, width)
    work = matrix_product(height, width, deep, 1, turned=turned, tile=TINY, splits=splits)
    laid = {"x": x.T if turned[0] else x, "w": w.T if turned[1] else w}
    got = run(work, height * width, laid).reshape(height, width)
    np.testing.assert_allclose(got, x.astype(np.float64) @ w, atol=1e-4)


@pytest.mark.parametrize("tile", [BROAD, TINY], ids=str)
def test_rows_of_a_batch_and_a_tile_of_eight_by_eight(tile: Tile) -> None:
    rng = np.random.default_rng(0)
    for rows in (1, 7, 45):
        x, w = numbers(rng, rows, 20), numbers(rng, 20, 70)
        got = run(matrix_product(ROWS, 70, 20, 64, tile=tile, splits=1), rows * 70, {"x": x, "w": w}, rows)
        np.testing.assert_allclose(got.reshape(rows, 70), x.astype(np.float64) @ w, atol=1e-4)


@pytest.mark.parametrize("splits", [1, 2])
def test_the_gradient_of_a_weight_sums_over_rows(splits: int) -> None:
    rng = np.random.default_rng(1)
    rows = 19
    x, dy = numbers(rng, rows, 12), numbers(rng, rows, 20)
    work = product(
        (), ((12, 1, 0, 20),), ((20, 0, 1, 1),), ((ROWS, 12, 20, 0),), 64, tile=TINY, splits=splits
    )
    got = run(work, 240, {"x": x, "w": dy}, rows).reshape(12, 20)
    np.testing.assert_allclose(got, x.astype(np.float64).T @ dy, atol=1e-4)


def test_heads_of_an_attention_are_a_batch_of_strided_products() -> None:
    rng = np.random.default_rng(2)
    rows, heads, places, width = 2, 3, 5, 8
    x, w = numbers(rng, rows, places, heads, width), numbers(rng, rows, places, heads, width)
    row, place = places * heads * width, heads * width
    work = product(
        ((ROWS, row, row, heads * places * places), (heads, width, width, places * places)),
        ((places, place, 0, places),),
        ((places, 0, place, 1),),
        ((width, 1, 1, 0),),
        2,
    )
    got = run(work, rows * heads * places * places, {"x": x, "w": w}, rows)
    expected = np.einsum("rphd,rqhd->rhpq", x.astype(np.float64), w)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-4)


def test_a_sum_is_finished_before_it_is_stored() -> None:
    rng = np.random.default_rng(3)
    x, w, b = numbers(rng, 6, 9), numbers(rng, 9, 8), numbers(rng, 8)
    for splits in (1, 2):
        work = product(
            (),
            ((6, 9, 0, 8),),
            ((8, 0, 1, 1),),
            ((9, 1, 8, 0),),
            1,
            finish=("v = max(v + b[at % 8], f32(0.0))",),
            finish_parameters=(("b", "float"),),
            tile=TINY,
            splits=splits,
        )
        got = run(work, 48, {"x": x, "w": w, "b": b}).reshape(6, 8)
        np.testing.assert_allclose(got, np.maximum(x.astype(np.float64) @ w + b, 0), atol=1e-4)


def test_the_same_bits_each_time_and_operands_at_an_offset() -> None:
    rng = np.random.default_rng(4)
    x, w = numbers(rng, 100), numbers(rng, 100)
    work = product((), ((4, 8, 0, 4),), ((4, 0, 1, 1),), ((8, 1, 4, 0),), 1, offsets=(3, 8, 16), tile=TINY)
    got = [run(work, 32, {"x": x, "w": w}) for _ in range(2)]
    np.testing.assert_array_equal(got[0], got[1])
    expected = x[3:35].reshape(4, 8).astype(np.float64) @ w[8:40].reshape(8, 4)
    np.testing.assert_allclose(got[0][16:].reshape(4, 4), expected, atol=1e-4)
    assert np.isnan(got[0][:16]).all()


def test_axes_that_lie_side_by_side_are_one() -> None:
    assert merged([(ROWS, 60, 0, 30), (3, 20, 0, 10), (2, 10, 0, 5)]) == [(ROWS * 6, 10, 0, 5)]
    assert merged([(4, 60, 0, 30), (3, 10, 0, 10)]) == [(4, 60, 0, 30), (3, 10, 0, 10)]


@pytest.mark.skipif(os.environ.get("NETDSL_TEST_CUDA") == "simulator", reason="its own simulator")
def test_work_runs_by_the_interface_of_devices() -> None:
    """As `NETDSL_TEST_CUDA=device` runs all of it, here on the simulated device of the same interface."""
    rng, device = np.random.default_rng(5), SimulatedDevice()
    x, w = numbers(rng, 9, 12), numbers(rng, 12, 8)
    arrays = {"x": x.ravel(), "w": w.ravel(), "result": np.zeros(72, np.float32)}
    work = matrix_product(ROWS, 8, 12, 9, tile=TINY, splits=2)
    arrays["scratch"] = np.zeros(2 * 72, np.float32)
    for kernel in work.kernels:
        run_on(device, kernel, arrays, 9)
    np.testing.assert_allclose(arrays["result"].reshape(9, 8), x.astype(np.float64) @ w, atol=1e-4)
    device.close()
