from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu.products import GRADIENT_WORDS
from tests.kernels.cpu.bench import LEVELS, Memory, call, from_panels, hand_written, in_panels, stride

sizes = st.integers(1, 70)
layers = st.tuples(sizes, sizes | st.integers(250, 530), sizes | st.integers(250, 530))
modest = settings(max_examples=25, deadline=None)


def normal(*shape: int) -> NDArray[Any]:
    return np.random.default_rng([*shape]).standard_normal(shape).astype(np.float32)


def gapless(w: NDArray[Any]) -> NDArray[Any]:
    return in_panels(w)[:, : len(w) * 16].copy()


def is_product(found: NDArray[Any], a: NDArray[Any], b: NDArray[Any], bias: Any = 0.0) -> bool:
    """Tell whether a product differs from the exact one by no more than rounding each step can make it."""
    wide = a.astype(np.float64), b.astype(np.float64)
    exact, size = wide[0] @ wide[1] + bias, np.abs(wide[0]) @ np.abs(wide[1]) + np.abs(bias)
    return bool(np.all(np.abs(found - exact) <= (a.shape[-1] + 2) * 2.0**-23 * size))


@pytest.mark.parametrize("level", LEVELS)
@given(layer=layers, row_major=st.booleans(), biased=st.booleans(), asks=st.booleans())
@modest
def test_product(level: str, layer: tuple[int, int, int], row_major: bool, biased: bool, asks: bool) -> None:
    rows, depth, columns = layer
    a, w = normal(rows, depth), normal(depth, columns)
    bias = normal(-(-columns // 16) * 16)
    memory = Memory()
    left = memory.place(a if row_major else in_panels(a))
    weights, result = memory.place(gapless(w)), memory.room(-(-columns // 16), stride(rows))
    start: Any = memory.place(bias) if biased else 0
    strides = (depth, 16) if row_major else (16, stride(rows))
    soon: Any = np.array([left.ctypes.data, 4096, weights.ctypes.data, 64], np.int64) if asks else 0
    call(
        hand_written(level)["product"],
        rows, depth, left, *strides, weights, result, stride(rows), start, len(result), soon,
    )  # fmt: skip
    memory.check()
    assert is_product(from_panels(result, rows, columns), a, w, bias[:columns] if biased else 0.0)
    assert np.isnan(result[:, rows * 16 :]).all()


def back(level: str, y: NDArray[Any], w: NDArray[Any]) -> NDArray[Any]:
    """Return Y W^T, through blocks made by `turn_panel`."""
    rows, depth = y.shape
    kernels, memory, panels = hand_written(level), Memory(), -(-depth // 16)
    source, block = memory.place(in_panels(y)), panels * 256
    blocks = memory.room(-(-rows // 16), block)
    for p in range(panels):
        call(kernels["turn_panel"], rows, source[p], blocks.ctypes.data + 1024 * p, block)
    memory.check()
    weights = memory.place(gapless(w))
    x = memory.room(-(-len(w) // 16), stride(rows))
    call(
        kernels["product_back"],
        rows, depth, weights, len(w), blocks, block, x, stride(rows), 0, len(x),
    )  # fmt: skip
    memory.check()
    assert np.isnan(x[:, rows * 16 :]).all()
    return from_panels(x, rows, len(w))


@pytest.mark.parametrize("level", LEVELS)
@given(layer=layers)
@modest
def test_product_back(level: str, layer: tuple[int, int, int]) -> None:
    rows, inputs, outputs = layer
    y, w = normal(rows, outputs), normal(inputs, outputs)
    assert is_product(back(level, y, w), y, w.T)


def test_product_back_leaves_other_panels_alone() -> None:
    rows, inputs, outputs = 20, 48, 16
    y, w = normal(rows, outputs), normal(inputs, outputs)
    memory = Memory()
    blocks = memory.place(in_panels(np.ascontiguousarray(y.T)))
    weights, x = memory.place(gapless(w)), memory.room(3, stride(rows))
    call(
        hand_written(LEVELS[0])["product_back"],
        rows, outputs, weights, inputs, blocks, stride(outputs), x[1], stride(rows), 1, 2,
    )  # fmt: skip
    memory.check()
    assert np.isnan(x[[0, 2]]).all()
    assert is_product(from_panels(x, rows, inputs)[:, 16:32], y, w[16:32].T)


@pytest.mark.parametrize("level", LEVELS)
@given(layer=layers, row_major=st.booleans(), share=st.tuples(st.integers(0, 4), st.integers(0, 70)))
@modest
def test_weight_gradient(
    level: str, layer: tuple[int, int, int], row_major: bool, share: tuple[int, int]
) -> None:
    rows, inputs, outputs = layer
    first, last = min(16 * share[0], inputs // 16 * 16), min(max(share), inputs)
    x, y = normal(rows, inputs), normal(rows, outputs)
    memory = Memory()
    left = memory.place(x if row_major else in_panels(x))
    strides = (inputs, 16) if row_major else (16, stride(rows))
    right = memory.place(in_panels(y))
    soon, result = memory.room(max(inputs, 1), 16), memory.room(len(right), max(last - first, 0), 16)
    apart = 16 * max(last - first, 0)
    for p in range(0, len(right), 2):
        factors = (rows, left.ctypes.data, *strides, right[p].ctypes.data, stride(rows))
        target = (result[p].ctypes.data, apart, min(2, len(right) - p), first, last)
        words = np.array([*factors, *target, soon.ctypes.data, 0, soon.ctypes.data, 0], np.int64)
        assert len(words) == GRADIENT_WORDS
        call(hand_written(level)["weight_gradient"], words)
    memory.check()
    assert is_product(np.concatenate(list(result), axis=1)[:, :outputs], x.T[first : max(last, first)], y)


def test_bits_do_not_depend_on_the_width_of_registers() -> None:
    fused = [level for level in LEVELS if level != "generic"]
    y, w = normal(37, 45), normal(61, 45)
    results = {back(level, y, w).tobytes() for level in fused}
    assert len(results) <= 1


def test_a_number_that_is_none_stays_in_its_row() -> None:
    a, w = normal(20, 9), normal(9, 16)
    a[3, 4] = np.nan
    memory = Memory()
    left, weights, result = memory.place(a), memory.place(gapless(w)), memory.room(1, stride(20))
    call(hand_written(LEVELS[0])["product"], 20, 9, left, 9, 16, weights, result, stride(20), 0, 1, 0)
    found = from_panels(result, 20, 16)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


@pytest.mark.parametrize("level", LEVELS)
@given(layer=layers)
@modest
def test_bits_do_not_depend_on_how_many_panels_are_computed_at_once(
    level: str, layer: tuple[int, int, int]
) -> None:
    rows, depth, columns = layer
    memory = Memory()
    left, weights = memory.place(normal(rows, depth)), memory.place(gapless(normal(depth, columns)))
    panels, kernel = len(weights), hand_written(level)["product"]
    at_once, one_by_one = memory.room(panels, stride(rows)), memory.room(panels, stride(rows))
    call(kernel, rows, depth, left, depth, 16, weights, at_once, stride(rows), 0, panels, 0)
    for p in range(panels):
        call(kernel, rows, depth, left, depth, 16, weights[p], one_by_one[p], stride(rows), 0, 1, 0)
    memory.check()
    assert at_once.tobytes() == one_by_one.tobytes()
