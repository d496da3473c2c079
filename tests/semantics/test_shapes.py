"""What expressions mean on numbers: shapes of one example, broadcasting, reductions; against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.semantics.schema import FieldSchema, Schema
from tests.semantics.bench import codes, experiment

Array = NDArray[np.float64]

ROWS = 5
DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(ROWS, 4, 6))
Y = DRAW.normal(size=(ROWS, 6))
SCHEMA = Schema("d", (FieldSchema("x", (4, 6)), FieldSchema("y", (6,))), {"train": ROWS})


def text(body: str) -> str:
    return f"""
data d {{ source = npz("d.npz") }}
loss total(o) = sum(o)
model m(x: [4, 6], y: [6]) {{
    s = weight([6], constant([1, 2, 3, 4, 5, 6]))
    z = {body}
    return (out = z + 0 * sum(s) + 0 * sum(x) + 0 * sum(y))
}}
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    steps = 1
}}
"""


def value(body: str) -> Array:
    made = experiment(text(body), SCHEMA)
    leaves = {("input", "x"): X, ("input", "y"): Y}
    for each in made.weights:
        leaves["weight", each.path] = evaluate(each.initial, Run(1), ["value"])["value"]
    run = Run(ROWS, 0, 0, {"training": 1.0}, leaves)
    return evaluate(made.graph, run, ["output/out"])["output/out"]


S = np.arange(1.0, 7.0)

CASES: dict[str, Callable[[], Array]] = {
    "x + y": lambda: X + Y[:, None, :],
    "y * s": lambda: Y * S,
    "x - s": lambda: X - S,
    "x * [1, 2, 3, 4, 5, 6]": lambda: X * S,
    "s + [[1], [2]] + y": lambda: Y[:, None, :] + S + np.array([[1.0], [2.0]]),
    "-y^2": lambda: -(Y**2),
    "2^3 * y": lambda: 8 * Y,
    "y / (1 + 3/2)": lambda: Y / 2.5,
    "sum(x)": lambda: X.sum((1, 2)),
    "mean(x)": lambda: X.mean((1, 2)),
    "sum(x, over=last)": lambda: X.sum(2, keepdims=True),
    "sum(x, over=last, drop=yes)": lambda: X.sum(2),
    "sum(x, over=0)": lambda: X.sum(1, keepdims=True),
    "sum(x, over=-2)": lambda: X.sum(1, keepdims=True),
    "sum(x, over=[0, 1])": lambda: X.sum((1, 2), keepdims=True),
    "sum(x, over=places)": lambda: X.sum(1, keepdims=True),
    "y - mean(y, over=batch)": lambda: Y - Y.mean(0),
    "x - mean(x, over=[batch, places])": lambda: X - X.mean((0, 1), keepdims=True),
    "x - mean(x, over=all)": lambda: X - X.mean(),
    "variance(x, over=last)": lambda: X.var(2, keepdims=True),
    "y / std(y, over=batch)": lambda: Y / Y.std(0),
    "norm(y)": lambda: np.sqrt((Y**2).sum(1)),
    "max(x, over=last)": lambda: X.max(2, keepdims=True),
    "max(x)": lambda: X.max((1, 2)),
    "min(y - max(y, over=[batch]))": lambda: (Y - Y.max(0)).min(1),
    "max(y, 0)": lambda: np.maximum(Y, 0),
    "clip(y, -0.5, 0.5)": lambda: np.clip(Y, -0.5, 0.5),
    "where(y > 0, y, 2 * y)": lambda: np.where(Y > 0, Y, 2 * Y),
    "if y > 0 then y else 0": lambda: np.where(Y > 0, Y, 0),
    "if 2 > 1 then y else x": lambda: Y,
    "(y > 0) * y + (not y > 0) * 3": lambda: np.where(Y > 0, Y, 3),
    "(y > 0 and y < 1) + 0": lambda: ((Y > 0) & (Y < 1)).astype(float),
    "argmax(x) + 0": lambda: X.reshape(ROWS, -1).argmax(1).astype(float),
    "argmax(x, over=last, drop=yes) + 0": lambda: X.argmax(2).astype(float),
    "one_hot(argmax(y), 6)": lambda: np.eye(6)[Y.argmax(1)],
    "gather(s, argmax(y))": lambda: S[Y.argmax(1)],
    "y @ transpose([[1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 0, 0]])": lambda: Y @ np.array([S, np.eye(6)[2]]).T,
    "x @ s": lambda: X @ S,
    "s @ transpose(x)": lambda: np.einsum("j,bij->bi", S, X),
    "x @ y": lambda: np.einsum("bij,bj->bi", X, Y),
    "x @ transpose(x)": lambda: np.einsum("bij,bkj->bik", X, X),
    "transpose(x, [1, 0])": lambda: X.transpose(0, 2, 1),
    "reshape(x, [2, 12])": lambda: X.reshape(ROWS, 2, 12),
    "reshape(x, [3x2, 4])": lambda: X.reshape(ROWS, 3, 2, 4),
    "x[0]": lambda: X[:, 0],
    "x[1 .. 2, -1]": lambda: X[:, 1:3, -1],
    "slice(x, 1 .. 3)": lambda: X[:, :, 1:4],
    "slice(x, 2, over=0)": lambda: X[:, 2:3],
    "concat(y, y, 2 * s)": lambda: np.concatenate([Y, Y, np.tile(2 * S, (ROWS, 1))], 1),
    "concat(x, x, over=0)": lambda: np.concatenate([X, X], 1),
    "pad(y, before=1, after=2)": lambda: np.pad(Y, ((0, 0), (1, 2))),
    "concat(split(y, 3)) - y": lambda: 0 * Y,
    "concat(split(y, [1, 5])) - y": lambda: 0 * Y,
    "y > 0 and yes": lambda: (Y > 0).astype(float),
    "y * size(x)": lambda: Y * 24,
    "y * size(x, over=last)": lambda: Y * 6,
    "y + pi": lambda: Y + np.pi,
    "y + exp(0) + floor(2.5) + sqrt(4)": lambda: Y + 5,
    "y * 10% + 1k": lambda: Y * 0.1 + 1000,
    "stop_gradient(y)": lambda: Y,
    "ratio(y, 0)": lambda: 0 * Y,
    "tanh(y) + arctan(y) + sin(y) + cos(y) + abs(y)": lambda: (
        np.tanh(Y) + np.arctan(Y) + np.sin(Y) + np.cos(Y) + abs(Y)
    ),
    "y -> max(0) -> sum(over=last)": lambda: np.maximum(Y, 0).sum(1, keepdims=True),
    "y -> repeat 3 { tanh }": lambda: np.tanh(np.tanh(np.tanh(Y))),
    "y -> repeat k in 1 .. 3 { min(k) -> max(-k) }": lambda: np.clip(Y, -1, 1),
    "y -> repeat (a, b) in [[1, 2], [3, 4]] { clip(-a, b) }": lambda: np.clip(Y, -1, 2),
    "if size(x) == 24 and not (3 < 2) then y else 0": lambda: Y,
}


@pytest.mark.parametrize("body", list(CASES))
def test_an_expression_means_what_numpy_says(body: str) -> None:
    wanted = CASES[body]()
    found = value(body)
    np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), atol=1e-12)
    assert found.shape[1:] == wanted.shape[1:]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("x + transpose(x)", "E0303"),
        ("x @ x", "E0302"),
        ("sum(x, over=2)", "E0305"),
        ("sum(x, over=batches)", "E0101"),
        ("sum(s, over=batch) + y", "E0308"),
        ("sum(y, over=examples)", "E0111"),
        ("reshape(x, [5, 5])", "E0304"),
        ("reshape(x, [-1])", "E0206"),
        ("x[4]", "E0310"),
        ("x[0, 0, 0]", "E0310"),
        ("x[2 .. 1]", "E0310"),
        ("concat(split(y, 4))", "E0311"),
        ("concat(x, y)", "E0311"),
        ("transpose(x, [0, 0])", "E0305"),
        ("gather(y, argmax(y))", "E0308"),
        ("gradient(y, s)", "E0307"),
        ("y + [[1, 2], [3]]", "E0211"),
        ("y + yes and no", "E0211"),
        ('y + "a"', "E0211"),
        ("bernoulli(0.5) * y", "E0202"),
        ("bernoulli(1.5, like=y)", "E0206"),
        ("y(3)", "E0105"),
        ("max(y, 0, over=last)", "E0204"),
    ],
)
def test_what_does_not_fit_is_told(body: str, code: str) -> None:
    assert code in codes(text(body), SCHEMA)


def test_the_chain_of_shapes_is_shown_from_the_input_on() -> None:
    from tests.semantics.bench import PLAIN, classifier, told

    (message,) = told(classifier(PLAIN.replace("dense(10)", "dense(20) -> reshape([3, 3])")))
    assert message.code == "E0304"
    assert [each.message for each in message.secondary] == [
        "the input has shape [8, 8, 1]",
        "gives [64]",
        "gives [20]",
    ]
