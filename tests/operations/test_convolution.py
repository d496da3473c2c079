"""Convolution and pooling said a second time, place by place, and the worked cases of the courses."""

import itertools
from typing import Any

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Run, Shape, evaluate
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from tests.operations.cases import CONVOLUTIONS, POOLS, Case, graph_of, windows
from tests.operations.test_meaning import apply


def convolved(x: np.ndarray, kernel: np.ndarray, case: Case) -> np.ndarray:
    """Sum over each window, one product after the other."""
    settings, groups = case.settings, case.settings["groups"]
    *size, inside, out = kernel.shape
    *space, _ = x.shape[1:]
    counts = [
        (extent + before + after - by * (width - 1) - 1) // stride + 1
        for extent, before, after, by, width, stride in zip(
            space,
            settings["before"],
            settings["after"],
            settings["dilation"],
            size,
            settings["strides"],
            strict=True,
        )
    ]
    result = np.zeros((len(x), *counts, out))
    for row, channel, *place in itertools.product(range(len(x)), range(out), *map(range, counts)):
        for within, *tap in itertools.product(range(inside), *map(range, size)):
            seen = [
                at * stride + by * step - before
                for at, stride, by, step, before in zip(
                    place, settings["strides"], settings["dilation"], tap, settings["before"], strict=True
                )
            ]
            if all(0 <= at < extent for at, extent in zip(seen, space, strict=True)):
                source = channel // (out // groups) * inside + within
                result[(row, *place, channel)] += x[(row, *seen, source)] * kernel[(*tap, within, channel)]
    return result


def value_of(case: Case, arrays: list[np.ndarray]) -> np.ndarray:
    return evaluate(graph_of(case), case.run(arrays))["y"]


@pytest.mark.parametrize("case", [each for each in CONVOLUTIONS if each.operation == "convolve"], ids=str)
def test_a_convolution_is_the_sum_over_each_window(case: Case) -> None:
    x, kernel = case.arrays()
    np.testing.assert_allclose(value_of(case, [x, kernel]), convolved(x, kernel, case), rtol=1e-12)


@pytest.mark.parametrize("start", range(0, len(CONVOLUTIONS), 3))
def test_the_three_say_one_trilinear_form(start: int) -> None:
    forward, back, of_kernel = CONVOLUTIONS[start : start + 3]
    x, kernel = forward.arrays()
    y = value_of(forward, [x, kernel])
    dy = np.random.default_rng(3).normal(size=y.shape)
    form = np.sum(dy * y)
    np.testing.assert_allclose(np.sum(x * value_of(back, [dy, kernel])), form, rtol=1e-12)
    np.testing.assert_allclose(np.sum(kernel * value_of(of_kernel, [x, dy])), form, rtol=1e-12)


@pytest.mark.parametrize("start", range(0, len(POOLS), 5))
def test_pools_are_adjoint_in_pairs(start: int) -> None:
    total, spread, greatest, take, put = POOLS[start : start + 5]
    (x,) = total.arrays()
    taps = apply("argmax_pool", x, **total.settings)
    dy = np.random.default_rng(3).normal(size=taps.shape)
    np.testing.assert_allclose(
        np.sum(dy * value_of(total, [x])), np.sum(x * value_of(spread, [dy])), rtol=1e-12
    )
    np.testing.assert_allclose(
        np.sum(dy * value_of(take, [x, taps])), np.sum(x * value_of(put, [dy, taps])), rtol=1e-12
    )
    np.testing.assert_array_equal(value_of(take, [x, taps]), value_of(greatest, [x]))


def image(rows: Any) -> np.ndarray:
    return np.asarray(rows, float)[None, ..., None]


SQUARE = dict(windows(2), size=(2, 2))


def test_the_convolution_of_the_courses() -> None:
    x = image([[1, 2, 1, 0], [0, 2, 1, 2], [1, 2, 1, 2], [1, 2, 1, 1]])
    kernel = np.array([[1.0, -1, 1], [0, 1, 0], [1, 1, -1]])[..., None, None]
    around = windows(2, before=(1, 1), after=(1, 1))
    found = apply("convolve", x, kernel, dilation=(1, 1), groups=1, **around)
    np.testing.assert_array_equal(found[0, ..., 0], [[-1, 3, 2, 3], [0, 4, 3, 6], [2, 3, 6, 3], [2, 2, 4, 0]])


def test_the_pools_of_the_courses() -> None:
    nine, sixteen = np.arange(1, 10).reshape(3, 3), np.arange(1, 17).reshape(4, 4)
    moved = [[2, 3, 4, 5], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    by_two = SQUARE | {"strides": (2, 2)}
    np.testing.assert_array_equal(apply("max_pool", image(nine), **SQUARE)[0, ..., 0], [[5, 6], [8, 9]])
    for rows in (sixteen, moved):
        np.testing.assert_array_equal(apply("max_pool", image(rows), **by_two)[0, ..., 0], [[6, 8], [14, 16]])


def test_a_window_that_does_not_divide_is_left_out() -> None:
    x = np.zeros((1, 28, 28, 1))
    settings = windows(2, strides=(2, 2)) | {"size": (3, 3)}
    assert apply("max_pool", x, **settings).shape == (1, 13, 13, 1)


def test_padding_never_wins_and_the_first_of_equals_does() -> None:
    settings = windows(1, before=(1,), after=(1,)) | {"size": (2,)}
    x = np.array([-3.0, -3.0, -np.inf, -np.inf])[None, :, None]
    np.testing.assert_array_equal(apply("max_pool", x, **settings)[0, :, 0], [-3, -3, -3, -np.inf, -np.inf])
    np.testing.assert_array_equal(apply("argmax_pool", x, **settings)[0, :, 0], [1, 0, 0, 0, 0])


def test_what_is_no_number_wins() -> None:
    x = np.array([1.0, np.nan, 2.0])[None, :, None]
    settings = windows(1) | {"size": (2,)}
    assert np.isnan(apply("max_pool", x, **settings)).all()
    np.testing.assert_array_equal(apply("argmax_pool", x, **settings)[0, :, 0], [1, 0])


def test_the_first_of_equal_maxima_of_a_window_gets_the_gradient() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("weight", name="x", shape=(1, 2, 2, 1))
    y = x.apply("max_pool", **SQUARE)
    builder.outputs["d"] = builder.apply("gradient_of", y, x)
    run = Run(1, leaves={("weight", "x"): np.ones((1, 2, 2, 1))})
    found = evaluate(differentiate(builder.finish()), run)["d"]
    np.testing.assert_array_equal(found[0, ..., 0], [[1, 0], [0, 0]])


def test_a_tap_outside_of_the_window_is_told() -> None:
    settings = windows(1) | {"size": (2,)}
    for tap in (-1, 2):
        with pytest.raises(IndexError, match=r"outside of 0 \.\. 1"):
            apply("take_window", np.zeros((1, 2, 1)), np.full((1, 1, 1), tap), **settings)


CONVOLVE = windows(2) | {"dilation": (1, 1), "groups": 1}
POOL = windows(2) | {"size": (2, 2)}


@pytest.mark.parametrize(
    ("name", "shapes", "settings", "sentence"),
    [
        (
            "convolve",
            [(BATCH, 4, 4), (3, 3, 1, 2)],
            CONVOLVE,
            r"\[lead, \*places, channels\], not \[batch, 4",
        ),
        ("convolve", [(BATCH, 4, 4, 1), (5, 3, 1, 2)], CONVOLVE, r"windows of \[5, 3\].* is \[4, 4\]"),
        ("convolve", [(BATCH, 4, 4, 2), (3, 3, 1, 2)], CONVOLVE, "1 groups of 1 channels does not fit"),
        ("convolve", [(BATCH, 4, 4, 2), (3, 3, 1, 3)], CONVOLVE | {"groups": 2}, "cannot give 3 channels"),
        ("convolve", [(BATCH, 4, 4, 2), (BATCH, 3, 1, 3)], CONVOLVE, "that all examples share"),
        ("convolve", [(BATCH, 4, 4, 1), (3, 3, 1, 2)], CONVOLVE | {"strides": (0, 1)}, "strides .* from 1"),
        ("convolve", [(BATCH, 4, 4, 1), (3, 3, 1, 2)], CONVOLVE | {"before": (-1, 0)}, "padding from 0"),
        ("convolve", [(BATCH, 4, 4, 1), (3, 3, 1, 2)], CONVOLVE | {"strides": (1,)}, "one to three axes"),
        (
            "convolve_input",
            [(BATCH, 2, 2, 2), (3, 3, 1, 2)],
            CONVOLVE | {"space": (5, 4)},
            r"windows of \[5, 4\] are not \[2, 2\]",
        ),
        (
            "convolve_kernel",
            [(BATCH, 4, 4, 1), (2, 2, 2, 2)],
            CONVOLVE | {"size": (3, 3)},
            "as many of both",
        ),
        ("max_pool", [(BATCH, 4, 4, 1)], POOL | {"before": (2, 0)}, "padding smaller than its windows"),
        ("sum_pool", [(BATCH, 1, 4, 1)], POOL, r"windows of \[2, 2\]"),
        ("spread_pool", [(BATCH, 3, 3, 1)], POOL | {"space": (4, 5)}, r"are not \[3, 3\]"),
        ("take_window", [(BATCH, 4, 4, 1), (BATCH, 3, 3, 1)], POOL, "take_window takes whole numbers"),
    ],
)
def test_operands_that_do_not_fit_are_told_in_a_sentence(
    name: str, shapes: list[Shape], settings: dict[str, Any], sentence: str
) -> None:
    builder = Builder(REGISTRY)
    operands = [builder.apply("input", name=str(n), shape=shape) for n, shape in enumerate(shapes)]
    with pytest.raises(ValueError, match=sentence):
        builder.apply(name, *operands, **settings)
