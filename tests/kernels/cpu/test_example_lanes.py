"""Convolutions, pools and sums with an example in each lane, against sums over windows in float64."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netdsl.kernels.cpu import example_lanes, example_tiles
from netdsl.lowering.cpu import example_windows
from netdsl.lowering.cpu.geometry import Windows, pool
from tests.kernels.cpu.bench import LEVELS, Floats, Memory, call, from_panels, hand_written, in_panels, stride
from tests.kernels.cpu.test_convolution import all_windows, is_sum, kernel_shape, put_back, seen, weights
from tests.kernels.cpu.test_pooling import pools
from tests.kernels.cpu.test_products import normal

modest = settings(max_examples=40, deadline=None)
LENET = (
    Windows((28, 28), 1, 6, (5, 5), (1, 1), (2, 2), (2, 2)),
    Windows((14, 14), 6, 16, (5, 5)),
)


def laid(memory: Memory, values: NDArray[Any]) -> NDArray[Any]:
    """Place values with an example in each lane; lanes without one are not a number, or no tap."""
    groups = -(-len(values) // 16)
    nothing = np.nan if values.dtype == np.float32 else -7
    full = np.full((16 * groups, *values.shape[1:]), nothing, values.dtype)
    full[: len(values)] = values
    return memory.place(np.moveaxis(full.reshape(groups, 16, *values.shape[1:]), 1, -1).copy())


def room(memory: Memory, examples: int, *shape: int) -> Floats:
    return memory.room(-(-examples // 16), *shape, 16)


def read(values: NDArray[Any], examples: int) -> NDArray[Any]:
    return np.moveaxis(values, -1, 1).reshape(-1, *values.shape[1:-1])[:examples]


def words(description: list[int]) -> NDArray[np.int64]:
    return np.array(description, np.int64)


def run_forward(level: str, windows: Windows, x: Floats, w: Floats) -> Floats:
    memory, kernels = Memory(), hand_written(level)
    y = room(memory, len(x), *windows.counts, windows.outputs)
    description = words(example_windows.forward(windows))
    call(kernels["example_convolution"], laid(memory, x), weights(memory, w), y, description, len(y))
    memory.check()
    return read(y, len(x))


def run_back(level: str, windows: Windows, dy: Floats, w: Floats) -> Floats:
    memory, kernels = Memory(), hand_written(level)
    panels = -(-windows.channels // 16)
    turned = memory.room(panels, windows.taps * windows.outputs * 16)
    numbers = windows.taps, windows.channels, windows.outputs, 0, panels
    call(kernels["turn_kernel"], weights(memory, w), turned, *numbers)
    dx = room(memory, len(dy), *windows.space, windows.channels)
    description = words(example_windows.backward(windows))
    call(kernels["example_convolution"], laid(memory, dy), turned, dx, description, len(dx))
    memory.check()
    return read(dx, len(dy))


def run_gradient(level: str, windows: Windows, x: Floats, dy: Floats) -> Floats:
    """Return the sums of each group of 16 examples: [groups, taps, channels, outputs]."""
    memory = Memory()
    lines, panels = windows.taps * windows.channels, -(-windows.outputs // 16)
    parts = memory.room(-(-len(x) // 16), panels, lines * 16)
    sums = memory.room(lines * windows.outputs * 16)
    description = words(example_windows.gradient(windows))
    call(
        hand_written(level)["example_gradient"],
        laid(memory, x), laid(memory, dy), parts, description, sums, len(x), panels * lines * 16,
    )  # fmt: skip
    memory.check()
    groups = [from_panels(part, lines, windows.outputs).reshape(kernel_shape(windows)) for part in parts]
    return np.stack(groups)


def test_the_words_are_counted_as_they_are_listed() -> None:
    assert len(example_lanes.FIELDS) == example_lanes.HEADER == example_windows.HEADER
    assert [getattr(example_lanes, name.upper()) for name in example_lanes.FIELDS] == list(
        range(len(example_lanes.FIELDS))
    )
    assert len(example_lanes.PART_FIELDS) == example_lanes.PART == example_windows.PART
    assert example_lanes.SUMS_HEADER == example_windows.SUMS_HEADER
    assert example_lanes.SUMS_PART == example_windows.SUMS_PART
    assert example_tiles.ENTRY == 3


@pytest.mark.parametrize("level", LEVELS)
@given(windows=all_windows(), examples=st.integers(1, 35))
@modest
def test_convolution(level: str, windows: Windows, examples: int) -> None:
    x, w = normal(examples, *windows.space, windows.channels), normal(*kernel_shape(windows))
    of_window = seen(windows, x)
    exact = np.einsum("nijtc,tco->nijo", of_window, w, optimize=True)
    sizes = np.einsum("nijtc,tco->nijo", np.abs(of_window), np.abs(w), optimize=True)
    assert is_sum(run_forward(level, windows, x, w), exact, sizes, windows.taps * windows.channels)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=all_windows(), examples=st.integers(1, 35))
@modest
def test_convolution_back(level: str, windows: Windows, examples: int) -> None:
    dy, w = normal(examples, *windows.counts, windows.outputs), normal(*kernel_shape(windows))
    exact, sizes = (
        put_back(windows, np.einsum("nijo,tco->nijtc", a, b, optimize=True))
        for a, b in ((dy.astype(np.float64), w), (np.abs(dy.astype(np.float64)), np.abs(w)))
    )
    assert is_sum(run_back(level, windows, dy, w), exact, sizes, windows.taps * windows.outputs)


@pytest.mark.parametrize("level", LEVELS)
@given(windows=all_windows(), examples=st.integers(1, 35))
@modest
def test_convolution_gradient(level: str, windows: Windows, examples: int) -> None:
    x = normal(examples, *windows.space, windows.channels)
    dy = normal(examples, *windows.counts, windows.outputs)
    found = run_gradient(level, windows, x, dy)
    for group, sums in enumerate(found):
        of_window, given = seen(windows, x)[16 * group : 16 * group + 16], dy[16 * group : 16 * group + 16]
        exact = np.einsum("nijtc,nijo->tco", of_window, given, optimize=True)
        sizes = np.einsum("nijtc,nijo->tco", np.abs(of_window), np.abs(given), optimize=True)
        assert is_sum(sums, exact, sizes, 16 * int(np.prod(windows.counts)))


def test_bits_do_not_depend_on_the_width_of_registers() -> None:
    fused = [level for level in LEVELS if level != "generic"]
    for windows in (*LENET, replace(LENET[1], strides=(2, 2), before=(1, 2))):
        x, w = normal(20, *windows.space, windows.channels), normal(*kernel_shape(windows))
        dy = normal(20, *windows.counts, windows.outputs)
        results = {
            (
                run_forward(level, windows, x, w).tobytes(),
                run_back(level, windows, dy, w).tobytes(),
                run_gradient(level, windows, x, dy).tobytes(),
            )
            for level in fused
        }
        assert len(results) <= 1


@pytest.mark.parametrize("level", LEVELS)
@given(windows=pools(), examples=st.integers(1, 20))
@modest
def test_pools(level: str, windows: Windows, examples: int) -> None:
    rng = np.random.default_rng(examples)
    shape = (examples, *windows.space, windows.channels)
    x = rng.integers(1, 5, shape).astype(np.float32)
    x[rng.random(shape) < 0.05] = np.nan
    memory, kernels = Memory(), hand_written(level)
    behind = (*windows.counts, windows.channels)
    y, taps = room(memory, examples, *behind), room(memory, examples, *behind).view(np.int32)
    description = words([*map(int, pool(windows, 0, 0))])  # type: ignore[arg-type]
    given = laid(memory, x)
    call(kernels["example_max_pool"], given, y, taps, description, len(y))
    inside = seen(windows, np.ones_like(x)) > 0
    of_window = np.where(inside, seen(windows, np.nan_to_num(x, nan=9.0)), -1.0)
    tap = of_window.argmax(axis=3)
    best = np.take_along_axis(seen(windows, np.nan_to_num(x, nan=9.0)), tap[:, :, :, None], 3)[:, :, :, 0]
    np.testing.assert_array_equal(np.nan_to_num(read(y, examples), nan=9.0), best)
    np.testing.assert_array_equal(read(taps, examples), tap)
    alone = room(memory, examples, *behind)
    call(kernels["example_max_pool"], given, alone, 0, description, len(y))
    np.testing.assert_array_equal(read(alone, examples), read(y, examples))

    dy = rng.normal(size=(examples, *behind)).astype(np.float32)
    dx = room(memory, examples, *windows.space, windows.channels)
    call(kernels["example_put_window"], laid(memory, dy), taps, dx, description, len(dx))
    terms = np.zeros(of_window.shape)
    np.put_along_axis(terms, tap[:, :, :, None], dy[:, :, :, None].astype(np.float64), 3)
    np.testing.assert_allclose(read(dx, examples), put_back(windows, terms), atol=1e-5)

    x = np.nan_to_num(x)
    call(kernels["example_sum_pool"], laid(memory, x), y, description, len(y), 0)
    np.testing.assert_allclose(read(y, examples), seen(windows, x).sum(3), rtol=1e-6)
    call(kernels["example_sum_pool"], dx, laid(memory, dy), description, len(y), 1)
    terms = np.where(inside, dy[:, :, :, None], 0.0)
    np.testing.assert_allclose(read(dx, examples), put_back(windows, terms), atol=1e-4)
    memory.check()


@pytest.mark.parametrize("level", LEVELS)
@given(examples=st.integers(1, 40), places=st.integers(2, 30), channels=st.integers(1, 37))
@modest
def test_sums_over_places(level: str, examples: int, places: int, channels: int) -> None:
    memory, x = Memory(), normal(examples, places, channels)
    sums = memory.room(-(-channels // 16), stride(examples))
    call(
        hand_written(level)["example_place_sums"],
        laid(memory, x), places, channels, sums, sums.shape[1], examples,
    )  # fmt: skip
    memory.check()
    found = from_panels(sums, examples, channels)
    assert is_sum(found, x.astype(np.float64).sum(1), np.abs(x.astype(np.float64)).sum(1), places)


@pytest.mark.parametrize("level", LEVELS)
@given(examples=st.integers(1, 40), width=st.integers(1, 70), in_rows=st.booleans())
@modest
def test_examples_are_turned_into_lanes_and_back(
    level: str, examples: int, width: int, in_rows: bool
) -> None:
    memory, x, kernels = Memory(), normal(examples, width), hand_written(level)
    given = memory.place(x if in_rows else in_panels(x))
    row, panel = (width, 16) if in_rows else (16, given.shape[1])
    lanes = room(memory, examples, width)
    call(kernels["to_examples"], given, row, panel, lanes, width, examples)
    np.testing.assert_array_equal(read(lanes, examples), x)
    back = memory.room(*given.shape)
    call(kernels["from_examples"], lanes, back, row, panel, width, examples)
    memory.check()
    np.testing.assert_array_equal(back if in_rows else from_panels(back, examples, width), x)
