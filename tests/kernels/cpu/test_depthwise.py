"""Convolutions of each channel by itself against sums written out in NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdsl.kernels.cpu import depthwise as kernels
from netdsl.lowering.cpu import depthwise
from netdsl.lowering.cpu.geometry import Windows
from tests.kernels.cpu.bench import LEVELS, Floats, Memory, call, hand_written
from tests.kernels.cpu.test_convolution import put_back, seen
from tests.kernels.cpu.test_pooling import outputs, panels, places, read, room
from tests.kernels.cpu.test_products import normal

modest = settings(max_examples=40, deadline=None)


@st.composite
def windows_of(draw: Any, sizes: tuple[int, ...] = (1, 2, 3, 5), widths: tuple[int, ...] = (3, 5)) -> Windows:
    """Draw windows of one channel that move one place at a time."""
    size = draw(st.sampled_from(sizes)), draw(st.sampled_from(widths))
    before, after = ((draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))) for _ in range(2))
    space = tuple(
        draw(st.integers(max(1, n - b - a), n + 18)) for n, b, a in zip(size, before, after, strict=True)
    )
    channels = draw(st.integers(2, 37))
    return Windows(space, channels, channels, size, (1, 1), before, after, lanewise=True)


def described(words: list[Any]) -> Any:
    return np.array(words, np.int64)


def test_the_words_are_numbered_as_they_are_listed() -> None:
    names = [name for name in kernels.FIELDS if name not in ("w_first", "w_step")]
    assert [getattr(kernels, name.upper()) for name in names] == list(range(len(names)))
    windows = Windows((4, 5), 3, 3, (3, 3), lanewise=True)
    assert len(depthwise.forward(windows, 0, 0)) == len(kernels.FIELDS)
    assert depthwise.WIDTHS == kernels.WIDTHS
    assert depthwise.GRADIENT == (kernels.GRADIENT, kernels.GRADIENT)


def weights(memory: Memory, w: Floats) -> Floats:
    """Lay weights (taps, channels) in panels without gaps."""
    taps, channels = w.shape
    padded = np.zeros((taps, -(-channels // 16) * 16), np.float32)
    padded[:, :channels] = w
    return memory.place(np.ascontiguousarray(padded.reshape(taps, -1, 16).swapaxes(0, 1)))


@pytest.mark.parametrize("level", LEVELS)
@given(windows=windows_of(), images=st.integers(1, 3))
@modest
def test_depthwise(level: str, windows: Windows, images: int) -> None:
    x = normal(*places(windows, images))
    w = normal(windows.taps, windows.channels)
    memory = Memory()
    laid, y, factors = panels(memory, x), room(memory, outputs(windows, images)), weights(memory, w)
    words = described(depthwise.forward(windows, laid.shape[1], y.shape[1]))
    call(hand_written(level)["depthwise"], laid, factors, y, words, images)
    memory.check()
    exact = (seen(windows, x.astype(np.float64)) * w[:, :]).sum(3)
    np.testing.assert_allclose(read(y, outputs(windows, images)), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=windows_of(), images=st.integers(1, 3))
@modest
def test_the_way_back(level: str, windows: Windows, images: int) -> None:
    dy = normal(*outputs(windows, images))
    w = normal(windows.taps, windows.channels)
    memory = Memory()
    laid, dx, factors = panels(memory, dy), room(memory, places(windows, images)), weights(memory, w)
    words = described(depthwise.backward(windows, laid.shape[1], dx.shape[1]))
    call(hand_written(level)["depthwise"], laid, factors, dx, words, images)
    memory.check()
    exact = put_back(windows, dy[..., None, :].astype(np.float64) * w)
    np.testing.assert_allclose(read(dx, places(windows, images)), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=windows_of((3,), (3,)), images=st.integers(1, 3))
@modest
def test_the_gradient_of_weights(level: str, windows: Windows, images: int) -> None:
    x, dy = normal(*places(windows, images)), normal(*outputs(windows, images))
    memory = Memory()
    laid, given_, dw = panels(memory, x), panels(memory, dy), memory.room(9, 16)
    words = described(depthwise.forward(windows, laid.shape[1], given_.shape[1]))
    call(hand_written(level)["depthwise_gradient"], laid, given_, dw, words, images)
    memory.check()
    exact = np.einsum("bijtc,bijc->tc", seen(windows, x.astype(np.float64)), dy)
    width = min(16, windows.channels)
    np.testing.assert_allclose(dw[:, :width], exact[:, :width], rtol=1e-3, atol=1e-3)


def test_bits_do_not_depend_on_the_registers() -> None:
    """Each sum is one chain: with AVX-512 and AVX2 it has the same bits."""
    windows = Windows((9, 11), 20, 20, (3, 3), (1, 1), (1, 1), (1, 1), lanewise=True)
    x, dy, w = normal(*places(windows, 2)), normal(*outputs(windows, 2)), normal(9, 20)
    found = []
    for level in (each for each in LEVELS if each != "generic"):
        memory = Memory()
        laid, given_, factors = panels(memory, x), panels(memory, dy), weights(memory, w)
        y, dw = room(memory, outputs(windows, 2)), memory.room(9, 16)
        words = described(depthwise.forward(windows, laid.shape[1], y.shape[1]))
        call(hand_written(level)["depthwise"], laid, factors, y, words, 2)
        call(hand_written(level)["depthwise_gradient"], laid, given_, dw, words, 2)
        found.append((read(y, outputs(windows, 2)).tobytes(), dw.tobytes()))
    assert len(set(found)) <= 1
