"""Products and convolutions of factors that are rounded to tf32 and bf16, by matrix units, in a simulator."""

import os
from collections.abc import Callable
from math import prod

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Precision
from netdsl.kernels.cuda.convolution import Geometry, convolve, convolve_input, convolve_kernel
from netdsl.kernels.cuda.kernel import Work, make
from netdsl.kernels.cuda.matrix_units import multiplied, to_bf16, to_tf32
from netdsl.kernels.cuda.products import matrix_product, product
from netdsl.kernels.cuda.simulation import simulate
from netdsl.kernels.cuda.tiling import WARP_TILES, WarpTile
from netdsl.program import ROWS
from tests.cuda.running import Floats, numbers, oracle, run
from tests.cuda.test_convolutions import CASES, ROWS_OF_TEST, case_name, graph_of

ROUNDED: dict[Precision, Callable[[Floats], Floats]] = {"tf32": to_tf32, "bf16": to_bf16}
TINY = {precision: tiles[-1] for precision, tiles in WARP_TILES.items()}
MANY = {"tf32": WarpTile(64, 64, 16, 64, 32), "bf16": WarpTile(64, 64, 32, 64, 32)}
"""What a warp does in the largest tile, with fewer warps."""

precisions = pytest.mark.parametrize("precision", list(ROUNDED))
turns = pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])


# ---- rounding ---------------------------------------------------------------------------------


def bits(*words: int) -> Floats:
    return np.array(words, np.uint32).view(np.float32)


def test_tf32_is_the_nearest_and_ties_go_away_from_zero() -> None:
    given = bits(0x3F800FFF, 0x3F801000, 0xBF801000, 0x3F803000, 0x7F7FFFFF, 0x7F800000, 0x80000000)
    expected = bits(0x3F800000, 0x3F802000, 0xBF802000, 0x3F804000, 0x7F800000, 0x7F800000, 0x80000000)
    np.testing.assert_array_equal(to_tf32(given).view(np.uint32), expected.view(np.uint32))
    assert np.isnan(to_tf32(np.float32("nan")))


def test_bf16_is_the_nearest_and_ties_go_to_even() -> None:
    given = bits(0x3F807FFF, 0x3F808000, 0x3F818000, 0xBF808001, 0x7F7FFFFF, 0xFF800000, 0x80000000)
    expected = bits(0x3F800000, 0x3F800000, 0x3F820000, 0xBF810000, 0x7F800000, 0xFF800000, 0x80000000)
    np.testing.assert_array_equal(to_bf16(given).view(np.uint32), expected.view(np.uint32))
    assert np.isnan(to_bf16(np.float32("nan")))


# ---- the words --------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbors", [1, 2])
def test_lanes_hold_matrices_as_the_manual_of_ptx_tells(neighbors: int) -> None:
    """Element by element, by the tables of m16n8k8 (tf32) and m16n8k16 (bf16)."""
    rng = np.random.default_rng(0)
    depth = 8 * neighbors
    a, b, c = (to_bf16(numbers(rng, *shape)) for shape in ((16, depth), (depth, 8), (16, 8)))
    told = []
    for lane in range(32):
        group, place = lane >> 2, lane % 4
        held = []
        for register in range(6):
            wide = depth // 2 * (register >> 1 if register < 4 else register - 4)
            depths = [place * neighbors + wide + near for near in range(neighbors)]
            row = group + 8 * (register & 1)
            values = [a[row, k] if register < 4 else b[k, group] for k in depths]
            held.append(values[0] if neighbors == 1 else tuple(values))
        sums = [c[group + 8 * (i >> 1), place * 2 + (i & 1)] for i in range(4)]
        told.append((*held, *sums))
    got, expected = multiplied(told), c + a.astype(np.float64) @ b
    for lane in range(32):
        rows = [(lane >> 2) + 8 * (i >> 1) for i in range(4)]
        columns = [lane % 4 * 2 + (i & 1) for i in range(4)]
        np.testing.assert_array_equal(got[lane], expected[rows, columns].astype(np.float32))


@pytest.mark.skipif(os.environ.get("NETDSL_TEST_CUDA") == "simulator", reason="only the stepper looks")
def test_factors_that_are_not_rounded_are_found() -> None:
    text = """v = x[cuda.threadIdx.x]
c0, c1, c2, c3 = mma_tf32(v, v, v, v, v, v, v, v, v, v)
x[cuda.threadIdx.x] = c0"""
    kernel = make("careless", {"x": "float"}, text, 32, ((1, 1),))
    simulate(kernel, {"x": np.full(32, 1.5, np.float32)})
    with pytest.raises(ValueError, match="not rounded"):
        simulate(kernel, {"x": np.full(32, 0.1, np.float32)})


# ---- products ---------------------------------------------------------------------------------


def in_precision(x: Floats, w: Floats, precision: Precision) -> NDArray[np.float64]:
    rounded = ROUNDED[precision]
    return rounded(x).astype(np.float64) @ rounded(w)


@precisions
@turns
@pytest.mark.parametrize("shape", [(20, 36, 40), (33, 10, 17), (1, 1, 1)])
@pytest.mark.parametrize("splits", [1, 3])
def test_a_product(
    shape: tuple[int, int, int], turned: tuple[bool, bool], splits: int, precision: Precision
) -> None:
    rng = np.random.default_rng(sum(shape))
    height, width, deep = shape
    x, w = numbers(rng, height, deep), numbers(rng, deep, width)
    tile = TINY[precision]
    work = matrix_product(
        height, width, deep, 1, turned=turned, tile=tile, splits=splits, precision=precision
    )
    laid = {"x": x.T if turned[0] else x, "w": w.T if turned[1] else w}
    got = run(work, height * width, laid).reshape(height, width)
    np.testing.assert_allclose(got, in_precision(x, w, precision), atol=2e-5)
    if min(shape) > 1:
        assert np.abs(got - x.astype(np.float64) @ w).max() > 1e-4


@precisions
@turns
def test_a_tile_of_many_matrices(turned: tuple[bool, bool], precision: Precision) -> None:
    rng = np.random.default_rng(1)
    for rows, width in ((7, 70), (75, 64)):
        x, w = numbers(rng, rows, 36), numbers(rng, 36, width)
        tile = MANY[precision]
        work = matrix_product(ROWS, width, 36, 64, turned=turned, tile=tile, splits=1, precision=precision)
        laid = {"x": x.T if turned[0] else x, "w": w.T if turned[1] else w}
        got = run(work, rows * width, laid, rows).reshape(rows, width)
        np.testing.assert_allclose(got, in_precision(x, w, precision), atol=2e-5)


@precisions
def test_a_batch_of_strided_products(precision: Precision) -> None:
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
        precision=precision,
    )
    got = run(work, rows * heads * places * places, {"x": x, "w": w}, rows)
    rounded = ROUNDED[precision]
    expected = np.einsum("rphd,rqhd->rhpq", rounded(x).astype(np.float64), rounded(w))
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=2e-5)


@precisions
def test_a_sum_is_finished_before_it_is_stored(precision: Precision) -> None:
    rng = np.random.default_rng(3)
    x, w, b = numbers(rng, 6, 9), numbers(rng, 9, 8), numbers(rng, 8)
    work = product(
        (),
        ((6, 9, 0, 8),),
        ((8, 0, 1, 1),),
        ((9, 1, 8, 0),),
        1,
        finish=("v = max(v + b[at % 8], f32(0.0))",),
        finish_parameters=(("b", "float"),),
        precision=precision,
    )
    got = run(work, 48, {"x": x, "w": w, "b": b}).reshape(6, 8)
    np.testing.assert_allclose(got, np.maximum(in_precision(x, w, precision) + b, 0), atol=2e-5)


# ---- convolutions -----------------------------------------------------------------------------


@precisions
@pytest.mark.parametrize("case", [each for each in CASES if each.groups < 6], ids=case_name)
@pytest.mark.parametrize(
    ("name", "write"),
    [("convolve", convolve), ("convolve_input", convolve_input), ("convolve_kernel", convolve_kernel)],
)
def test_windows_of_all_kinds(
    name: str, write: Callable[..., Work], case: Geometry, precision: Precision
) -> None:
    rng = np.random.default_rng(5)
    graph, shapes = graph_of(case, name)
    fields = {key: numbers(rng, *shape) for key, shape in shapes.items()}
    rounded = {key: ROUNDED[precision](each) for key, each in fields.items()}
    expected = oracle(graph, rounded, ROWS_OF_TEST)
    work = write(case, ROWS_OF_TEST, TINY[precision], 1, precision)
    got = run(work, prod(expected.shape), fields, ROWS_OF_TEST)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=2e-5)
