"""Recurrent layers against their formulas in NumPy, step by step."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.diagnostics import DiagnosticError
from tests.library.bench import apply, layer

Array = NDArray[Any]

STEPS, COLUMNS, UNITS = 5, 3, 4
RANDOM = np.random.default_rng(31)
X = RANDOM.normal(size=(6, STEPS, COLUMNS))
ZERO = np.zeros((6, UNITS))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def weights(gates: int) -> dict[str, Any]:
    draw = np.random.default_rng(7)
    names = {"w": (COLUMNS, gates * UNITS), "u": (UNITS, gates * UNITS), "b": (gates * UNITS,)}
    return {name: draw.normal(size=shape) for name, shape in names.items()}


def test_rnn_is_elmans_network() -> None:
    given, h = weights(1), ZERO
    for step in range(STEPS):
        h = np.tanh(X[:, step] @ given["w"] + h @ given["u"] + given["b"])
    np.testing.assert_allclose(apply(f"rnn({UNITS})", X, **given), h)


def test_rnn_takes_another_activation() -> None:
    given, h = weights(1), ZERO
    for step in range(STEPS):
        h = np.maximum(X[:, step] @ given["w"] + h @ given["u"] + given["b"], 0)
    np.testing.assert_allclose(apply(f"rnn({UNITS}, act=relu)", X, **given), h)


def lstm(x: Array, given: dict[str, Any], forget: float) -> Array:
    h, c, found = ZERO, ZERO, []
    for step in range(x.shape[1]):
        i, f, g, o = np.split(x[:, step] @ given["w"] + h @ given["u"] + given["b"], 4, axis=1)
        c = sigmoid(f + forget) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(h)
    return np.stack(found, 1)


@pytest.mark.parametrize("forget", [0, 1])
def test_lstm_remembers_by_adding(forget: int) -> None:
    given = weights(4)
    found = apply(f"lstm({UNITS}, forget={forget}, sequence=yes)", X, **given)
    np.testing.assert_allclose(found, lstm(X, given, forget))
    np.testing.assert_allclose(apply(f"lstm({UNITS}, forget={forget})", X, **given), found[:, -1])


def test_the_last_step_of_the_way_back_is_the_first_place() -> None:
    given = weights(4)
    back = lstm(X[:, ::-1], given, 1)[:, ::-1]
    np.testing.assert_allclose(apply(f"lstm({UNITS}, sequence=yes, reverse=yes)", X, **given), back)
    np.testing.assert_allclose(apply(f"lstm({UNITS}, reverse=yes)", X, **given), back[:, 0])


def test_gru_resets_after_the_product() -> None:
    given, h = weights(3) | {"d": RANDOM.normal(size=3 * UNITS)}, ZERO
    for step in range(STEPS):
        now, past = X[:, step] @ given["w"] + given["b"], h @ given["u"] + given["d"]
        (r, z, n), (pr, pz, pn) = np.split(now, 3, axis=1), np.split(past, 3, axis=1)
        r, z = sigmoid(r + pr), sigmoid(z + pz)
        h = (1 - z) * np.tanh(n + r * pn) + z * h
    np.testing.assert_allclose(apply(f"gru({UNITS})", X, **given), h)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_weights_lie_under_the_cell_and_u_begins_orthogonal(kind: str) -> None:
    made = layer(f"{kind}({UNITS}, sequence=yes) -> {kind}(2)", [STEPS, COLUMNS])
    names = ["w", "u", "b", "d"] if kind == "gru" else ["w", "u", "b"]
    paths = [f"m/{kind}_{number}/cell/{name}" for number in (1, 2) for name in names]
    assert [each.path for each in made.experiment.weights] == paths
    u = made.weights[f"m/{kind}_1/cell/u"]
    np.testing.assert_allclose(u @ u.T, np.eye(UNITS), atol=1e-6)


def test_a_sequence_is_needed() -> None:
    with pytest.raises(DiagnosticError) as caught:
        layer("lstm(4)", [8])
    assert "takes a matrix" in caught.value.diagnostics[0].message
