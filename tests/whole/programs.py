"""Draws random files of the language: right ones, of dense networks with formulas of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

ROWS = 23
CLASSES = 3
EXTENTS = st.sampled_from([1, 2, 3, 4, 5, 7, 16, 17])

ACTIVATIONS = (
    *("relu", "tanh", "sigmoid", "leaky_relu(0.1)", "elu", "selu", "softplus", "swish", "gelu", "mish"),
    *("hard_tanh", "hard_sigmoid", "softsign", "relu6", "softmax", "prelu", "identity", "sin"),
)
INITIALIZERS = ("he", "xavier", "lecun_uniform", "normal(0.3)", "uniform(-0.5, 0.5)", "orthogonal(1)")
OPTIMIZERS = (
    *("sgd(0.05)", "momentum(0.02, mu=0.8)", "nesterov(0.02)", "adagrad(0.05)", "rmsprop(0.01)"),
    *("adadelta", "adam(0.01)", "adamw(0.01)", "adamax(0.01)", "own(0.02)", "adam(cosine(0.02))"),
    *("sgd(warmup(0.05, over=3 steps))", "momentum(step_decay(0.05, every=2 steps))"),
)
ENDS = {
    "label": (("softmax", "cross_entropy"), ("identity", "multiclass_hinge"), ("sigmoid", "own_loss")),
    "side": (("sigmoid", "binary_cross_entropy"), ("identity", "hinge"), ("identity", "squared_hinge")),
    "number": tuple(
        ("identity", each) for each in ("mse", "mae", "huber", "smooth_l1", "log_cosh", "own_loss", "poisson")
    ),
}
UNITS = {"label": CLASSES, "side": 1, "number": 2}
PENALTIES = (
    "",
    " + 0.01 * l2(weights)",
    " + 0.003 * l1(weights)",
    " + λ/(2*batch_size) * own_penalty(weights)",
)
HEAD = """\
param λ = 0.1

optimizer own(w, g; lr) {
    state v = 0
    state c = 0.5
    v := 0.7 * v + 0.3 * sign(g) * sqrt(abs(g))
    c := max(c * 0.9, abs(v))
    w := w - lr * v / (c + 0.1) - lr * 0.01 * w
}
penalty own_penalty(w) = sum(sqrt(1 + w^2) - 1) + 0.1 * mean(w)^2
loss own_loss(y, t) = mean(log(1 + (y - t)^2)) + max(y - t)^2 / 10
"""


def write_data(folder: Path) -> None:
    """Write the examples that all random files read."""
    draw = np.random.default_rng(11)
    x = draw.standard_normal((ROWS, 5)).astype(np.float32)
    z = draw.uniform(-1, 1, (ROWS, 3, 4)).astype(np.float32)
    score = x @ draw.standard_normal((5, CLASSES)) + z.sum((1, 2))[:, None] * np.arange(CLASSES)
    fields = {
        "x": x,
        "z": z,
        "label": score.argmax(1),
        "side": (score[:, 0] > 0).astype(np.int64),
        "number": np.tanh(score[:, :2]).astype(np.float32),
    }
    np.savez(folder / "given.npz", allow_pickle=False, **fields)


@dataclass
class _Text:
    """A file while it is drawn: definitions before the model, and a counter for their names."""

    draw: DrawFn
    before: list[str] = field(default_factory=list)

    def one(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(1, 100)) <= percent

    def name(self, stem: str) -> str:
        return f"{stem}_{len(self.before) + 1}"


@st.composite
def programs(draw: DrawFn) -> str:
    """Draw a file."""
    text = _Text(draw)
    target = text.one("label", "side", "number")
    end, loss = draw(st.sampled_from(ENDS[target]))
    model = _model(text, target, end)
    definitions = "\n".join(text.before)
    clip = text.one("", "", "    clip = norm(0.5)", "    clip = value(0.05)")
    return f"""{HEAD}
data given {{
    source = npz("given.npz", {"target" if target == "number" else "label"}={target})
    scale  = {text.one("(x=zscore)", "(x=minmax(-1, 1), z=arctan_range)", "(z=divide(2))")}
}}
{definitions}
{model}
train {{
    model     = net
    data      = given
    loss      = {loss}{text.one(*PENALTIES)}
    optimizer = {text.one(*OPTIMIZERS)}
    batch     = {text.one("all", "1", "2", "5", "8", "16", "23")}
    epochs    = 100
    seed      = {draw(st.integers(0, 99))}
{clip}
}}
"""


def _model(text: _Text, target: str, end: str) -> str:
    last = f"dense({UNITS[target]}) -> {end}"
    match text.one("one", "two", "shared"):
        case "one":
            chain, _ = _chain(text, (5,), 4)
            return f"model net(x: [5]) = x{chain} -> flatten -> {last}"
        case "two":
            left, _ = _chain(text, (5,), 3)
            right, _ = _chain(text, (3, 4), 3)
            return (
                f"model net(x: [5], z: [3, 4]) {{\n    a = x{left} -> flatten\n    b = z{right} -> flatten\n"
                f"    return concat(a, b) -> {last}\n}}"
            )
        case _:
            inner, _ = _chain(text, (4,), 2)
            text.before.append(f"model tower(row: [4]) = row{inner}")
            join = text.one("a + b", "a * b", "abs(a - b)", "max(a, b)")
            return (
                "model net(z: [3, 4]) {\n    a = z[0] -> reshape([4]) -> tower\n"
                "    b = tower(reshape(z[2], [4]))\n"
                f"    return {join} -> flatten -> {last}\n}}"
            )


def _chain(text: _Text, shape: tuple[int, ...], most: int) -> tuple[str, tuple[int, ...]]:
    """Draw some stages after a value of a shape; also the shape that they end with."""
    stages = ""
    for _ in range(text.draw(st.integers(0, most))):
        stage, shape = _stage(text, shape)
        stages += f" -> {stage}"
    return stages, shape


def _stage(text: _Text, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    match text.draw(st.integers(0, 9)):
        case 0 | 1 | 2:
            units = text.draw(EXTENTS)
            start = text.one(*INITIALIZERS)
            flat = "" if len(shape) == 1 else "flatten -> "
            return f"{flat}dense({units}, init={start}{text.one('', ', bias=no')})", (units,)
        case 3:
            return text.one(*ACTIVATIONS), shape
        case 4:
            return text.one("batchnorm", "layernorm", "dropout(30%)", "batchnorm(momentum=0.1)"), shape
        case 5:
            return _moved(text, shape)
        case 6:
            repeated = text.one(
                "repeat 2 {{ dense({n}) -> tanh }}", "repeat k in [2, 3] {{ maxout({n}, pieces=k) }}"
            )
            flat = "" if len(shape) == 1 else "flatten -> "
            units = text.draw(EXTENTS)
            return flat + repeated.format(n=units), (units,)
        case _:
            return _layer(text, shape), shape


def _moved(text: _Text, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Draw a layer that moves values about."""
    name, first, last = text.name("moved"), shape[0], shape[-1]
    if len(shape) == 1:
        body, result = text.draw(
            st.sampled_from(
                [
                    ("concat(x, tanh(x))", (2 * first,)),
                    (f"x[0 .. {(first - 1) // 2}]", ((first - 1) // 2 + 1,)),
                    ("pad(x, before=1, after=2)", (first + 3,)),
                    (f"reshape(concat(x, -x), [2, {first}])", (2, first)),
                    ("concat(x[-1 .. -1], x)", (first + 1,)),
                ]
            )
        )
    else:
        body, result = text.draw(
            st.sampled_from(
                [
                    ("transpose(x)", (last, first)),
                    ("x @ transpose(x) / 4", (first, first)),
                    (f"reshape(x, [{last}, {first}])", (last, first)),
                    ("max(x, over=last, drop=yes)", (first,)),
                    ("mean(x, over=0, drop=yes)", (last,)),
                    (f"x @ weight_of(x; {last})", shape),
                    ("concat(x, x^2, over=0)", (2 * first, last)),
                    ("x[0]", (last,)),
                ]
            )
        )
    if "weight_of" in body:
        body = "x @ w"
        text.before.append(
            f"layer {name}(x: [a, b]) {{\n    w = weight([b, b], xavier)\n    return {body}\n}}"
        )
    else:
        text.before.append(f"layer {name}(x) = {body}")
    return name, result


def _layer(text: _Text, shape: tuple[int, ...]) -> str:
    """Draw a layer with a formula of its own, of the shape of what it is given."""
    name = text.name("formula")
    formula, _ = _formula(text, 3)
    end = text.one("x + {} / 2", "x * {}", "tanh({}) - x", "where(x > 0.1, {}, x)", "{} + 0 * x")
    text.before.append(
        f"""layer {name}(x: [.., c]; s = {text.one("0.5", "1.5", "-1")}) {{
    w = weight([c], normal(0.5))
    b = offset([c])
    g = gain([1])
    return {end.format(f"({formula})")} + b
}}"""
    )
    return name + text.one("", "(s=0.25)")


UNARY = (
    *(
        "tanh({0})",
        "sin({0})",
        "cos({0})",
        "abs({0})",
        "arctan({0})",
        "erf({0})",
        "sigmoid({0})",
        "relu({0})",
    ),
    *("softplus({0})", "sqrt(1 + ({0})^2)", "log(1 + abs({0}))", "exp(clip({0}, -3, 2))", "exp(-abs({0}))"),
    *(
        "({0})^2",
        "-({0})",
        "1 / (1 + ({0})^2)",
        "clip({0}, -2, 2)^3",
        "stop_gradient({0})",
        "(2 ^ clip({0}, -2, 2))",
    ),
    *("log(sigmoid({0}))", "softmax({0})", "(abs({0}) + 0.1) ^ 1.5", "(if s > 0 then {0} else ({0})^2)"),
)
BINARY = (
    *("({0} + {1})", "({0} - {1})", "({0} * {1})", "{0} / (1 + abs({1}))", "min({0}, {1})", "max({0}, {1})"),
    *(
        "where({0} > {1}, {0}, {1})",
        "ratio({0}, 0.5 + ({1})^2)",
        "(if {0} < {1} and {0} > -1 then {1} else {0})",
    ),
)
REDUCING = (
    *("mean({0}, over=last)", "sum({0}, over=last) / 4", "max({0}, over=last)", "min({0}, over=last)"),
    *(
        "mean({0}, over=batch)",
        "max({0}, over=batch)",
        "mean({0}, over=all)",
        "mean({0}, over=[batch, last])",
    ),
    *(
        "sum({0}, over=0) / 3",
        "variance({0}, over=last)",
        "variance({0}, over=batch)",
        "mean({0})",
        "max({0})",
    ),
    *(
        "sqrt(variance({0}, over=all) + 0.1)",
        "norm(1 + abs({0}))",
        "sum({0}) / 5",
        "mean({0} * gaussian(0, 1, like={0}))",
    ),
)


def _formula(text: _Text, depth: int) -> tuple[str, bool]:
    """Draw a formula; also whether it has the whole shape of x."""
    if depth == 0:
        atom = text.one("x", "x", "x", "w", "g", "s * g", "0.7 * w")
        return atom, atom == "x"
    match text.draw(st.integers(0, 4)):
        case 0 | 1:
            inner, whole = _formula(text, depth - 1)
            form = text.one(*UNARY)
            inner = inner if whole or "softmax" not in form else f"(x + {inner})"
            return form.format(inner), whole
        case 2 | 3:
            left, first = _formula(text, depth - 1)
            right, second = _formula(text, depth - 1)
            return text.one(*BINARY).format(left, right), first or second
        case _:
            inner, whole = _formula(text, depth - 1)
            return text.one(*REDUCING).format(inner if whole else f"(x * {inner})"), False
