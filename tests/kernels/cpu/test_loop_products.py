"""Products of a loop's turns by tiles: as exact as multiply-adds, and alike however rows are cut."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.cpu.bench import LEVELS, Memory, call, from_panels, hand_written, in_panels, stride
from tests.kernels.cpu.test_part_products import BLOCK, blocks, layers, modest, sizes
from tests.kernels.cpu.test_products import gapless, is_product, normal

pytestmark = pytest.mark.skipif("amx" not in LEVELS, reason="this machine has no tile registers")

deep = st.tuples(sizes, st.integers(500, 560), sizes)


@given(layer=layers | deep, row_major=st.booleans(), biased=st.booleans())
@modest
def test_product_of_turns(layer: tuple[int, int, int], row_major: bool, biased: bool) -> None:
    rows, depth, columns = layer
    a, w = normal(rows, depth), normal(depth, columns)
    panels = -(-columns // 16)
    bias = normal(panels * 16)
    memory = Memory()
    parts = memory.room(blocks(columns, depth), BLOCK)
    call(
        hand_written("amx")["split_panels"],
        depth,
        memory.place(gapless(w)),
        16 * depth,
        parts,
        0,
        16 * panels,
    )
    source = memory.place(a if row_major else in_panels(a))
    strides = (depth, 16) if row_major else (16, stride(rows))
    start: Any = memory.place(bias) if biased else 0
    kernel = hand_written("amx")["product_of_turns"]
    result, in_pieces = memory.room(panels, stride(rows)), memory.room(panels, stride(rows))
    call(kernel, rows, depth, source, *strides, parts, result, stride(rows), start, panels)
    memory.check()
    assert is_product(from_panels(result, rows, columns), a, w, bias[:columns] if biased else 0.0)
    assert np.isnan(result[:, rows * 16 :]).all()
    flat = source.reshape(-1)
    for first in range(0, rows, 16):
        there, begin = min(16, rows - first), flat[first * strides[0] :]
        target = in_pieces.reshape(-1)[16 * first :]
        call(kernel, there, depth, begin, *strides, parts, target, stride(rows), start, panels)
    memory.check()
    assert in_pieces.tobytes() == result.tobytes()
