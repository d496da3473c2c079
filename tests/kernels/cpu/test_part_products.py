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
modest = settings(max_examples=60, deadline=None)


def blocks(rows: int, columns: int) -> int:
    """Return the blocks of a factor in parts."""
    return -(-rows // 16) * -(-columns // 32)


def rows_in_parts(memory: Memory, a: NDArray[Any], row_major: bool) -> NDArray[Any]:
    """Return a left factor in parts."""
    rows, depth = a.shape
    parts, source = memory.room(blocks(rows, depth), BLOCK), memory.place(a if row_major else in_panels(a))
    strides = (depth, 16) if row_major else (16, stride(rows))
    call(hand_written("amx")["split_rows"], rows, depth, source, *strides, parts, 0, -(-rows // 16))
    return parts


@given(layer=layers, row_major=st.booleans(), biased=st.booleans())
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
