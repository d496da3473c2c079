"""Products of small matrices whose axes lie anywhere in memory, also across panels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu import contraction
from netdsl.kernels.cpu.contraction import FIELDS
from tests.kernels.cpu.bench import LEVELS, Floats, Memory, call, hand_written, stride
from tests.kernels.cpu.test_products import is_product, normal

sizes = st.integers(1, 40)
modest = settings(max_examples=25, deadline=None)


def test_the_words_are_numbered_as_they_are_listed() -> None:
    assert [getattr(contraction, name.upper()) for name in FIELDS] == list(range(len(FIELDS)))


def in_rows(memory: Memory, values: Floats, order: tuple[int, ...]) -> tuple[Floats, list[tuple[int, int]]]:
    """Place an array with its axes in some order; return it as a view, with the two strides of each axis."""
    laid = memory.place(np.ascontiguousarray(values.transpose(order)))
    view = laid.transpose(np.argsort(order))
    return view, [(each // 4, 4 * each) for each in view.strides]


def in_panels(memory: Memory, values: Floats) -> tuple[Floats, list[tuple[int, int]]]:
    """Place an array [items, places, columns] as panels of items * places rows; return the panels' view."""
    items, places, columns = values.shape
    step, count = stride(items * places), -(-columns // 16)
    memory_of_panels = np.full((count, step), np.nan, np.float32)
    filled = np.full((items * places, count * 16), np.nan, np.float32)
    filled[:, :columns] = values.reshape(items * places, columns)
    in_order = filled.reshape(items * places, count, 16).transpose(1, 0, 2).reshape(count, -1)
    memory_of_panels[:, : in_order.shape[1]] = in_order
    panels = memory.place(memory_of_panels)
    rows = panels[:, : items * places * 16].reshape(count, items, places, 16)
    return rows.transpose(1, 2, 0, 3), [(places * 16, 0), (16, 256), (1, step)]


def strides(name: str, axes: tuple[str, str], laid: list[tuple[int, int]]) -> dict[str, int]:
    (item, _), *others = laid
    found = {f"{name}_item": item}
    for axis, (one, group) in zip(axes, others, strict=True):
        found |= {f"{name}_{axis}": one, f"{name}_{axis}s": group}
    return found


def words_of(**fields: int) -> NDArray[np.int64]:
    assert set(fields) == set(FIELDS)
    return np.array([fields[name] for name in FIELDS], np.int64)


@pytest.mark.parametrize("level", LEVELS)
@given(
    shape=st.tuples(sizes, sizes, sizes),
    items=st.integers(1, 3),
    orders=st.tuples(*[st.permutations(range(3)).map(tuple)] * 3),
    panels=st.tuples(*[st.booleans()] * 3),
    pieces=st.booleans(),
    begin=st.integers(0, 1),
)
@modest
def test_contraction(
    level: str,
    shape: tuple[int, int, int],
    items: int,
    orders: tuple[tuple[int, ...], ...],
    panels: tuple[bool, ...],
    pieces: bool,
    begin: int,
) -> None:
    rows, depth, columns = shape
    first = begin if items > 1 else 0
    a, b = normal(items, rows, depth), normal(items, depth, columns)
    memory = Memory()
    empty = np.full((items, rows, columns), np.nan, np.float32)
    laid = [
        in_panels(memory, each) if panel else in_rows(memory, each, order)
        for each, order, panel in zip((a, b, empty), orders, panels, strict=True)
    ]
    (left, of_a), (right, of_b), (target, of_c) = laid
    tall = 16 if pieces else rows
    words = words_of(
        rows=rows, depth=depth, columns=columns, pieces=-(-rows // tall), tall=tall, filled=int(panels[2]),
        **strides("a", ("row", "step"), of_a),
        **strides("b", ("step", "column"), of_b),
        **strides("c", ("row", "column"), of_c),
    )  # fmt: skip
    scratch = memory.room(16 * (depth + rows + 15))
    call(hand_written(level)["contraction"], left, right, target, words, scratch, first, items)
    memory.check()
    found = target if not panels[2] else target.reshape(items, rows, -1)[:, :, :columns]
    assert is_product(found[first:], a[first:], b[first:])
    assert np.isnan(found[:first]).all()
