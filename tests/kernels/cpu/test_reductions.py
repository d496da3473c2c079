import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.kernels.cpu.bench import LEVELS, Memory, call, generated, hand_written

COUNTS = [0, 1, 3, 15, 16, 17, 63, 64, 65, 79, 127, 128, 1000]
REDUCE = """
@kernel
def reduce(x: int, n: int, y_: int) -> None:
    y = at(y_)
    y[0] = sum_of(x, n)
    y[1] = maximum_of(x, n)
    y[2] = minimum_of(x, n)
"""


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng([*shape]).standard_normal(shape).astype(np.float32)


def reduced(level: str, x: NDArray[Any]) -> NDArray[Any]:
    memory = Memory()
    given, result = memory.place(x), memory.room(3)
    call(generated(level, REDUCE, "reduce"), given, x.size, result)
    memory.check()
    return result


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", COUNTS)
def test_reductions(level: str, count: int) -> None:
    x = normal(count)
    total, top, bottom = (float(each) for each in reduced(level, x))
    assert abs(total - math.fsum(x)) <= 1e-6 * (1 + np.abs(x).sum())
    assert top == np.max(x, initial=-np.inf)
    assert bottom == np.min(x, initial=np.inf)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("place", [0, 5, 66, 99])
def test_a_number_that_is_none_is_seen(level: str, place: int) -> None:
    x = normal(100)
    x[place] = np.nan
    assert np.isnan(reduced(level, x)).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 64, 101])
def test_column_sums(level: str, rows: int) -> None:
    x = normal(rows, 16)
    memory = Memory()
    given, result = memory.place(x), memory.room(16)
    call(hand_written(level)["column_sums"], rows, given, result)
    memory.check()
    np.testing.assert_allclose(result, x.sum(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-5)


def test_sums_have_the_same_bits_on_every_machine() -> None:
    x = normal(997)
    assert len({reduced(level, x).tobytes() for level in LEVELS}) == 1
