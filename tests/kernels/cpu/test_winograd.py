"""Convolutions by transformed tiles and their adjoints, against sums over windows.

What rounding can make of a result is told by the transforms of absolute values: each of the numbers that are
summed up is rounded a few times on its way, and the sums are those of larger numbers than the windows see.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu import winograd as kernels
from netdsl.kernels.cpu import winograd_transforms
from netdsl.lowering.cpu import winograd
from netdsl.lowering.cpu.geometry import Windows
from tests.kernels.cpu.bench import LEVELS, Floats, Memory, call, from_panels, hand_written, stride
from tests.kernels.cpu.test_convolution import Exact, placed, put_back, seen, weights, words
from tests.kernels.cpu.test_products import normal

OF_PLACES = (
    np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float),
    np.array(
        [
            [1, -1.5, -2, 1.5, 1, 0], [0, -1, 0.5, 2.5, 1, 0], [0, 1, -2.5, 0.5, 1, 0],
            [0, -2, -1, 2, 1, 0], [0, 0.5, -1, -0.5, 1, 0], [0, 1, -1.5, -2, 1.5, 1],
        ]
    ),
)  # fmt: skip
OF_WEIGHTS = (
    np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], float),
    np.array([[15, 0, 0], [5, 5, 5], [-5, 5, -5], [-16, -8, -4], [1, -2, 4], [0, 0, 15]]) / 15,
)
TO_OUTPUTS = (
    np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float),
    np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 0.5, -2, 0], [0, 1, 1, 0.25, 4, 0], [0, 1, -1, 0.125, -8, 1]]),
)
"""Each for the axis down a tile and that across."""

TRANSFORMS = 20
"""Roundings of a number by the transforms, at most."""


@st.composite
def windows_of_three(draw: Any) -> Windows:
    ends = st.tuples(st.integers(0, 2), st.integers(0, 2))
    before, after = draw(ends), draw(ends)
    space = draw(st.tuples(st.integers(3, 17), st.integers(3, 17)))
    return Windows(
        space, draw(st.integers(1, 40)), draw(st.integers(1, 40)), (3, 3), (1, 1), before, after
    )  # fmt: skip


Matrices = tuple[Exact, Exact]


def tiles_of(windows: Windows, images: NDArray[Any], more: int) -> Exact:
    """Return tiles of 2 by 4 places and so many `more`: [images, down, across, height, width, channels]."""
    counts = [-(-windows.counts[i] // step) for i, step in enumerate((2, 4))]
    before = windows.before if more else (0, 0)
    pads = [
        (before[i], max(0, step * counts[i] + more - images.shape[1 + i] - before[i]))
        for i, step in enumerate((2, 4))
    ]
    wide = np.pad(images.astype(np.float64), [(0, 0), *pads, (0, 0)])
    down, across = (range(0, step * counts[i], step) for i, step in enumerate((2, 4)))
    rows = [np.stack([wide[:, i : i + 2 + more, j : j + 4 + more] for j in across], 1) for i in down]
    return np.stack(rows, 1)


def transformed(transforms: Matrices, squares: Exact) -> Exact:
    """Return the transforms of squares, of which rows and columns are the axes before the last."""
    down, across = transforms
    found: Exact = np.einsum("ai,...ijc,bj->...abc", down, squares, across, optimize=True)
    return found


def without_signs(matrices: Matrices, *, turned: bool = False) -> Matrices:
    down, across = (np.abs(each.T if turned else each) for each in matrices)
    return down, across


def sizes_of_outputs(windows: Windows, x: NDArray[Any], w: NDArray[Any]) -> Exact:
    """Return what an output would be if all of its terms had one sign."""
    of_x = transformed(without_signs(OF_PLACES), np.abs(tiles_of(windows, x, 2)))
    squares = np.abs(w.astype(np.float64)).reshape(3, 3, -1)
    of_w = transformed(without_signs(OF_WEIGHTS), squares).reshape(4, 6, *w.shape[1:])
    sums = np.einsum("ntuabc,abco->ntuabo", of_x, of_w, optimize=True)
    made = transformed(without_signs(TO_OUTPUTS), sums)
    n, down, across = made.shape[:3]
    images = made.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * down, 4 * across, -1)
    return images[:, : windows.counts[0], : windows.counts[1]]


def is_near(found: NDArray[Any], exact: Exact, sizes: Exact, terms: int) -> bool:
    return bool(np.all(np.abs(found - exact) <= (terms + TRANSFORMS) * 2.0**-23 * sizes + 1e-30))


def transformed_weights(level: str, memory: Memory, w: Floats, *, back: bool) -> Floats:
    """Return weights as tiles read them, a panel after the other."""
    panels, depth = -(-w.shape[2] // 16), w.shape[1]
    u, given, middle = memory.room(panels, winograd.FREQUENCIES * depth * 16), weights(memory, w), panels // 2
    for first, last in ((0, middle), (middle, panels)):
        call(hand_written(level)["winograd_kernel"], given, u, depth, int(back), first, last)
    memory.check()
    return u


def run_forward(level: str, windows: Windows, x: Floats, w: Floats, *, back: bool = False) -> Floats:
    """Run the kernel on some images, then on the others."""
    memory, (down, across) = Memory(), windows.counts
    rows, panels = len(x) * down * across, -(-windows.outputs // 16)
    left, lying = placed(memory, x, False)
    y, u = memory.room(panels, stride(rows)), transformed_weights(level, memory, w, back=back)
    described = winograd.convolution(windows, lying, stride(rows))
    scratch, half = memory.room(described.scratch), len(x) // 2
    places = windows.space[0] * windows.space[1]
    for first, last in ((0, half), (half, len(x))):
        source, target = left.ctypes.data + 64 * places * first, y.ctypes.data + 64 * down * across * first
        call(hand_written(level)["winograd"], source, u, target, words(described), scratch, last - first)
    memory.check()
    assert np.isnan(y[:, rows * 16 :]).all()
    return from_panels(y, rows, windows.outputs).reshape(len(x), down, across, -1)


def run_back(level: str, windows: Windows, dy: Floats, w: Floats) -> Floats:
    """Run the same kernel on dY, with turned weights."""
    assert windows.mirrored is not None
    return run_forward(level, windows.mirrored, dy, w.transpose(0, 2, 1).copy(), back=True)


def run_gradient(level: str, windows: Windows, x: Floats, dy: Floats) -> Floats:
    """Run the kernel on the first image, then on the others, and add what it gives."""
    memory, panels = Memory(), -(-windows.outputs // 16)
    left, lying = placed(memory, x, False)
    right, _ = placed(memory, dy, False)
    lines = 9 * windows.channels
    dw, parts = memory.room(panels, lines * 16), memory.room(panels, lines * 16)
    described = winograd.gradient(windows, lying, stride(len(dy) * dy.shape[1] * dy.shape[2]), len(x))
    scratch = memory.room(described.scratch)
    places, outputs = (64 * int(np.prod(each)) for each in (windows.space, windows.counts))
    for first, last in ((0, 1), (1, len(x)))[: len(x)]:
        images = left.ctypes.data + places * first, right.ctypes.data + outputs * first
        numbers = dw, parts, words(described), scratch, last - first, first
        call(hand_written(level)["winograd_gradient"], *images, *numbers)
    memory.check()
    total, more = (from_panels(each, lines, windows.outputs) for each in (dw, parts))
    return (total + more if len(x) > 1 else total).reshape(9, windows.channels, windows.outputs)


def test_the_words_are_numbered_as_they_are_listed() -> None:
    assert [getattr(kernels, name.upper()) for name in kernels.WINOGRAD_FIELDS] == list(range(16))
    assert winograd_transforms.SPREAD == winograd.SPREAD


@pytest.mark.parametrize("level", LEVELS)
@given(windows=windows_of_three())
@settings(max_examples=20, deadline=None)
def test_convolution(level: str, windows: Windows) -> None:
    x, w = normal(3, *windows.space, windows.channels), normal(9, windows.channels, windows.outputs)
    found = run_forward(level, windows, x, w)
    exact = np.einsum("nijtc,tco->nijo", seen(windows, x), w, optimize=True)
    assert is_near(found, exact, sizes_of_outputs(windows, x, w), windows.channels)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=windows_of_three())
@settings(max_examples=20, deadline=None)
def test_convolution_back(level: str, windows: Windows) -> None:
    dy, w = normal(2, *windows.counts, windows.outputs), normal(9, windows.channels, windows.outputs)
    found = run_back(level, windows, dy, w)
    terms = np.einsum("nijo,tco->nijtc", dy.astype(np.float64), w, optimize=True)
    assert windows.mirrored is not None
    sizes = sizes_of_outputs(windows.mirrored, dy, w[::-1].transpose(0, 2, 1))
    assert is_near(found, put_back(windows, terms), sizes, windows.outputs)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=windows_of_three())
@settings(max_examples=20, deadline=None)
def test_convolution_gradient(level: str, windows: Windows) -> None:
    x, dy = normal(4, *windows.space, windows.channels), normal(4, *windows.counts, windows.outputs)
    found = run_gradient(level, windows, x, dy)
    exact = np.einsum("nijtc,nijo->tco", seen(windows, x), dy, optimize=True)
    of_x = transformed(without_signs(OF_PLACES), np.abs(tiles_of(windows, x, 2)))
    of_dy = transformed(without_signs(TO_OUTPUTS, turned=True), np.abs(tiles_of(windows, dy, 0)))
    sums = np.einsum("ntuabc,ntuabo->abco", of_x, of_dy, optimize=True)
    sizes = transformed(without_signs(OF_WEIGHTS, turned=True), sums.reshape(4, 6, -1))
    assert is_near(found, exact, sizes.reshape(exact.shape), of_x.shape[1] * of_x.shape[2] * len(x) + 1)


@pytest.mark.parametrize("images", [1, 3, 64])
@pytest.mark.parametrize(
    ("space", "channels", "outputs"),
    [((8, 8), 64, 64), ((7, 130), 17, 32), ((1, 5), 16, 16), ((16, 16), 32, 48)],
)
def test_any_number_of_images(images: int, space: tuple[int, int], channels: int, outputs: int) -> None:
    windows = Windows(space, channels, outputs, (3, 3), (1, 1), (1, 1), (1, 1))
    x, w = normal(images, *space, channels), normal(9, channels, outputs)
    dy = normal(images, *space, outputs)
    exact = np.einsum("nijtc,tco->nijo", seen(windows, x), w, optimize=True)
    assert np.abs(run_forward(LEVELS[0], windows, x, w) - exact).max() <= 2e-6 * np.abs(exact).max()
    exact = np.einsum("nijtc,nijo->tco", seen(windows, x), dy, optimize=True)
    assert np.abs(run_gradient(LEVELS[0], windows, x, dy) - exact).max() <= 2e-5 * np.abs(exact).max()


def test_what_is_not_finite_stays_in_its_tiles() -> None:
    windows = Windows((7, 10), 17, 33, (3, 3), (1, 1), (1, 1), (1, 1))
    x, w = normal(3, 7, 10, 17), normal(9, 17, 33)
    found = run_forward(LEVELS[0], windows, x, w)
    for bad in (np.nan, np.inf):
        spoiled = x.copy()
        # Tiles see rows -1 to 2, 1 to 4 and so on, and columns -1 to 4, 3 to 8 and so on.
        spoiled[1, 2, 1, 16] = bad
        given = run_forward(LEVELS[0], windows, spoiled, w)
        same = np.isfinite(given)
        assert not same[1, 1:4, 0:3].any()
        assert all(part.all() for part in (same[[0, 2]], same[1, 4:], same[1, :, 4:]))
        np.testing.assert_array_equal(given[same], found[same])


def test_bits_do_not_depend_on_the_width_of_registers() -> None:
    fused = [level for level in LEVELS if level != "generic"]
    windows = Windows((13, 11), 21, 35, (3, 3), (1, 1), (1, 1), (1, 1))
    x, w, dy = normal(2, 13, 11, 21), normal(9, 21, 35), normal(2, 13, 11, 35)
    results = {
        (
            run_forward(level, windows, x, w).tobytes(),
            run_back(level, windows, dy, w).tobytes(),
            run_gradient(level, windows, x, dy).tobytes(),
        )
        for level in fused
    }
    assert len(results) == 1
