from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.operations import philox
from tests.kernels.cpu.bench import LEVELS, Memory, call, generated, hand_written

SEEDS = [0, 1, 123456789, (1 << 63) + 17]
STREAM = "mlp/dropout_1/mask"
FIRST_STEP, STEP = 40, 2


def signed(word: int) -> int:
    return word - (1 << 64) if word >= 1 << 63 else word


def context(seed: int) -> NDArray[np.int64]:
    """A context block at step 42 of training."""
    words = np.zeros(16, np.int64)
    words[0], words[2], words[3] = STEP, FIRST_STEP, signed(seed)
    return words


def drawn(level: str, kernel: str, seed: int, count: int) -> NDArray[Any]:
    memory = Memory()
    result = memory.room(count)
    call(hand_written(level)[kernel], context(seed), signed(philox.stream_hash(STREAM)), result, 0, count)
    memory.check()
    return result


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [1, 4, 5, 1027])
def test_uniform_has_the_bits_of_its_definition(level: str, seed: int, count: int) -> None:
    expected = philox.uniform(count, STREAM, seed, FIRST_STEP + STEP)
    assert np.array_equal(drawn(level, "draw_uniform", seed, count), expected.astype(np.float32))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_gaussian_is_that_of_its_definition(level: str, seed: int) -> None:
    expected = philox.gaussian(20003, STREAM, seed, FIRST_STEP + STEP)
    np.testing.assert_allclose(drawn(level, "draw_gaussian", seed, 20003), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kernel", ["draw_uniform", "draw_gaussian"])
@given(parts=st.lists(st.integers(1, 20), min_size=1, max_size=4), last=st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_parts_are_parts_of_the_whole(level: str, kernel: str, parts: list[int], last: int) -> None:
    ends = [0, *(4 * int(each) for each in np.cumsum(parts))]
    ends[-1] += last
    memory = Memory()
    result = memory.room(ends[-1])
    for first, end in pairwise(ends):
        stream = signed(philox.stream_hash(STREAM))
        call(hand_written(level)[kernel], context(7), stream, result, first, end)
    memory.check()
    assert np.array_equal(result, drawn(level, kernel, 7, ends[-1]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
@given(rows=st.integers(1, 9), columns=st.integers(1, 70), begin=st.integers(0, 8))
@settings(max_examples=15, deadline=None)
def test_panels_hold_what_rows_do(level: str, kind: str, rows: int, columns: int, begin: int) -> None:
    whole = drawn(level, f"draw_{kind}", 7, rows * columns).reshape(rows, columns)
    first = min(begin, rows - 1)
    for column in range(0, columns, 16):
        memory = Memory()
        panel = memory.room(rows - first, 16)
        call(
            hand_written(level)[f"draw_{kind}_panel"],
            context(7), signed(philox.stream_hash(STREAM)), panel, columns, column, first, rows,
        )  # fmt: skip
        memory.check()
        width = min(16, columns - column)
        assert np.array_equal(panel[:, :width], whole[first:, column : column + width])


INLINE = """
@kernel
def mask(x_: int, key: int, step: int, first: int, n: int) -> None:
    x = at(x_)
    for i in range(n):
        x[i] = f32(2.0) if uniform32(key, step, first + i) < f32(0.5) else f32(0.0)
"""


@pytest.mark.parametrize("level", LEVELS)
def test_draws_inside_a_generated_kernel(level: str) -> None:
    memory = Memory()
    result = memory.room(1000)
    key = signed(philox.stream_hash(STREAM) ^ 5)
    call(generated(level, INLINE, "mask"), result, key, 9, 6, 1000)
    memory.check()
    assert np.array_equal(result, np.where(philox.uniform(1006, STREAM, 5, 9)[6:] < 0.5, 2.0, 0.0))


def test_blocks_beyond_32_bits() -> None:
    memory = Memory()
    result = memory.room(1)
    index = (1 << 35) + 6
    text = INLINE.replace("f32(2.0) if", "f32(1.0) * ").replace(" < f32(0.5) else f32(0.0)", "")
    call(generated(LEVELS[0], text, "mask"), result, 77, 3, index, 1)
    counters = tuple(
        np.array([word], np.uint64) for word in (index // 4 & 0xFFFFFFFF, 3, index // 4 >> 32, 0)
    )
    words = philox.philox(counters, (77, 0))
    assert result[0] == np.float32((int(words[2][0]) >> 8) * 2.0**-24)
