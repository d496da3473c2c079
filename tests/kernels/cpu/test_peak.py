import numpy as np
import pytest

from tests.kernels.cpu.bench import LEVELS, Memory, call, hand_written


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("lines", "added"), [(0, 0), (4, 4), (7, 4), (40, 40)])
def test_lines_are_added_four_at_a_time(level: str, lines: int, added: int) -> None:
    x, y = (np.random.default_rng([lines, n]).standard_normal(16 * lines).astype(np.float32) for n in (0, 1))
    memory = Memory()
    target, source = memory.place(x), memory.place(y)
    call(hand_written(level)["add_lines"], target, source, lines)
    memory.check()
    both = np.arange(16 * lines) < 16 * added
    assert np.array_equal(target, np.where(both, x + y, x))
    assert np.array_equal(source, y)


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_but_the_lines_of_the_sums_is_written(level: str) -> None:
    memory = Memory()
    place = memory.place(np.full(16 * 16, 0.5, np.float32))
    call(hand_written(level)["multiply_adds"], place, 3)
    memory.check()
    call(hand_written(level)["multiply_tiles"], memory.place(np.zeros(4 * 768, np.float32)), 3)
    memory.check()
    # x becomes x / 2 + 1 / 2 three times, from one half on.
    assert np.all(np.isin(place, [0.5, 0.9375]))
    assert place[0] == 0.9375
