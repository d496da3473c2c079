"""What `scan` means in the language, against loops in NumPy; and the paths of what a cell makes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Run, evaluate
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import FieldSchema, Schema
from tests.semantics.bench import codes, experiment

Array = NDArray[np.float64]

ROWS = 3
DRAW = np.random.default_rng(5)
X = DRAW.normal(size=(ROWS, 4, 6))
Y = DRAW.normal(size=(ROWS, 4, 6))
SCHEMA = Schema("d", (FieldSchema("x", (4, 6)), FieldSchema("y", (4, 6))), {"train": ROWS})

CELLS = """
layer sums(s: [n], x: [n]) = s + x
layer leaky(s: [units], x: [n]; units, keep = 0.5) = keep * s + sum(x)
layer both(a: [n], b: [n], x: [n]) { return (a = a + x, b = 0.5 * b + a, out = a * x) }
layer scaled(s: [n], by: [n], x: [n]) = s + by * x
layer two(s: [n], x: [n], y: [n]) = s * y + x
layer learned(s: [units], x: [n]; units) {
    w = weight([n, units], constant(0.1))
    return tanh(s + x @ w)
}
layer rows(s: [units, n], x: [n]; units = 2) = s + x
layer rough(s: [n], x: [n]) = s + x * bernoulli(0.5, like=x)
layer uneven(s: [n], x: [n]) = s + bernoulli(0.5, shape=[1])
layer inner(s: [1], x: [1]) = s + x
layer outer(s: [6], x: [6]) = s + reshape(scan(inner, reshape(x, [6, 1])), [6])
layer quiet(s: [n], x: [n]) = s + (x -> dropout(0.5))
"""


def text(body: str) -> str:
    return f"""
data d {{ source = npz("d.npz") }}
loss total(o) = sum(o)
{CELLS}
model m(x: [4, 6], y: [4, 6]) {{
    kept = weight([1], constant(1))
    {body}
    return (out = z + 0 * sum(kept) + 0 * sum(x) + 0 * sum(y))
}}
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    steps = 1
}}
"""


def value(body: str, *, training: float = 1.0, made: Experiment | None = None) -> Array:
    made = made or experiment(text(body), SCHEMA)
    leaves: dict[tuple[str, str], Array] = {("input", "x"): X, ("input", "y"): Y}
    for each in made.weights:
        leaves["weight", each.path] = evaluate(each.initial, Run(1), ["value"])["value"]
    run = Run(ROWS, 0, 0, {"training": training}, leaves)
    return evaluate(made.graph, run, ["output/out"])["output/out"]


def leaky(x: Array, units: int, keep: float, start: float = 0.0) -> Array:
    state, found = np.full((ROWS, units), start), []
    for step in range(x.shape[1]):
        state = keep * state + x[:, step].sum(1, keepdims=True)
        found.append(state)
    return np.stack(found, 1)


def gated(x: Array, y: Array) -> Array:
    state, found = np.zeros((ROWS, 6)), []
    for step in range(4):
        state = state * y[:, step] + x[:, step]
        found.append(state)
    return np.stack(found, 1)


SUMS = X.cumsum(1)
FORMS: Mapping[str, Array] = {
    "z = scan(sums, x)": SUMS,
    "z = x -> scan(sums)": SUMS,
    "s = scan(sums, x)\n    z = s[-1]": SUMS[:, -1],
    "z = scan(sums, x, reverse=yes)": X[:, ::-1].cumsum(1)[:, ::-1],
    "z = scan(sums, x, over=1)": X.cumsum(2),
    "z = scan(sums, x, over=last)": X.cumsum(2),
    "z = scan(sums, x, start=1)": SUMS + 1,
    "z = scan(sums, x, start=y[0])": SUMS + Y[:, :1],
    "z = scan(sums, x, start=[1, 2, 3, 4, 5, 6])": SUMS + np.arange(1.0, 7.0),
    "z = x -> scan(leaky(2, keep=0.9))": leaky(X, 2, 0.9),
    "z = x -> scan(leaky(3), start=2)": leaky(X, 3, 0.5, 2.0),
    "s = scan(both, x)\n    z = s.out": np.concatenate([X[:, :1] * 0, SUMS[:, :-1]], 1) * X,
    "s = scan(both, x)\n    z = s.a": SUMS,
    "s = scan(both, x, start=(a=1))\n    z = s.a": SUMS + 1,
    "z = scan(scaled(by=y[1]), x)": (X * Y[:, 1:2]).cumsum(1),
    "z = scan(two, (x=x, y=y))": gated(X, Y),
    "z = scan(two, (y=y, x=x))": gated(X, Y),
    "z = x -> scan(rows)": np.stack([SUMS, SUMS], 2),
    "z = x -> scan(rows, over=1)": np.stack([X.cumsum(2).transpose(0, 2, 1)] * 2, 1),
    "z = scan(outer, x)": X.cumsum(2).cumsum(1),
    "a = scan(sums, x)\n    z = scan(sums, y, start=a[-1])": Y.cumsum(1) + SUMS[:, -1:],
}


@pytest.mark.parametrize("body", FORMS)
def test_forms(body: str) -> None:
    np.testing.assert_allclose(value(body), FORMS[body], rtol=1e-12, atol=1e-12)


def test_weights_are_made_once_under_the_path_of_the_cells_use() -> None:
    made = experiment(
        text("a = x -> scan(learned(2))\n    z = a -> scan(learned(3)) as top -> scan(sums)"), SCHEMA
    )
    assert [each.path for each in made.weights] == ["m/kept", "m/a/w", "m/top/w"]
    assert [each.shape for each in made.weights[1:]] == [(6, 2), (2, 3)]


def test_the_graph_is_as_large_for_any_length() -> None:
    made = experiment(text("z = x -> scan(learned(2))"), SCHEMA)
    names = [made.graph[index].operation.name for index in made.graph]
    assert names.count("scan") == 1
    assert names.count("matmul") == 0  # it is inside
    assert len(names) < 40


def test_each_step_draws_for_itself() -> None:
    steps = np.diff(value("z = scan(rough, x)"), axis=1, prepend=0)
    kept = np.abs(steps) > 1e-12
    np.testing.assert_allclose(steps[kept], X[kept])
    assert 0.2 < kept.mean() < 0.8
    assert len({tuple(row) for row in kept.reshape(-1, 6)}) > 6


def test_a_mask_that_is_drawn_outside_is_the_same_at_each_step() -> None:
    found = value("mask = bernoulli(0.5, shape=[6])\n    z = scan(scaled(by=mask), x)")
    steps = np.diff(found, axis=1, prepend=0)
    kept = np.abs(steps) > 1e-12
    assert (kept == kept[:, :1]).all()
    assert 0 < kept.mean() < 1


def test_nothing_is_dropped_in_inference() -> None:
    np.testing.assert_allclose(value("z = scan(quiet, x)", training=0.0), SUMS)
    assert not np.allclose(value("z = scan(quiet, x)"), SUMS)


def test_a_category_is_one_hot_in_a_cell() -> None:
    words = Schema(
        "d",
        (FieldSchema("x", (4,), "category", classes=("a", "b", "c")), FieldSchema("y", (4, 3))),
        {"train": ROWS},
    )
    body = text("z = scan(sums, x)").replace("x: [4, 6], y: [4, 6]", "x: [4, 3], y: [4, 3]")
    body = body.replace("0 * sum(x)", "0")
    made = experiment(body, words)
    x = np.array([[0, 1, 2, 1], [2, 2, 2, 0], [1, 0, 1, 0]])
    leaves: dict[tuple[str, str], NDArray[np.float64] | NDArray[np.int64]] = {
        ("input", "x"): x,
        ("input", "y"): np.zeros((ROWS, 4, 3)),
        ("weight", "m/kept"): np.ones(1),
    }
    found = evaluate(made.graph, Run(ROWS, 0, 0, {"training": 1.0}, leaves), ["output/out"])["output/out"]
    np.testing.assert_allclose(found, np.eye(3)[x].cumsum(1))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("z = scan(sums(by=y), x)", "E0201"),
        ("z = scan(scaled(by=y[0], s=y[0]), x)", "E0330"),
        ("z = scan(sums, 3)", "E0305"),
        ("z = scan(sums, x, start=y)", "E0312"),
        ("z = scan(sums)", "E0202"),
        ("z = scan(total, x)", "E0330"),
        ("z = scan(leaky(2.5), x)", "E0332"),
        ("z = kept -> scan(sums, start=x[0])", "E0312"),
        ("z = scan(uneven, reshape(kept, [1, 1]))", "E0331"),
    ],
)
def test_what_is_wrong_is_told(body: str, code: str) -> None:
    assert code in codes(text(body), SCHEMA)


def test_a_setting_in_a_pattern_is_that_extent() -> None:
    before = "layer tied(x: [units]; units = 6) = x"
    body = text("a = x[0] -> tied\n    b = x[1] -> tied(6)\n    z = a + b").replace(CELLS, before)
    assert codes(body, SCHEMA) == []
    assert "E0312" in codes(body.replace("tied(6)", "tied(5)"), SCHEMA)
