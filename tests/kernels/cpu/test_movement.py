from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kernels.cpu.bench import LEVELS, Memory, call, from_panels, hand_written, in_panels, stride

LEVEL = LEVELS[0]
FIELD, RESULT = 8, 9
modest = settings(max_examples=30, deadline=None)
extents = st.tuples(st.integers(1, 40), st.integers(1, 40))


def table(rows: int, columns: int) -> NDArray[np.float32]:
    return np.arange(rows * columns, dtype=np.float32).reshape(rows, columns) + 1


class Run:
    """A context block at a step of a run, with a bound field and room for results."""

    def __init__(self, field: NDArray[Any], batch: int, step: int, width: int) -> None:
        self.memory = Memory()
        self.order = np.random.default_rng(0).permutation(len(field)).astype(np.int64)
        self.field = np.ascontiguousarray(field)
        self.result = self.memory.room(len(field), width)
        self.context = np.zeros(16, np.int64)
        self.context[:2] = step, batch
        self.context[4] = self.order.ctypes.data
        self.context[[FIELD, RESULT]] = self.field.ctypes.data, self.result.ctypes.data

    def call(self, kernel: str, *arguments: int | NDArray[Any]) -> None:
        call(hand_written(LEVEL)[kernel], self.context, *arguments)
        self.memory.check()


@given(batch=st.integers(1, 9), step=st.integers(0, 3), width=st.integers(1, 40), share=st.integers(0, 9))
@modest
def test_rows_of_a_batch(batch: int, step: int, width: int, share: int) -> None:
    field = table(4 * batch, width)
    run = Run(field, batch, step, width)
    picked = field[run.order[step * batch : (step + 1) * batch]]
    first = min(share, batch)
    rows = run.memory.room(batch, width)
    run.call("take_rows", FIELD, rows, width, first, batch)
    assert np.array_equal(rows[first:], picked[first:])
    assert np.isnan(rows[:first]).all()
    panels = run.memory.room(-(-width // 16), stride(batch))
    run.call("take_panels", FIELD, panels, stride(batch), width, first, batch)
    assert np.array_equal(from_panels(panels, batch, width)[first:], picked[first:])
    run.call("give_rows", RESULT, rows, width, first, batch)
    place = run.result[step * batch : (step + 1) * batch]
    assert np.array_equal(place[first:], picked[first:])
    assert np.isnan(run.result).sum() == run.result.size - picked[first:].size


@given(batch=st.integers(1, 9), step=st.integers(0, 3), width=st.integers(1, 40))
@modest
def test_rows_of_panels_are_given(batch: int, step: int, width: int) -> None:
    value = table(batch, width)
    run = Run(table(4 * batch, width), batch, step, width)
    run.call("give_panels", RESULT, run.memory.place(in_panels(value)), stride(batch), width, 1, 0, batch)
    assert np.array_equal(run.result[step * batch : (step + 1) * batch], value)


def test_labels_are_moved_to_the_bit() -> None:
    field = np.array([[-1], [1 << 30], [7], [2]], np.int32)
    run = Run(field, 2, 1, 1)
    rows = run.memory.place(np.zeros((2, 1), np.int32))
    run.call("take_rows", FIELD, rows, 1, 0, 2)
    assert np.array_equal(rows, field[run.order[2:]])


def test_whole_values() -> None:
    run = Run(table(1, 7), 1, 0, 7)
    value = run.memory.room(7)
    run.call("take_whole", FIELD, value, 7)
    assert np.array_equal(value, run.field[0])
    result = run.memory.room(3, 7)
    run.context[[0, RESULT]] = 2, result.ctypes.data
    run.call("give_whole", RESULT, value, 7)
    assert np.array_equal(result[2], value)
    assert np.isnan(result[:2]).all()


@given(shape=extents, share=st.integers(0, 40), gap=st.integers(0, 5))
@modest
def test_panels_become_rows(shape: tuple[int, int], share: int, gap: int) -> None:
    rows, columns = shape
    first = min(share, rows)
    memory, value = Memory(), table(rows, columns)
    panels = memory.place(in_panels(value))
    back = memory.room(rows, columns + gap)
    call(
        hand_written(LEVEL)["unpack_panels"], panels, stride(rows), back, columns + gap, columns, first, rows
    )
    memory.check()
    assert np.array_equal(back[first:, :columns], value[first:])
    assert np.isnan(back[:, columns:]).all()
