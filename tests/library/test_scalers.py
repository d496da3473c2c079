"""Scalers: measured on the training rows, right on others, and never dividing by 0."""

import numpy as np
import pytest

from tests.library.bench import Array, experiment, fitted, number

RANDOM = np.random.default_rng(6)
ROWS = RANDOM.uniform(0, 9, size=(7, 3))
ROWS[:, 2] = 4  # a column that never varies
OTHER = RANDOM.uniform(-2, 12, size=(4, 3))
LOW, HIGH = ROWS.min(0), ROWS.max(0)


def scaled(call: str, other: Array = OTHER, rows: Array = ROWS) -> Array:
    text = f"""
data d {{
    source = npz("d.npz")
    scale = {call}
}}
model m(x: [3]) = x -> dense(1)
train {{
    model = m
    data = d
    loss = mse
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    made = experiment(text, [number("x", 3), number("t", 1, target=True)])
    return fitted(made, x=rows).output("prepared/x", x=other)


def test_min_max_is_by_column() -> None:
    y = scaled("minmax")
    np.testing.assert_allclose(y[:, :2], (OTHER - LOW)[:, :2] / (HIGH - LOW)[:2])


def test_min_max_to_other_bounds() -> None:
    y = scaled("minmax(-1, 1)", ROWS)
    np.testing.assert_allclose(y.min(0), [-1, -1, 0])
    np.testing.assert_allclose(y.max(0), [1, 1, 0])


def test_min_max_over_all_takes_one_range() -> None:
    np.testing.assert_allclose(scaled("minmax(over=all)"), (OTHER - ROWS.min()) / (ROWS.max() - ROWS.min()))


def test_z_score() -> None:
    y = scaled("zscore")
    np.testing.assert_allclose(y[:, :2], ((OTHER - ROWS.mean(0)) / ROWS.std(0).clip(1e-9))[:, :2])


@pytest.mark.parametrize("call", ["minmax", "minmax(-1, 1)", "zscore"])
def test_a_column_that_never_varies_becomes_zero(call: str) -> None:
    assert not scaled(call, ROWS)[:, 2].any()


def test_log_range() -> None:
    other = np.abs(OTHER)
    np.testing.assert_allclose(scaled("log_range", other), np.log1p(other) / np.log1p(HIGH))
    assert scaled("log_range", np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_log_range_of_zeros_is_zero() -> None:
    assert not scaled("log_range", np.zeros((2, 3)), np.zeros((5, 3))).any()


def test_arctan_range() -> None:
    np.testing.assert_allclose(scaled("arctan_range"), 2 * np.arctan(OTHER) / np.pi)


def test_divide() -> None:
    np.testing.assert_allclose(scaled("divide(255)"), OTHER / 255)


def predicted(scale: str) -> tuple[Array, Array]:
    """Return a target's rows, and what a model says that always says 1 in scaled units."""
    text = f"""
data d {{
    source = npz("d.npz")
    scale = (t={scale})
}}
model m(x: [3]) {{
    w = weight([1], ones)
    return sum(0 * x, over=last) + w
}}
train {{
    model = m
    data = d
    loss = mse
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    rows = RANDOM.uniform(1, 5, size=(9, 1))
    made = experiment(text, [number("x", 3), number("t", 1, target=True)])
    bench = fitted(made, t=rows)
    weights = dict(bench.weights)
    (output,) = made.outputs
    return rows, type(bench)(made, weights).output(f"output/{output.name}", x=np.zeros((1, 3)))


def test_predictions_are_in_the_targets_own_unit() -> None:
    rows, one = predicted("zscore")
    np.testing.assert_allclose(one, [[rows.mean() + rows.std()]])
    rows, one = predicted("minmax")
    np.testing.assert_allclose(one, [[rows.max()]])
    rows, one = predicted("minmax(-1, 1)")
    np.testing.assert_allclose(one, [[rows.max()]])
    rows, one = predicted("divide(10)")
    np.testing.assert_allclose(one, [[10]])
    rows, one = predicted("log_range")
    np.testing.assert_allclose(one, [[rows.max()]])
