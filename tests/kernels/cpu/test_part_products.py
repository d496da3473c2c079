"""Products by tiles of factors in parts, on machines that have them: as exact as chains of multiply-adds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kernels.cpu.bench import LEVELS, Memory, call, from_panels, hand_written, in_panels, stride
from tests.kernels.cpu.test_products import gapless, is_product, normal

pytestmark = pytest.mark.skipif("amx" not in LEVELS, reason="this machine has no tile registers")

BLOCK = 768
sizes = st.integers(1, 70)
layers = st.tuples(sizes, sizes | st.integers(120, 200), sizes)
tall = st.tuples(st.integers(1000, 1040), st.integers(60, 150), st.integers(1, 40))
modest = settings(max_examples=60, deadline=None)


def blocks(rows: int, columns: int) -> int:
    """Return the blocks of a factor in parts."""
    return -(-rows // 16) * -(-columns // 32)


def rows_in_parts(memory: Memory, a: NDArray[Any], row_major: bool) -> NDArray[Any]:
    """Return a left factor in parts."""
    rows, depth = a.shape
    parts, source = memory.room(blocks(rows, depth), BLOCK), memory.place(a if row_major else in_panels(a))
    strides = (depth, 16) if row_major else (16, stride(rows))
    call(hand_written("amx")["split_rows"], rows, depth, source, *strides, parts, 0, rows)
    return parts


@given(layer=layers | tall, row_major=st.booleans(), biased=st.booleans())
@modest
def test_product_of_parts(layer: tuple[int, int, int], row_major: bool, biased: bool) -> None:
    rows, depth, columns = layer
    a, w = normal(rows, depth), normal(depth, columns)
    panels = -(-columns // 16)
    bias = normal(panels * 16)
    memory = Memory()
    left = rows_in_parts(memory, a, row_major)
    weights, result = memory.place(gapless(w)), memory.room(panels, stride(rows))
    start: Any = memory.place(bias) if biased else 0
    kernel = hand_written("amx")["product_of_parts"]
    call(kernel, rows, depth, left, weights, result, stride(rows), start, panels)
    memory.check()
    assert is_product(from_panels(result, rows, columns), a, w, bias[:columns] if biased else 0.0)
    assert np.isnan(result[:, rows * 16 :]).all()
    one_by_one = memory.room(panels, stride(rows))
    for p in range(panels):
        given = start[16 * p :] if biased else 0
        call(kernel, rows, depth, left, weights[p], one_by_one[p], stride(rows), given, 1)
    memory.check()
    assert one_by_one.tobytes() == result.tobytes()


@given(layer=layers, row_major=st.booleans(), share=st.tuples(st.integers(0, 4), st.integers(0, 70)))
@modest
def test_gradient_of_parts(layer: tuple[int, int, int], row_major: bool, share: tuple[int, int]) -> None:
    rows, outputs, inputs = layer
    first, last = min(16 * share[0], inputs // 16 * 16), min(max(share), inputs)
    x, y = normal(rows, inputs), normal(rows, outputs)
    memory = Memory()
    source = memory.place(x if row_major else in_panels(x))
    strides = (inputs, 16) if row_major else (16, stride(rows))
    left, right = memory.room(blocks(inputs, rows), BLOCK), memory.room(blocks(outputs, rows), BLOCK)
    kernels, panels = hand_written("amx"), -(-outputs // 16)
    call(kernels["split_turned"], rows, source, *strides, left, 0, inputs)
    call(kernels["split_panels"], rows, memory.place(in_panels(y)), stride(rows), right, 0, outputs)
    memory.check()
    lines = max(last - first, 0)
    result = memory.room(panels, lines, 16)
    for p in range(0, panels, 2):
        factors = (rows, left, right, p)
        call(
            kernels["gradient_of_parts"],
            *factors, result[p], 16 * lines, min(2, panels - p), first, last,
        )  # fmt: skip
    memory.check()
    assert is_product(np.concatenate(list(result), axis=1)[:, :outputs], x.T[first : max(last, first)], y)


@given(layer=layers | st.tuples(st.integers(250, 300), sizes, sizes))
@modest
def test_back_of_parts(layer: tuple[int, int, int]) -> None:
    rows, outputs, inputs = layer
    y, w = normal(rows, outputs), normal(inputs, outputs)
    kernels, memory, panels = hand_written("amx"), Memory(), -(-outputs // 16)
    source, block = memory.place(in_panels(y)), panels * 256
    turned, parts = memory.room(-(-rows // 16), block), memory.room(blocks(rows, outputs), BLOCK)
    for p in range(panels):
        call(kernels["turn_panel"], rows, source[p], turned.ctypes.data + 1024 * p, block)
    call(kernels["split_panels"], outputs, turned, block, parts, 0, rows)
    weights = memory.place(gapless(w))
    x, one_by_one = (memory.room(-(-inputs // 16), stride(rows)) for _ in range(2))
    back = kernels["back_of_parts"]
    call(back, rows, outputs, weights, inputs, parts, x, stride(rows), 0, len(x))
    memory.check()
    assert is_product(from_panels(x, rows, inputs), y, w.T)
    assert np.isnan(x[:, rows * 16 :]).all()
    for p in range(len(x)):
        call(back, rows, outputs, weights, inputs, parts, one_by_one[p], stride(rows), p, p + 1)
    memory.check()
    assert np.array_equal(from_panels(one_by_one, rows, inputs), from_panels(x, rows, inputs))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_number_that_is_not_finite_stays_in_its_row_and_column(wrong: float) -> None:
    a, w, memory = normal(40, 40), normal(40, 48), Memory()
    a[3, 4], w[5, 20] = wrong, wrong
    left, weights, result = (
        rows_in_parts(memory, a, True),
        memory.place(gapless(w)),
        memory.room(3, stride(40)),
    )
    call(hand_written("amx")["product_of_parts"], 40, 40, left, weights, result, stride(40), 0, 3)
    found = from_panels(result, 40, 48)
    assert not np.isfinite(found[3]).any()
    assert not np.isfinite(found[:, 20]).any()
    assert np.isfinite(np.delete(np.delete(found, 3, axis=0), 20, axis=1)).all()
