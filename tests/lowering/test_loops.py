"""Generated loops against the oracle: every operation, every shape of group."""

from collections.abc import Callable
from itertools import product as pairs

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Value
from netdsl.operations import REGISTRY
from tests.lowering.running import compare

ROWS = 5
RNG = np.random.default_rng(1)
X = RNG.normal(size=(ROWS, 3, 4)).astype(np.float32)
FIELDS = {
    "x": X,
    "y": RNG.normal(size=(ROWS, 3, 4)).astype(np.float32),
    "label": RNG.integers(0, 4, (ROWS, 3)).astype(np.int32),
}


def _builder() -> tuple[Builder, Value, Value]:
    builder = Builder(REGISTRY)
    shape = (BATCH, 3, 4)
    x, y = (builder.apply("input", name=name, shape=shape, dtype="float") for name in ("x", "y"))
    return builder, x, y


def _label(builder: Builder) -> Value:
    return builder.apply("input", name="label", shape=(BATCH, 3), dtype="int")


UNARY = [
    "abs",
    "sign",
    "exp",
    "log",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tanh",
    "arctan",
    "erf",
    "floor",
    "ceil",
    "round",
    "sigmoid",
    "softplus",
    "negate",
    "stop_gradient",
]
BINARY = ["add", "subtract", "multiply", "divide", "ratio", "minimum", "maximum"]
COMPARISONS = ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"]


def test_functions_of_one_value() -> None:
    of_one = [
        name for name, each in REGISTRY.items() if each.family == "elementwise" and "{1}" not in each.scalar
    ]
    assert set(of_one) - set(UNARY) == {"logical_not", "cast"}
    builder, x, y = _builder()
    for name in UNARY:
        argument = x.apply("abs") + 0.3 if name in ("log", "sqrt", "log1p") else x
        builder.outputs[name] = argument.apply(name)
    builder.outputs["power"] = (x.apply("abs") + 0.1).pointwise("power", y)
    compare(builder.finish(), FIELDS, ROWS)


def test_functions_of_two_values_and_choices() -> None:
    builder, x, y = _builder()
    for name in BINARY:
        builder.outputs[name] = x.pointwise(name, y)
    rounded = x.apply("round"), y.apply("round")
    for name in COMPARISONS:
        builder.outputs[name] = rounded[0].pointwise(name, rounded[1])
    condition = x.pointwise("less", y)
    both = condition.apply("logical_and", y.pointwise("less", 0.5))
    builder.outputs["where"] = both.apply("logical_or", condition.apply("logical_not")).apply("where", x, y)
    builder.outputs["int"] = (x * 3.0).apply("cast", dtype="int")
    builder.outputs["float"] = _label(builder).apply("cast", dtype="float")
    builder.outputs["yes"] = condition.apply("cast", dtype="float")
    builder.outputs["bool"] = rounded[0].apply("cast", dtype="bool")
    compare(builder.finish(), FIELDS, ROWS)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_sums_over_any_axes(axes: tuple[int, ...]) -> None:
    builder, x, y = _builder()
    total = (x * y).sum(axes)
    builder.outputs["sum"] = total
    builder.outputs["centered"] = x - total.broadcast(x.shape)
    compare(builder.finish(), FIELDS, ROWS)


@pytest.mark.parametrize(
    ("name", "axis"),
    list(pairs(["maximum_over", "minimum_over", "argmax", "argmin", "softmax", "logsumexp"], [0, 1, 2])),
)
def test_extremes_and_stable_forms(name: str, axis: int) -> None:
    builder, x, _ = _builder()
    value = x.apply("round").apply(name, axis=axis)
    builder.outputs["value"] = value
    if value.dtype == "float":
        builder.outputs["beside"] = x * value.broadcast(x.shape)
    compare(builder.finish(), FIELDS, ROWS)


def test_logsumexp_of_infinite_rows() -> None:
    far = np.float32(np.inf)
    fields = {"x": np.array([[far, 1, far], [-far, -far, -far], [-far, 2, 1]], np.float32)}
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3), dtype="float")
    builder.outputs["value"] = x.apply("logsumexp", axis=1)
    compare(builder.finish(), fields, 3)


MOVES: dict[str, Callable[[Builder, Value, Value], Value]] = {
    "reshape": lambda b, x, y: (x + y).reshape((BATCH, 2, 6)) * 2.0,
    "reshape twice": lambda b, x, y: (x * y).reshape((BATCH, 12)).reshape((BATCH, 6, 2)).sum((1,)),
    "transpose": lambda b, x, y: (x.apply("exp") + y).apply("transpose", axes=(0, 2, 1)) + 1.0,
    "slice": lambda b, x, y: x.apply("slice", starts=(0, 1, 0), stops=(BATCH, 3, 4), steps=(1, 1, 3)),
    "pad": lambda b, x, y: (x + 1.0).apply("pad", before=(0, 1, 0), after=(0, 2, 3)),
    "concat": lambda b, x, y: x.apply("concat", y, x + y, axis=1).apply("exp"),
    "concat last": lambda b, x, y: x.apply("concat", y, axis=2).sum((2,)),
    "one_hot": lambda b, x, y: _label(b).apply("one_hot", classes=4) * x,
    "pick": lambda b, x, y: x.apply("exp").apply("pick", _label(b)),
    "pick of a softmax": lambda b, x, y: x.apply("softmax", axis=2).apply("pick", _label(b)),
    "gather": lambda b, x, y: b.apply("weight", name="w", shape=(4, 5)).apply("gather", _label(b)),
    "scatter_add": lambda b, x, y: _label(b).apply("scatter_add", x * y, extent=4),
    "iota": lambda b, x, y: x * b.apply("iota", extent=4).apply("cast", dtype="float").broadcast(x.shape),
    "number of the row": lambda b, x, y: b.apply("iota", extent=BATCH).apply("cast", dtype="float"),
    "constants": lambda b, x, y: x * b.constant([1.0, 2.0, 3.0, 4.5]).broadcast(x.shape),
    "column": lambda b, x, y: x * x.sum((2,)).broadcast(x.shape) + y.sum((1,)).broadcast(x.shape),
}


@pytest.mark.parametrize("move", MOVES)
def test_movements(move: str) -> None:
    builder, x, y = _builder()
    builder.outputs["value"] = MOVES[move](builder, x, y)
    executable = compare(builder.finish(), FIELDS, ROWS)
    assert executable.intruded() == ()


@pytest.mark.parametrize(
    ("left", "right", "contract", "align"),
    [
        ((BATCH, 3, 4), (4, 6), ((2, 0),), ()),
        ((BATCH, 3, 4), (6, 4), ((2, 1),), ()),
        ((BATCH, 3, 4), (BATCH, 3, 4), ((0, 0),), ()),
        ((BATCH, 3, 4), (BATCH, 3, 4), ((0, 0), (1, 1)), ()),
        ((BATCH, 3, 4), (BATCH, 3, 4), ((2, 2),), ((0, 0),)),
        ((BATCH, 3, 4), (BATCH, 3, 4), ((1, 1), (2, 2)), ((0, 0),)),
        ((2, 3), (3, 2), ((1, 0),), ()),
        ((4,), (4,), ((0, 0),), ()),
        ((4,), (3,), (), ()),
    ],
)
def test_products(
    left: tuple[int, ...],
    right: tuple[int, ...],
    contract: tuple[tuple[int, int], ...],
    align: tuple[tuple[int, int], ...],
) -> None:
    builder = Builder(REGISTRY)
    a, b = (
        builder.apply("input", name=name, shape=shape, dtype="float")
        if shape[0] == BATCH
        else builder.apply("weight", name=name, shape=shape)
        for name, shape in (("x", left), ("y", right))
    )
    builder.outputs["product"] = a.apply("matmul", b, contract=contract, align=align)
    builder.outputs["after"] = builder.outputs["product"].apply("tanh") * 0.3
    compare(builder.finish(), FIELDS, ROWS)


def test_updates_read_old_values_and_are_written_last() -> None:
    builder, x, _ = _builder()
    a = builder.apply("weight", name="a", shape=(3, 4))
    b = builder.apply("state", name="b", shape=(3, 4))
    turned = builder.apply("weight", name="turned", shape=(4, 4))
    builder.updates["a"] = b * 0.5 + a
    builder.updates["b"] = a * 0.25 - b
    builder.updates["turned"] = turned.apply("transpose", axes=(1, 0)) + turned
    builder.outputs["a"] = a
    builder.outputs["value"] = x * (a + b).broadcast(x.shape)
    compare(builder.finish(), FIELDS, ROWS)


def test_numbers_of_the_host() -> None:
    builder, x, _ = _builder()
    rate, t, rows = (builder.apply("scalar", name=name) for name in ("rate", "t", "rows"))
    factor = rate / (1.0 - builder.constant(0.9).pointwise("power", t)) + 1.0 / rows
    builder.outputs["factor"] = factor
    builder.outputs["value"] = x * factor.broadcast(x.shape)
    compare(builder.finish(), FIELDS, ROWS, scalars={"rate": 0.3}, step=4)


@pytest.mark.parametrize("name", ["uniform", "gaussian"])
def test_draws_follow_from_seed_stream_step_and_place(name: str) -> None:
    builder, x, _ = _builder()
    drawn = builder.apply(name, shape=(BATCH, 3, 4), stream="mlp/dropout_1")
    builder.outputs["drawn"] = drawn
    builder.outputs["mask"] = drawn.pointwise("less", 0.5).apply("where", x, x * 0.0)
    builder.outputs["shared"] = builder.apply(name, shape=(3, 5), stream="mlp/dropout_1")
    compare(builder.finish(), FIELDS, ROWS, step=7, seed=123)


@pytest.mark.parametrize("width", [15, 16, 17, 29, 31, 32, 50, 1000])
@pytest.mark.parametrize("name", ["softmax", "sum", "maximum_over", "argmin", "logsumexp"])
def test_long_rows(name: str, width: int) -> None:
    fields = {"x": np.random.default_rng(2).normal(size=(7, width)).astype(np.float32)}
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, width), dtype="float")
    value = x * 2.0
    value = value.sum((1,)) if name == "sum" else value.apply(name, axis=1)
    builder.outputs["value"] = value
    if name != "argmin":
        builder.outputs["beside"] = x.apply("tanh") - value.broadcast(x.shape)
    builder.outputs["mean"] = x.sum((0, 1))
    executable = compare(builder.finish(), fields, 7)
    assert executable.intruded() == ()


@pytest.mark.parametrize("width", [15, 33])
@pytest.mark.parametrize("name", ["softmax", "sum", "minimum_over", "logsumexp"])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_many_lines(name: str, width: int, axis: int) -> None:
    """Each of many lines is folded in one go, where its numbers are neighbors."""
    shape = (2, 3, width) if axis == 3 else (2, width, 3) if axis == 2 else (width, 2, 3)
    fields = {"x": np.random.default_rng(2).normal(size=(7, *shape)).astype(np.float32)}
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, *shape), dtype="float")
    value = (x * 2.0).sum((axis,)) if name == "sum" else (x * 2.0).apply(name, axis=axis)
    builder.outputs["value"] = value
    builder.outputs["beside"] = x.apply("tanh") - value.broadcast(x.shape)
    builder.outputs["last two"] = (x * x).sum((2, 3))
    executable = compare(builder.finish(), fields, 7)
    assert executable.intruded() == ()
    executable.close()


@pytest.mark.parametrize("places", [(3,), (2, 40)])
@pytest.mark.parametrize("width", [16, 24, 29])
def test_lines_of_values_in_panels(places: tuple[int, ...], width: int) -> None:
    """A softmax and a norm of what a product lays in panels: along lanes, at one place after the other."""
    fields = {"x": np.random.default_rng(2).normal(size=(7, *places, 5)).astype(np.float32)}
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, *places, 5), dtype="float")
    w = builder.apply("weight", name="w", shape=(5, width))
    back = builder.apply("weight", name="back", shape=(width, 4))
    last = len(places) + 1
    y = x.apply("matmul", w, contract=((last, 0),), align=())
    centered = y - y.sum((last,)) / float(width)
    normal = centered / ((centered * centered).sum((last,)) / float(width) + 1e-3).apply("sqrt")
    builder.outputs["z"] = normal.apply("matmul", back, contract=((last, 0),), align=())
    builder.outputs["p"] = y.apply("softmax", axis=last)
    executable = compare(builder.finish(), fields, 7, threads=2)
    assert executable.intruded() == ()
    assert not any("//" in kernel.text for kernel in executable.program.kernels.values())
    executable.close()


def test_lines_are_filled_up_where_nothing_lies_behind_them() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int")
    factor = builder.apply("weight", name="factor", shape=(3, 29))
    out = builder.apply("weight", name="out", shape=(29, 20))
    product = x.apply("matmul", factor, contract=((1, 0),), align=())
    soft = product.apply("softmax", axis=1)
    slope = soft - label.apply("one_hot", classes=29)
    builder.outputs = {"y": slope.apply("matmul", out, contract=((1, 0),), align=()), "soft": soft}
    fields = {
        "x": RNG.normal(size=(ROWS, 3)).astype(np.float32),
        "label": RNG.integers(0, 29, ROWS).astype(np.int32),
    }
    executable = compare(builder.finish(), fields, ROWS)
    assert executable.intruded() == ()
    assert any("range(32)" in kernel.text for kernel in executable.program.kernels.values())
    executable.close()
