"""Layers for images, signals and volumes: their formulas, their weights, and the worked cases of courses."""

from itertools import product
from math import prod, sqrt

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from netdsl.graph import Run, evaluate
from netdsl.graph.shape import count
from tests.library.bench import Array, Bench, apply, bench, experiment, layer, number

RANDOM = np.random.default_rng(7)
IMAGES = RANDOM.normal(size=(3, 6, 5, 4))
SIGNALS = RANDOM.normal(size=(3, 9, 4))


def windows(x: Array, size: tuple[int, ...]) -> Array:
    """Return every window of [n, places.., c]: [n, counts.., c, size..]."""
    axes = tuple(range(1, x.ndim - 1))
    return np.asarray(sliding_window_view(x, size, axis=axes))


def convolved(x: Array, kernel: Array) -> Array:
    """Contract each window with the kernel [size.., in, out]."""
    rank = x.ndim - 2
    seen = windows(x, kernel.shape[:rank])
    return np.tensordot(
        np.moveaxis(seen, rank + 1, -1), kernel, axes=(range(rank + 1, 2 * rank + 2), range(rank + 1))
    )


def image(rows: object) -> Array:
    """Return one gray image."""
    return np.asarray(rows, np.float64)[None, ..., None]


# ---- the courses ------------------------------------------------------------------------------


def test_the_courses_convolution() -> None:
    x = image([[1, 2, 1, 0], [0, 2, 1, 2], [1, 2, 1, 2], [1, 2, 1, 1]])
    kernel = np.array([[1.0, -1, 1], [0, 1, 0], [1, 1, -1]])[..., None, None]
    found = apply("conv(1, 3, pad=1, bias=no)", x, k=kernel)[0, ..., 0]
    np.testing.assert_array_equal(found, [[-1, 3, 2, 3], [0, 4, 3, 6], [2, 3, 6, 3], [2, 2, 4, 0]])


def test_the_courses_pools() -> None:
    nine, sixteen = np.arange(1, 10).reshape(3, 3), np.arange(1, 17).reshape(4, 4)
    moved = [[2, 3, 4, 5], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    found = apply("maxpool(2, stride=1)", image(nine))[0, ..., 0]
    np.testing.assert_array_equal(found, [[5, 6], [8, 9]])
    for rows in (sixteen, moved):  # moved by one pixel, and still the same
        np.testing.assert_array_equal(apply("maxpool(2)", image(rows))[0, ..., 0], [[6, 8], [14, 16]])


def test_a_size_that_a_pool_does_not_divide_is_rounded_down_and_told() -> None:
    made = layer("maxpool(3, stride=2)", [28, 28, 6])
    assert shape_of(made) == (13, 13, 6)
    (told,) = made.experiment.warnings
    assert told.code == "W0303"
    assert "[28, 28]: rounded down to [13, 13]" in told.message


def test_few_connections_and_shared_weights() -> None:
    assert parameters("conv(1, 3, bias=no)", 100, 1) == 3
    assert parameters("conv(1, 3, bias=no)", 28, 28, 1) == 9
    assert parameters("flatten -> dense(784, bias=no)", 28, 28, 1) == 784 * 784


LENET = """conv(6, 5, pad=2) -> tanh -> avgpool(2) -> conv(16, 5) -> tanh -> avgpool(2)
    -> flatten -> dense(120) -> tanh -> dense(84) -> tanh -> dense(10) -> softmax"""


def test_lenet_has_its_parameters_and_shapes() -> None:
    """LeNet-5 with every map of the second convolution seeing all six of the first, on 28x28 with padding."""
    assert parameters(LENET, 28, 28, 1) == 61_706
    parts = [5 * 5 * 6 + 6, 5 * 5 * 6 * 16 + 16, 400 * 120 + 120, 120 * 84 + 84, 84 * 10 + 10]
    assert sum(parts) == 61_706
    stages = LENET.replace("\n", " ").split(" -> ")
    shapes = [shape_of(layer(" -> ".join(stages[: 1 + stop]), [28, 28, 1])) for stop in range(6)]
    assert shapes == [(28, 28, 6), (28, 28, 6), (14, 14, 6), (10, 10, 16), (10, 10, 16), (5, 5, 16)]


def shape_of(made: Bench) -> tuple[int, ...]:
    graph = made.experiment.graph
    return graph[graph.outputs["output/out"]].shape[1:]


def parameters(chain: str, *shape: int) -> int:
    return sum(count(weight.shape) for weight in layer(chain, shape).experiment.weights)


# ---- convolutions -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 4), (6, 5, 4), (4, 5, 3, 4)])
def test_a_convolution_of_any_number_of_axes(shape: tuple[int, ...]) -> None:
    x, size = RANDOM.normal(size=(2, *shape)), (3, 2, 2)[: len(shape) - 1]
    kernel, b = RANDOM.normal(size=(*size, 4, 5)), RANDOM.normal(size=5)
    np.testing.assert_allclose(apply(f"conv(5, {list(size)})", x, k=kernel, b=b), convolved(x, kernel) + b)


def test_same_padding_puts_the_odd_one_after() -> None:
    kernel = RANDOM.normal(size=(2, 3, 4, 5))
    around = np.pad(IMAGES, ((0, 0), (0, 1), (1, 1), (0, 0)))
    found = apply("conv(5, 2x3, pad=same, bias=no)", IMAGES, k=kernel)
    np.testing.assert_allclose(found, convolved(around, kernel))


@pytest.mark.parametrize(("extent", "size", "stride"), list(product((5, 6, 7), (1, 2, 3, 4), (1, 2, 3))))
def test_same_padding_gives_the_extent_divided_by_the_stride(extent: int, size: int, stride: int) -> None:
    chain = f"conv(2, {size}, stride={stride}, pad=same)"
    assert shape_of(layer(chain, [extent, 3]))[0] == -(-extent // stride)


def test_stride_padding_and_dilation_by_axis() -> None:
    kernel = RANDOM.normal(size=(2, 2, 4, 3))
    around = np.pad(IMAGES, ((0, 0), (1, 2), (0, 1), (0, 0)))
    spread = np.zeros((3, 2, 4, 3))
    spread[::2] = kernel
    expected = convolved(around, spread)[:, ::2]
    chain = "conv(3, 2, stride=2x1, dilation=2x1, pad=[[1, 2], [0, 1]], bias=no)"
    np.testing.assert_allclose(apply(chain, IMAGES, k=kernel), expected)


def test_groups_see_their_share_of_the_channels() -> None:
    kernel = RANDOM.normal(size=(3, 3, 2, 6))
    halves = [convolved(IMAGES[..., :2], kernel[..., :3]), convolved(IMAGES[..., 2:], kernel[..., 3:])]
    found = apply("conv(6, 3, groups=2, bias=no)", IMAGES, k=kernel)
    np.testing.assert_allclose(found, np.concatenate(halves, -1))


def test_a_depthwise_convolution_sees_each_channel_by_itself() -> None:
    kernel = RANDOM.normal(size=(3, 3, 1, 8))
    each = [convolved(IMAGES[..., c : c + 1], kernel[..., 2 * c : 2 * c + 2]) for c in range(4)]
    found = apply("depthwise_conv(3, multiplier=2, bias=no)", IMAGES, k=kernel)
    np.testing.assert_allclose(found, np.concatenate(each, -1))


def test_a_separable_convolution_has_few_weights() -> None:
    assert parameters("separable_conv(64, 3, bias=no)", 8, 8, 32) == 9 * 32 + 32 * 64
    assert parameters("conv(64, 3, bias=no)", 8, 8, 32) == 9 * 32 * 64


@pytest.mark.parametrize(
    "chain", ["conv(6, 3, stride=2, pad=same, bias=no)", "conv(6, 2x3, stride=2, bias=no)"]
)
def test_a_transposed_convolution_is_the_adjoint(chain: str) -> None:
    """sum(y * conv(x)) = sum(conv_transpose(y) * x), with one kernel."""
    x = RANDOM.normal(size=(2, 6, 7, 4)) if "same" not in chain else RANDOM.normal(size=(2, 6, 8, 4))
    size = (3, 3) if "same" in chain else (2, 3)
    kernel = RANDOM.normal(size=(*size, 4, 6))
    y = apply(chain, x, k=kernel)
    dy = RANDOM.normal(size=y.shape)
    back = apply(chain.replace("conv(6", "conv_transpose(4"), dy, k=kernel)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(back * x), np.sum(dy * y))


def test_output_pad_picks_among_the_sizes_that_a_stride_joins() -> None:
    for more, extent in ((0, 13), (1, 14)):
        chain = f"conv_transpose(3, 3, stride=2, pad=1, output_pad={more})"
        assert shape_of(layer(chain, [7, 7, 2])) == (extent, extent, 3)


# ---- pools and sizes --------------------------------------------------------------------------


def test_average_pooling_does_not_count_padding() -> None:
    x = image(np.arange(1, 10).reshape(3, 3))
    found = apply("avgpool(2, stride=2, pad=1)", x)[0, ..., 0]
    np.testing.assert_allclose(found, [[1, 2.5], [5.5, 7]])
    found = apply("avgpool(2, pad=same)", x)[0, ..., 0]
    np.testing.assert_allclose(found, [[3, 4.5], [7.5, 9]])


def test_pools_of_windows() -> None:
    seen = windows(SIGNALS, (3,))[:, ::2]
    np.testing.assert_allclose(apply("maxpool(3, stride=2)", SIGNALS), seen.max(-1))
    np.testing.assert_allclose(apply("avgpool(3, stride=2)", SIGNALS), seen.mean(-1))


def test_global_pools_leave_a_vector() -> None:
    np.testing.assert_allclose(apply("global_avgpool", IMAGES), IMAGES.mean((1, 2)))
    np.testing.assert_allclose(apply("global_maxpool", IMAGES), IMAGES.max((1, 2)))


def test_unpooling_puts_values_back_where_the_greatest_stood() -> None:
    text = """
data d { source = npz("d.npz") }
loss total(y) = sum(y)
model m(x: [4, 4, 1]) {
    h = x -> maxpool(2)
    y = 10 * h -> max_unpool(x, 2)
    return (out = y)
}
train {
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    epochs = 1
}
"""
    made = bench(experiment(text, [number("x", 4, 4, 1)]))
    x = image([[1, 9, 2, 3], [4, 5, 8, 7], [6, 1, 1, 1], [2, 3, 4, 1]])
    expected = [[0, 90, 0, 0], [0, 0, 80, 0], [60, 0, 0, 0], [0, 0, 40, 0]]
    np.testing.assert_array_equal(made.output("output/out", x=x)[0, ..., 0], expected)


def test_upsampling_repeats_or_lies_between() -> None:
    x = image([[0, 4], [8, 12]])
    np.testing.assert_array_equal(
        apply("upsample", x)[0, ..., 0], [[0, 0, 4, 4], [0, 0, 4, 4], [8, 8, 12, 12], [8, 8, 12, 12]]
    )
    np.testing.assert_allclose(
        apply("upsample(method=bilinear)", x)[0, ..., 0],
        [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]],
    )


def test_resizing_takes_the_first_of_two_that_are_equally_near() -> None:
    x = np.arange(8.0)[None, :, None]
    np.testing.assert_array_equal(apply("resize([4])", x)[0, :, 0], [0, 2, 4, 6])
    np.testing.assert_array_equal(
        apply("resize(factor=0.5, method=bilinear)", x)[0, :, 0], [0.5, 2.5, 4.5, 6.5]
    )


# ---- dropout and normalization ----------------------------------------------------------------


def test_spatial_dropout_drops_whole_channels() -> None:
    dropped = apply("spatial_dropout(25%)", np.ones((50, 4, 4, 8)), training=True)
    np.testing.assert_array_equal(dropped, np.broadcast_to(dropped[:, :1, :1], dropped.shape))
    np.testing.assert_allclose(np.unique(dropped), [0, 4 / 3])
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.06)
    np.testing.assert_array_equal(apply("spatial_dropout", IMAGES), IMAGES)


def normalized(x: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5))


def test_norms_differ_in_what_they_average_over() -> None:
    gamma, beta = RANDOM.normal(size=4), RANDOM.normal(size=4)
    grouped = normalized(IMAGES.reshape(3, 6, 5, 2, 2), (1, 2, 4)).reshape(IMAGES.shape)
    for chain, expected in {
        "batchnorm": normalized(IMAGES, (0, 1, 2)),
        "instancenorm": normalized(IMAGES, (1, 2)),
        "layernorm": normalized(IMAGES, (3,)),
        "groupnorm(1)": normalized(IMAGES, (1, 2, 3)),
        "groupnorm(2)": grouped,
        "groupnorm(4)": normalized(IMAGES, (1, 2)),
    }.items():
        found = apply(chain, IMAGES, training=True, gamma=gamma, beta=beta)
        np.testing.assert_allclose(found, gamma * expected + beta, err_msg=chain)


def test_batchnorm_of_an_image_keeps_one_figure_a_channel() -> None:
    made = layer("batchnorm", [6, 5, 4])
    updates = made.updates(x=IMAGES)
    np.testing.assert_allclose(updates["m/batchnorm_1/mu"], 0.1 * IMAGES.mean((0, 1, 2)))
    np.testing.assert_allclose(updates["m/batchnorm_1/var"], 0.9 + 0.1 * IMAGES.var((0, 1, 2)))


def test_a_residual_block_adds_to_what_goes_around_it() -> None:
    made = layer("residual(4)", [6, 5, 4])
    zero = {path: np.zeros_like(value) for path, value in made.weights.items() if "gamma" in path}
    found = Bench(made.experiment, dict(made.weights) | zero).output("output/out", x=IMAGES)
    np.testing.assert_allclose(found, np.maximum(IMAGES, 0))
    assert not [path for path in made.weights if "conv_3" in path]
    assert shape_of(layer("residual(7, stride=2)", [6, 5, 4])) == (3, 3, 7)


# ---- where weights start ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "shape", "fan_in", "fan_out"),
    [
        ("dense(50)", (20,), 20, 50),
        ("conv(50, 3)", (9, 20), 60, 150),
        ("conv(50, 3x5)", (9, 9, 20), 300, 750),
        ("conv(60, 3, groups=10)", (9, 9, 20), 18, 54),
        ("depthwise_conv(5, multiplier=3)", (9, 9, 40), 25, 75),
        ("conv_transpose(50, 4, stride=2)", (9, 9, 20), 320, 800),
        ("conv_transpose(60, 3, groups=10)", (9, 9, 20), 18, 54),
    ],
)
def test_inputs_and_outputs_of_a_unit(chain: str, shape: tuple[int, ...], fan_in: int, fan_out: int) -> None:
    for init, deviation in {"he": sqrt(2 / fan_in), "xavier": sqrt(2 / (fan_in + fan_out))}.items():
        made = layer(f"{chain[:-1]}, init={init})", shape).experiment
        weight = next(each for each in made.weights if each.kind == "weight")
        value = evaluate(weight.initial, Run(1), ["value"])["value"]
        spread = 4 / sqrt(2 * prod(weight.shape))
        assert value.std() == pytest.approx(deviation, rel=spread)


def test_weights_have_the_paths_of_their_layers() -> None:
    made = layer("separable_conv(3, 3) -> conv_transpose(2, 2) -> residual(2)", [6, 6, 4]).experiment
    kernels = [weight.path for weight in made.weights if weight.path.endswith("/k")]
    assert kernels == [
        "m/separable_conv_1/depthwise_conv_1/conv_1/k",
        "m/separable_conv_1/conv_1/k",
        "m/conv_transpose_1/k",
        "m/residual_1/conv_1/k",
        "m/residual_1/conv_2/k",
    ]
