"""Pools of images in panels and their adjoints, window by window in NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu import pooling
from netdsl.lowering.cpu.geometry import POOL_FIELDS, Windows, pool
from tests.kernels.cpu.bench import LEVELS, Floats, Memory, call, from_panels, hand_written, in_panels, stride
from tests.kernels.cpu.test_convolution import put_back, seen
from tests.kernels.cpu.test_products import normal

modest = settings(max_examples=40, deadline=None)


@st.composite
def pools(draw: Any) -> Windows:
    """Draw windows each of which sees a place of the image; as often of two by two that cover it."""
    two = st.tuples
    if draw(st.booleans()):
        down, across, channels = (draw(st.integers(1, most)) for most in (4, 4, 37))
        return Windows((2 * down, 2 * across), channels, channels, (2, 2), (2, 2))
    size = draw(two(st.integers(1, 4), st.integers(1, 4)))
    before, after = (draw(two(*(st.integers(0, each - 1) for each in size))) for _ in range(2))
    space = draw(two(*(st.integers(each, each + 9) for each in size)))
    channels = draw(st.integers(1, 37))
    strides = draw(two(st.integers(1, 4), st.integers(1, 4)))
    return Windows(space, channels, channels, size, strides, before, after)


def panels(memory: Memory, images: NDArray[Any]) -> Floats:
    return memory.place(in_panels(images.reshape(-1, images.shape[-1])))


def words(windows: Windows, x: Floats, y: Floats) -> NDArray[np.int64]:
    return np.array(pool(windows, x.shape[1], y.shape[1]), np.int64)


def places(windows: Windows, images: int) -> tuple[int, ...]:
    return (images, *windows.space, windows.channels)


def outputs(windows: Windows, images: int) -> tuple[int, ...]:
    return (images, *windows.counts, windows.channels)


def room(memory: Memory, shape: tuple[int, ...]) -> Floats:
    rows = int(np.prod(shape[:-1]))
    return memory.room(-(-shape[-1] // 16), stride(rows))


def read(laid: Floats, shape: tuple[int, ...]) -> Floats:
    rows = int(np.prod(shape[:-1]))
    assert np.isnan(laid[:, 16 * rows :]).all()
    return from_panels(laid, rows, shape[-1]).reshape(shape)


def test_the_words_are_numbered_as_they_are_listed() -> None:
    assert pooling.FIELDS == POOL_FIELDS
    assert [getattr(pooling, name.upper()) for name in POOL_FIELDS] == list(range(len(POOL_FIELDS)))


@pytest.mark.parametrize("level", LEVELS)
@given(windows=pools(), images=st.integers(1, 3), rounded=st.booleans())
@modest
def test_max_pool(level: str, windows: Windows, images: int, rounded: bool) -> None:
    x = normal(*places(windows, images))
    x = np.round(x) if rounded else x
    x[0, 0, 0, 0] = np.nan
    memory = Memory()
    laid, y = panels(memory, x), room(memory, outputs(windows, images))
    taps = memory.place(np.full(outputs(windows, images), -9, np.int32))
    call(hand_written(level)["max_pool"], laid, y, taps, words(windows, laid, y), images)
    memory.check()
    inside = seen(windows, np.ones_like(x))
    of_window = np.where(inside == 1, seen(windows, x), -np.inf)
    assert np.array_equal(read(y, outputs(windows, images)), of_window.max(3), equal_nan=True)
    assert np.array_equal(taps, of_window.argmax(3))


@pytest.mark.parametrize("level", LEVELS)
@given(windows=pools(), images=st.integers(1, 3))
@modest
def test_put_window(level: str, windows: Windows, images: int) -> None:
    dy = normal(*outputs(windows, images))
    inside = seen(windows, np.ones(places(windows, images)))
    chosen = np.where(inside == 1, seen(windows, normal(*places(windows, images))), -np.inf).argmax(3)
    memory = Memory()
    laid, dx = panels(memory, dy), room(memory, places(windows, images))
    taps = memory.place(np.append(chosen.astype(np.int32).ravel(), [0] * 15).astype(np.int32))
    call(hand_written(level)["put_window"], laid, taps, dx, words(windows, dx, laid), images)
    memory.check()
    hits = chosen[:, :, :, None] == np.arange(windows.taps)[:, None]
    exact = put_back(windows, hits * dy[:, :, :, None].astype(np.float64))
    assert np.allclose(read(dx, places(windows, images)), exact, atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=pools(), images=st.integers(1, 3))
@modest
def test_sum_pool_and_the_way_back(level: str, windows: Windows, images: int) -> None:
    x, dy = normal(*places(windows, images)), normal(*outputs(windows, images))
    memory, kernel = Memory(), hand_written(level)["sum_pool"]
    source, y = panels(memory, x), room(memory, outputs(windows, images))
    call(kernel, source, y, words(windows, source, y), images, 0)
    assert np.allclose(read(y, outputs(windows, images)), seen(windows, x).sum(3), atol=1e-5)
    given_back, dx = panels(memory, dy), room(memory, places(windows, images))
    call(kernel, dx, given_back, words(windows, dx, given_back), images, 1)
    memory.check()
    terms = np.repeat(dy[:, :, :, None].astype(np.float64), windows.taps, axis=3)
    assert np.allclose(read(dx, places(windows, images)), put_back(windows, terms), atol=1e-5)


def test_windows_apart_leave_zeros_between_them() -> None:
    windows = Windows((5, 5), 3, 3, (1, 1), (2, 2))
    memory = Memory()
    dy, dx = panels(memory, np.ones((1, 3, 3, 3), np.float32)), room(memory, places(windows, 1))
    call(hand_written(LEVELS[0])["sum_pool"], dx, dy, words(windows, dx, dy), 1, 1)
    assert read(dx, places(windows, 1)).sum() == 27
