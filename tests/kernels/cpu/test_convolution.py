"""Convolutions of images and their adjoints, against sums over windows."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu import convolution, halves, windowed
from netdsl.lowering.cpu import geometry, gradients
from netdsl.lowering.cpu.geometry import Description, Images, Windows
from tests.kernels.cpu.bench import LEVELS, Floats, Memory, call, from_panels, hand_written, in_panels, stride
from tests.kernels.cpu.test_products import gapless, normal

Exact = NDArray[np.float64]
modest = settings(max_examples=40, deadline=None)


def windows_of(draw: Any, *, lanewise: bool = False) -> Windows:
    """Draw windows that see a place at least."""
    two = st.tuples
    size = draw(two(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(two(st.integers(1, 2), st.integers(1, 2)))
    before = draw(two(st.integers(0, 3), st.integers(0, 3)))
    after = draw(two(st.integers(0, 3), st.integers(0, 3)))
    most = [max(1, dilation[i] * (size[i] - 1) + 1 - before[i] - after[i]) for i in (0, 1)]
    space = draw(two(*(st.integers(each, each + 18) for each in most)))
    channels = draw(st.integers(1, 37))
    return Windows(
        space, channels, channels if lanewise else draw(st.integers(1, 37)), size,
        draw(two(st.integers(1, 3), st.integers(1, 3))), before, after, dilation, lanewise,
    )  # fmt: skip


@st.composite
def all_windows(draw: Any) -> Windows:
    return windows_of(draw)


@st.composite
def lanewise_windows(draw: Any) -> Windows:
    return windows_of(draw, lanewise=True)


def tap_places(windows: Windows, tap: int) -> tuple[slice, slice, slice]:
    """Return where a tap of the windows lies in images between zeros."""
    starts = [at * by for at, by in zip(divmod(tap, windows.size[1]), windows.dilation, strict=True)]
    down, across = (
        slice(start, start + stride * count, stride)
        for start, stride, count in zip(starts, windows.strides, windows.counts, strict=True)
    )
    return slice(None), down, across


def seen(windows: Windows, x: NDArray[Any]) -> Exact:
    """Return what each window sees: [images, down, across, taps, channels]."""
    zeros = [(0, 0), *zip(windows.before, windows.after, strict=True), (0, 0)]
    wide = np.pad(x.astype(np.float64), zeros)
    return np.stack([wide[tap_places(windows, tap)] for tap in range(windows.taps)], axis=3)


def put_back(windows: Windows, terms: Exact) -> Exact:
    """Return the sums over windows of what each gives to the places it sees: the adjoint of `seen`."""
    top, left = windows.before
    height, width = (windows.space[i] + windows.before[i] + windows.after[i] for i in (0, 1))
    wide = np.zeros((len(terms), height, width, terms.shape[-1]))
    for tap in range(windows.taps):
        wide[tap_places(windows, tap)] += terms[:, :, :, tap]
    return wide[:, top : top + windows.space[0], left : left + windows.space[1]]


def is_sum(found: NDArray[Any], exact: Exact, sizes: Exact, terms: int) -> bool:
    """Tell whether sums differ from exact ones by no more than rounding each term can make them."""
    return bool(np.all(np.abs(found - exact) <= (terms + 2) * 2.0**-23 * sizes + 1e-30))


def words(description: Description) -> NDArray[np.int64]:
    return np.array(description.words, np.int64)


def matrix(images: NDArray[Any]) -> NDArray[Any]:
    return images.reshape(-1, images.shape[-1])


def weights(memory: Memory, w: NDArray[Any]) -> Floats:
    return memory.place(gapless(matrix(w)))


def placed(memory: Memory, values: NDArray[Any], row_major: bool) -> tuple[Floats, Images]:
    """Place images; tell how they lie."""
    flat = matrix(values)
    group = None if row_major else stride(len(flat))
    laid = memory.place(flat if row_major else in_panels(flat))
    return laid, Images((values.shape[1], values.shape[2]), values.shape[3], group)


def kernel_shape(windows: Windows) -> tuple[int, ...]:
    if windows.lanewise:
        return (windows.taps, windows.outputs)
    return (windows.taps, windows.channels, windows.outputs)


def halved(level: str, memory: Memory, windows: Windows, w: Floats, *, back: bool) -> Floats:
    """Return weights as tiles read them whose lines are two places."""
    depth = windows.outputs if back else windows.channels
    target = memory.room(windows.size[0] * (windows.size[1] + 1) * depth * 16)
    call(hand_written(level)["halve_kernel"], w, target, *windows.size, depth, int(back))
    memory.check()
    return target


def run_forward(
    level: str, windows: Windows, x: Floats, w: Floats, bias: Floats | None, row_major: bool = False
) -> Floats:
    memory = Memory()
    images, (down, across), panels = len(x), windows.counts, -(-windows.outputs // 16)
    rows = images * down * across
    left, lying = placed(memory, x, row_major)
    y = memory.room(panels, stride(rows))
    description = geometry.forward(windows, lying, stride(rows))
    start: Any = 0 if bias is None else memory.place(np.resize(bias, panels * 16))
    half, scratch = images // 2, memory.room(max(1, images * description.scratch))
    kernel = hand_written(level)[f"convolution{'_in_halves' * windows.in_halves}"]
    laid = weights(memory, w)
    if windows.in_halves:
        laid = halved(level, memory, windows, laid, back=False)
    for first, last in ((0, half), (half, images)):
        call(kernel, left, laid, y, start, words(description), scratch, first, last, 0, panels)
    memory.check()
    assert np.isnan(y[:, rows * 16 :]).all()
    return from_panels(y, rows, windows.outputs).reshape(images, down, across, -1)


def run_back(level: str, windows: Windows, dy: Floats, w: Floats) -> Floats:
    memory = Memory()
    images, (height, width), panels = len(dy), windows.space, -(-windows.channels // 16)
    rows = images * height * width
    right, lying = placed(memory, dy, False)
    assert lying.group is not None
    kernels = hand_written(level)
    turned = weights(memory, w)
    if not windows.lanewise:
        given, turned = turned, memory.room(panels, windows.taps * windows.outputs * 16)
        call(
            kernels["turn_kernel"],
            given, turned, windows.taps, windows.channels, windows.outputs, 0, panels,
        )  # fmt: skip
        memory.check()
    if windows.back_in_halves:
        turned = halved(level, memory, windows, turned, back=True)
    dx = memory.room(panels, stride(rows))
    description = geometry.backward(windows, lying.group, stride(rows))
    scratch = memory.room(max(1, images * description.scratch))
    kernel = kernels[f"convolution{'_in_halves' * windows.back_in_halves}"]
    call(kernel, right, turned, dx, 0, words(description), scratch, 0, images, 0, panels)
    memory.check()
    assert np.isnan(dx[:, rows * 16 :]).all()
    return from_panels(dx, rows, windows.channels).reshape(images, height, width, -1)


def run_gradient(level: str, windows: Windows, x: Floats, dy: Floats, row_major: bool = False) -> Floats:
    memory = Memory()
    left, lying = placed(memory, x, row_major)
    right, _ = placed(memory, dy, False)
    shape = kernel_shape(windows)
    lines = int(np.prod(shape[:-1]))
    dw = memory.room(-(-windows.outputs // 16), lines * 16)
    if windows.in_halves and row_major:
        described = gradients.gradient_in_halves(windows, lying, stride(len(matrix(dy))))
        room = memory.room(described.scratch)
        call(
            hand_written(level)["gradient_in_halves"], left, right, dw, words(described), room, len(x)
        )  # fmt: skip
        memory.check()
        return from_panels(dw, lines, windows.outputs).reshape(shape)
    description = gradients.gradient(windows, lying, stride(len(matrix(dy))))
    scratch = memory.room(max(1, description.scratch))
    middle = lines // 2 if windows.lanewise or row_major else lines // windows.taps
    for p, (first, last) in product(range(len(dw)), ((0, middle), (middle, lines))):
        call(
            hand_written(level)["convolution_gradient"],
            left[p] if windows.lanewise else left, right[p], dw.ctypes.data + 64 * (p * lines + first),
            words(description), scratch, len(x), first, last,
        )  # fmt: skip
    memory.check()
    return from_panels(dw, lines, windows.outputs).reshape(shape)


def test_the_words_are_numbered_as_they_are_listed() -> None:
    assert [getattr(convolution, name.upper()) for name in convolution.FIELDS] == list(
        range(len(convolution.FIELDS))
    )
    assert convolution.HEADER == geometry.HEADER == len(convolution.FIELDS)
    assert convolution.PART == geometry.PART == len(convolution.PART_FIELDS)
    assert convolution.BLOCK == geometry.BLOCK == len(convolution.BLOCK_FIELDS)
    assert len(halves.HALVED_FIELDS) == geometry.HALVED_FIELDS
    assert (windowed.LANEWISE, windowed.HALVED) == (geometry.LANEWISE, geometry.HALVED)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=all_windows(), row_major=st.booleans(), biased=st.booleans())
@modest
def test_convolution(level: str, windows: Windows, row_major: bool, biased: bool) -> None:
    x, w = normal(3, *windows.space, windows.channels), normal(*kernel_shape(windows))
    bias = normal(windows.outputs) if biased else None
    found = run_forward(level, windows, x, w, bias, row_major)
    of_window, more = seen(windows, x), 0 if bias is None else bias.astype(np.float64)
    exact = np.einsum("nijtc,tco->nijo", of_window, w, optimize=True) + more
    sizes = np.einsum("nijtc,tco->nijo", np.abs(of_window), np.abs(w), optimize=True) + np.abs(more)
    assert is_sum(found, exact, sizes, windows.taps * windows.channels + 1)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=all_windows())
@modest
def test_convolution_back(level: str, windows: Windows) -> None:
    dy, w = normal(2, *windows.counts, windows.outputs), normal(*kernel_shape(windows))
    found = run_back(level, windows, dy, w)
    exact, sizes = (
        put_back(windows, np.einsum("nijo,tco->nijtc", a, b, optimize=True))
        for a, b in ((dy.astype(np.float64), w), (np.abs(dy.astype(np.float64)), np.abs(w)))
    )
    assert is_sum(found, exact, sizes, windows.taps * windows.outputs)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=all_windows(), row_major=st.booleans())
@modest
def test_convolution_gradient(level: str, windows: Windows, row_major: bool) -> None:
    x, dy = normal(3, *windows.space, windows.channels), normal(3, *windows.counts, windows.outputs)
    found = run_gradient(level, windows, x, dy, row_major)
    of_window = seen(windows, x)
    exact = np.einsum("nijtc,nijo->tco", of_window, dy, optimize=True)
    sizes = np.einsum("nijtc,nijo->tco", np.abs(of_window), np.abs(dy), optimize=True)
    assert is_sum(found, exact, sizes, 3 * int(np.prod(windows.counts)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("few", [1, 6, 8])
@pytest.mark.parametrize("space", [(7, 8), (5, 14), (9, 32), (1, 2), (6, 11)])
def test_two_places_share_a_line(level: str, few: int, space: tuple[int, int]) -> None:
    narrow = Windows(space, 3, few, (3, 5), (1, 1), (1, 2), (1, 2))
    wide = replace(narrow, channels=few, outputs=19)
    assert narrow.in_halves == wide.back_in_halves == (space[1] % 2 == 0)
    for row_major in (False, True):
        x, w = normal(3, *space, 3), normal(*kernel_shape(narrow))
        exact = np.einsum("nijtc,tco->nijo", seen(narrow, x), w)
        sizes = np.einsum("nijtc,tco->nijo", np.abs(seen(narrow, x)), np.abs(w))
        assert is_sum(run_forward(level, narrow, x, w, None, row_major), exact, sizes, 45)
    for channels, size in ((3, (3, 5)), (1, (5, 5)), (1, (3, 3)), (2, (2, 7)), (1, (7, 7))):
        windows = Windows(space, channels, few, size, (1, 1), (3, size[1] // 2), (3, (size[1] - 1) // 2))
        assert windows.in_halves == (space[1] % 2 == 0)
        x, dy = normal(3, *space, channels), normal(3, *windows.counts, few)
        found = run_gradient(level, windows, x, dy, row_major=True)
        exact, sizes = (
            np.einsum("nijtc,nijo->tco", seen(windows, a), b) for a, b in ((x, dy), (np.abs(x), np.abs(dy)))
        )
        assert is_sum(found, exact.astype(np.float64), sizes, 3 * int(np.prod(windows.counts)))
    dy, w = normal(3, *wide.counts, 19), normal(*kernel_shape(wide))
    found = run_back(level, wide, dy, w)
    exact, sizes = (
        put_back(wide, np.einsum("nijo,tco->nijtc", a, b))
        for a, b in ((dy.astype(np.float64), w), (np.abs(dy.astype(np.float64)), np.abs(w)))
    )
    assert is_sum(found, exact, sizes, 15 * 19)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=lanewise_windows())
@modest
def test_of_each_channel_alone(level: str, windows: Windows) -> None:
    x, w = normal(2, *windows.space, windows.channels), normal(*kernel_shape(windows))
    dy = normal(2, *windows.counts, windows.outputs)
    of_window, wide = seen(windows, x), dy.astype(np.float64)
    y = run_forward(level, windows, x, w, None)
    assert is_sum(y, (of_window * w).sum(3), np.abs(of_window * w).sum(3), windows.taps)
    dx, terms = run_back(level, windows, dy, w), wide[:, :, :, None] * w
    assert is_sum(dx, put_back(windows, terms), put_back(windows, np.abs(terms)), windows.taps)
    dw, terms = run_gradient(level, windows, x, dy), of_window * wide[:, :, :, None]
    sizes = np.abs(terms).sum((0, 1, 2))
    assert is_sum(dw, terms.sum((0, 1, 2)), sizes, 2 * int(np.prod(windows.counts)))


def test_bits_do_not_depend_on_the_width_of_registers() -> None:
    fused = [level for level in LEVELS if level != "generic"]
    windows = Windows((13, 11), 21, 35, (3, 3), (1, 1), (1, 1), (1, 1))
    x, w, dy = normal(2, 13, 11, 21), normal(9, 21, 35), normal(2, 13, 11, 35)
    for each in (windows, replace(windows, strides=(2, 2))):
        there = dy[:, : each.counts[0], : each.counts[1]].copy()
        results = {
            (
                run_forward(level, each, x, w, None).tobytes(),
                run_back(level, each, there, w).tobytes(),
                run_gradient(level, each, x, there).tobytes(),
            )
            for level in fused
        }
        assert len(results) <= 1
