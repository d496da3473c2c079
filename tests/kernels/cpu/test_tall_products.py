"""Gradients over many rows by tiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.cpu.bench import LEVELS, Memory, call, hand_written, in_panels, stride
from tests.kernels.cpu.test_part_products import modest
from tests.kernels.cpu.test_products import is_product, normal

pytestmark = pytest.mark.skipif("amx" not in LEVELS, reason="this machine has no tile registers")

extents = st.integers(1, 150)


@given(
    rows=extents, inputs=extents, panels=st.integers(1, 16), first=st.integers(0, 6), row_major=st.booleans()
)
@modest
def test_tall_gradient(rows: int, inputs: int, panels: int, first: int, row_major: bool) -> None:
    first = min(16 * first, (inputs - 1) // 16 * 16)
    last = min(inputs, first + 128)
    x, y = normal(rows, inputs), normal(rows, 16 * panels)
    memory = Memory()
    source = memory.place(x if row_major else in_panels(x))
    strides = (inputs, 16) if row_major else (16, stride(rows))
    lines = last - first
    right, result = memory.place(in_panels(y)), memory.room(panels, lines, 16)
    kernel = hand_written("amx")["tall_gradient"]
    factors = (rows, source, *strides, right, stride(rows))
    call(kernel, *factors, result, 16 * lines, panels, first, last)
    memory.check()
    assert is_product(np.concatenate(list(result), axis=1), x.T[first:last], y)
    one_by_one = memory.room(panels, lines, 16)
    for p in range(panels):
        given = (rows, source, *strides, right[p], stride(rows))
        call(kernel, *given, one_by_one[p], 16 * lines, 1, first, last)
    memory.check()
    assert one_by_one.tobytes() == result.tobytes()
