import ctypes

import numpy as np
import pytest

from netdsl.kernels.cpu.context import STEP
from tests.kernels.cpu.bench import LEVELS, Memory, call, generated, hand_written

COUNT = """
@kernel
def count(context: int, target_: int, a: int, b: int) -> None:
    target = at_long(target_)
    step = at_long(context)[0]
    target[step] = target[step] * 10 + a + b
"""
TINY = """
@kernel
def tiny(x_: int) -> None:
    x = at(x_)
    x[1] = x[0] * f32(0.5)
"""


@pytest.mark.parametrize("level", LEVELS)
def test_launches_are_made_in_order_for_each_step(level: str) -> None:
    count = generated(level, COUNT, "count")
    context, target = np.zeros(16, np.int64), np.zeros(6, np.int64)
    table = np.zeros((2, 12), np.int64)
    for row, number in zip(table, (1, 3), strict=True):
        row[:5] = count, context.ctypes.data, target.ctypes.data, number, number
    call(hand_written(level)["interpret"], table, len(table), context, 2, 5)
    assert target.tolist() == [0, 0, 26, 26, 26, 0]
    assert context[STEP] == 4


def test_time_is_added_for_each_launch() -> None:
    count = generated(LEVELS[0], COUNT, "count")
    context, target, spent = np.zeros(16, np.int64), np.zeros(100, np.int64), np.zeros(2, np.int64)
    table = np.zeros((2, 12), np.int64)
    table[:, :3] = count, context.ctypes.data, target.ctypes.data
    call(hand_written(LEVELS[0])["interpret_timed"], table, len(table), context, 0, 100, spent)
    assert (spent > 0).all()


@pytest.mark.parametrize("level", LEVELS)
def test_denormal_numbers_are_zero_only_inside(level: str) -> None:
    tiny = generated(level, TINY, "tiny")
    memory = Memory()
    numbers = memory.place(np.array([1.2e-38, np.nan], np.float32))
    call(tiny, numbers)
    assert numbers[1] > 0
    table, context = np.zeros((1, 12), np.int64), np.zeros(16, np.int64)
    table[0, :2] = tiny, numbers.ctypes.data
    call(hand_written(level)["interpret"], table, 1, context, 0, 1)
    assert numbers[1] == 0
    call(tiny, numbers)
    assert numbers[1] > 0


def test_a_barrier_of_one_thread_lets_it_pass() -> None:
    words = np.zeros(16, np.int64)
    barrier = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(hand_written(LEVELS[0])["barrier"])
    for _ in range(3):
        barrier(words.ctypes.data, 1)
    assert words[8] == 3
