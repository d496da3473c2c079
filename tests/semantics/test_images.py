"""Convolution, pooling and resizing as functions: the shapes they give and take, and what is told."""

import pytest

from netdsl.semantics.schema import FieldSchema, Schema
from tests.semantics.bench import ROWS, codes, experiment, told


def text_of(body: str, before: str = "") -> str:
    return f"""
{before}
data d {{ source = npz("d.npz") }}
loss total(y) = sum(y)
model m(x) {{
    {body}
}}
train {{
    model = m
    data = d
    loss = total(m)
    optimizer = sgd(0.1)
    epochs = 1
}}
"""


def schema_of(*shape: int) -> Schema:
    return Schema("d", (FieldSchema("x", shape),), ROWS)


def shape_of(body: str, *shape: int) -> tuple[int, ...]:
    """Return the shape of what a model returns for a value of a shape."""
    graph = experiment(text_of(body), schema_of(*shape)).graph
    return graph[graph.outputs["output/m"]].shape[1:]


def told_of(chain: str, *shape: int) -> list[str]:
    return codes(text_of(f"return x -> {chain}"), schema_of(*shape))


@pytest.mark.parametrize(
    ("chain", "shape", "expected"),
    [
        ("conv(6, 3)", (100, 3), (98, 6)),
        ("conv(6, 3)", (28, 28, 1), (26, 26, 6)),
        ("conv(6, 3)", (8, 9, 10, 2), (6, 7, 8, 6)),
        ("conv(6, 3x5)", (28, 28, 1), (26, 24, 6)),
        ("conv(6, [3, 5])", (28, 28, 1), (26, 24, 6)),
        ("conv(6, [3])", (28, 28), (26, 6)),
        ("conv(6, 3, pad=2)", (28, 28, 1), (30, 30, 6)),
        ("conv(6, 3, pad=1x2)", (28, 28, 1), (28, 30, 6)),
        ("conv(6, 3, pad=[[2, 0], 1])", (28, 28, 1), (28, 28, 6)),
        ("conv(6, 3, pad=[[2, 0]])", (28, 4), (28, 6)),
        ("conv(6, 3, pad=same, dilation=5)", (28, 28, 1), (28, 28, 6)),
        ("conv(6, 3, dilation=2x1)", (28, 28, 1), (24, 26, 6)),
        ("conv(6, 4, stride=4)", (28, 28, 1), (7, 7, 6)),
        ("conv_transpose(6, 4, stride=4)", (7, 7, 1), (28, 28, 6)),
        ("conv_transpose(6, 3, stride=2, pad=same)", (7, 7, 1), (14, 14, 6)),
        ("conv_transpose(6, 3, stride=2x1, pad=1, output_pad=[1, 0])", (7, 7, 1), (14, 7, 6)),
        ("depthwise_conv(3, multiplier=2)", (7, 7, 4), (5, 5, 8)),
        ("separable_conv(5, 3)", (7, 7, 4), (5, 5, 5)),
        ("maxpool", (28, 28, 3), (14, 14, 3)),
        ("avgpool(7)", (28, 28, 3), (4, 4, 3)),
        ("max_pool(3x2, stride=1)", (9, 8, 3), (7, 7, 3)),
        ("average_pool(2, pad=same)", (9, 8, 3), (5, 4, 3)),
        ("global_avgpool", (9, 8, 3), (3,)),
        ("upsample", (9, 8, 3), (18, 16, 3)),
        ("upsample(2x3)", (9, 8, 3), (18, 24, 3)),
        ("resize(5)", (9, 8, 3), (5, 5, 3)),
        ("resize(5x20, method=bilinear)", (9, 8, 3), (5, 20, 3)),
        ("resize(factor=0.5)", (9, 8, 3), (4, 4, 3)),
        ("resize(factor=1.5, method=bilinear)", (9, 3), (13, 3)),
    ],
)
def test_shapes(chain: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert shape_of(f"return x -> {chain}", *shape) == expected
    assert told_of(chain, *shape) == []


@pytest.mark.parametrize(
    ("chain", "shape", "code"),
    [
        ("conv(6, 3)", (28, 28), "E0320"),
        ("conv(6, 3x3)", (28, 28), "E0320"),
        ("conv(6, 3x3)", (100, 3), "E0320"),
        ("conv(6, 3x3x3)", (28, 28, 1), "E0320"),
        ("conv(6, 3)", (64,), "E0320"),
        ("conv(6, 3)", (2, 2, 2, 2, 1), "E0320"),
        ("maxpool", (28, 20), "E0320"),
        ("global_avgpool -> maxpool", (28, 28, 1), "E0320"),
        ("conv(6, 3, stride=[1, 2, 3])", (28, 28, 1), "E0320"),
        ("conv(6, 3, pad=[1, 2, 3])", (28, 28, 1), "E0320"),
        ("conv(6, 3, pad=[[1, 2, 3], 1])", (28, 28, 1), "E0205"),
        ("conv(6, 3, pad=1.5)", (28, 28, 1), "E0205"),
        ("conv(6, 3, pad=full)", (28, 28, 1), "E0206"),
        ("conv(6, 3, pad=-1)", (28, 28, 1), "E0206"),
        ("conv(6, 3, stride=0)", (28, 28, 1), "E0206"),
        ("conv(6, 0)", (28, 28, 1), "E0206"),
        ("conv(6, 3x0)", (28, 28, 1), "E0206"),
        ("conv(6, 2.5)", (28, 28, 1), "E0205"),
        ("conv(6, yes)", (28, 28, 1), "E0205"),
        ("conv(6)", (28, 28, 1), "E0202"),
        ("conv(6, 5)", (4, 28, 1), "E0321"),
        ("conv(6, 3, dilation=3)", (6, 6, 1), "E0321"),
        ("maxpool(3)", (2, 2, 1), "E0321"),
        ("conv_transpose(6, 2, pad=4)", (5, 5, 1), "E0321"),
        ("conv(6, 3, groups=2)", (9, 9, 3), "E0322"),
        ("conv(5, 3, groups=2)", (9, 9, 4), "E0322"),
        ("conv(6, 3, groups=0)", (9, 9, 4), "E0206"),
        ("conv_transpose(5, 3, groups=2)", (9, 9, 4), "E0322"),
        ("groupnorm(4)", (9, 9, 6), "E0322"),
        ("maxpool(2, pad=2)", (8, 8, 1), "E0323"),
        ("avgpool(3x2, stride=1, pad=[0, 2])", (8, 8, 1), "E0323"),
        ("conv_transpose(6, 3, stride=2, output_pad=2)", (5, 5, 1), "E0206"),
        ("conv_transpose(6, 3, stride=2, pad=same, output_pad=1)", (5, 5, 1), "E0206"),
        ("maxpool(3, stride=2)", (28, 28, 1), "W0303"),
        ("conv(6, 3, stride=2)", (28, 28, 1), "W0303"),
        ("maxpool(2)", (7, 8, 1), "W0303"),
        ("resize", (8, 8, 1), "E0202"),
        ("resize(4, factor=2)", (8, 8, 1), "E0202"),
        ("resize(0)", (8, 8, 1), "E0206"),
        ("resize(factor=-0.5)", (8, 8, 1), "E0206"),
        ("resize(factor=0.1)", (8, 8, 1), "E0206"),
        ("resize(4, method=cubic)", (8, 8, 1), "E0206"),
        ("resize(4, method=3)", (8, 8, 1), "E0205"),
        ("upsample(method=cubic)", (8, 8, 1), "E0206"),
        ("upsample(0)", (8, 8, 1), "E0206"),
    ],
)
def test_what_does_not_fit_is_told(chain: str, shape: tuple[int, ...], code: str) -> None:
    assert told_of(chain, *shape) == [code]


def test_an_image_without_channels_is_told_with_both_cures() -> None:
    (found,) = told(text_of("return x -> conv(6, 5)"), schema_of(28, 28))
    assert "gray image without its channel axis, or 28 places with 28 channels" in found.message
    assert "reshape([28, 28, 1])" in str(found.help)
    assert any("`[5]`" in note for note in found.notes)


@pytest.mark.parametrize("shape", [(100, 3), (7, 7), (40, 16), (8, 17)])
def test_a_signal_is_not_taken_for_an_image(shape: tuple[int, ...]) -> None:
    assert told_of("conv(6, 3)", *shape) == []


def test_what_a_layer_made_is_no_image_without_channels() -> None:
    assert told_of("conv(28, 3, pad=same) -> conv(8, 3) -> maxpool(3)", 30, 3) == ["W0303"]
    assert told_of("reshape([28, 28]) -> conv(8, 3)", 28, 28, 1) == []


@pytest.mark.parametrize(
    "chain",
    [
        "conv(6, 3, stride=2, pad=1)",  # what is left out is padding
        "conv(6, 1, stride=2)",  # windows stand apart on purpose
        "conv(6, 7, stride=2, pad=3)",
        "maxpool(3, stride=2, pad=same)",
        "avgpool(2)",
        "maxpool(3, stride=2, pad=valid)",  # said to be meant
    ],
)
def test_nothing_is_told_where_every_place_is_seen(chain: str) -> None:
    assert told_of(chain, 28, 28, 1) == []


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("Conv2D", "conv"),
        ("conv1d", "conv"),
        ("MaxPooling2D", "maxpool"),
        ("MaxPool3d", "maxpool"),
        ("AveragePooling1D", "avgpool"),
        ("ConvTranspose2d", "conv_transpose"),
        ("GlobalAveragePooling2D", "global_avgpool"),
        ("BatchNormalization", "batchnorm"),
        ("batch_norm2d", "batchnorm"),
        ("UpSampling2D", "upsample"),
        ("SpatialDropout2D", "spatial_dropout"),
    ],
)
def test_names_of_other_frameworks_are_known(name: str, here: str) -> None:
    (found,) = told(text_of(f"return x -> {name}(2)"), schema_of(8, 8, 1))
    assert found.code == "E0101"
    assert found.help == f"it is `{here}` here"


def test_functions_take_values_that_all_examples_share() -> None:
    body = """
    filters = weight([8, 9, 2], he)
    k       = weight([3, 3, 2, 4], he)
    a       = filters -> convolve(k, pad=same) -> max_pool(2x3) -> resize(8x9)
    b       = convolve_transposed(filters -> average_pool(2x3), k -> transpose([0, 1, 3, 2]), stride=2x3)
    return sum(a) + sum(b) + sum(x)"""
    assert shape_of(body, 3) == ()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return convolve(x, x)", "E0308"),
        ("return convolve(x, [1, 2])", "E0320"),
        ("return convolve(x, [[[1]], [[2]]])", "E0320"),
        ("k = weight([3, 3, 2, 4], he)\n    return convolve(x, k)", "E0322"),
        ("k = weight([3, 3, 1, 4], he)\n    return convolve(x, k, groups=half)", "E0101"),
        ("k = weight([3, 3, 1, 4], he)\n    return convolve(x, k, pad=sane)", "E0206"),
        ("k = weight([3, 3, 1, 4], he)\n    return convolve_transposed(x, k)", "E0322"),
        ("k = weight([3, 3, 1, 4], he, fans=[1])\n    return convolve(x, k)", "E0205"),
        ("h = x -> max_pool(2)\n    return max_unpool(h, x, 4)", "E0303"),
        ("return x -> max_unpool(x, 2)", "E0303"),
        ("y = sides(2x2x2, x)\n    return x", "E0320"),
        ("y = per_group(9, 2)\n    return x", "E0322"),
        ("y = per_group(9.5, 2)\n    return x", "E0205"),
        ("y = per_group(8, 0)\n    return x", "E0205"),
    ],
)
def test_functions_refuse_what_does_not_fit(body: str, code: str) -> None:
    assert codes(text_of(body), schema_of(8, 8, 1))[:1] == [code]


def test_a_setting_of_ones_own_may_be_a_number_for_each_axis() -> None:
    layer = "layer mine(x; size = 2 in [1 .. 9]) = max_pool(x, size, stride=1)"
    for size, expected in (("", (7, 7, 1)), ("3", (6, 6, 1)), ("3x2", (6, 7, 1)), ("[3, 2]", (6, 7, 1))):
        graph = experiment(text_of(f"return x -> mine({size})", layer), schema_of(8, 8, 1)).graph
        assert graph[graph.outputs["output/m"]].shape[1:] == expected
    for size in ("10", "3x10", "[[3], 10]", "[]"):
        assert codes(text_of(f"return x -> mine({size})", layer), schema_of(8, 8, 1)) == ["E0206"], size
