"""A range of whole numbers where a tensor is meant."""

import numpy as np
import pytest

from tests.library.bench import apply, bench, experiment, number
from tests.semantics.bench import classifier, codes

X = np.zeros((2, 4))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("x + (0 .. 3)", [0, 1, 2, 3]),
        ("x + (-1 .. n - 2)", [-1, 0, 1, 2]),
        ("x + (1 .. 4) / 2", [0.5, 1, 1.5, 2]),
        ("x + concat(0 .. n - 3, 2 .. 3)", [0, 1, 2, 3]),
        ("x + sqrt(0 .. 3)^2 * (0 .. 3)", [0, 1, 4, 9]),
        ("x + (7 .. 7)", [7, 7, 7, 7]),
        ("where((0 .. 3) >= 2, x + 1, x)", [0, 0, 1, 1]),
    ],
)
def test_a_range_is_a_vector_with_both_its_ends(formula: str, expected: list[float]) -> None:
    text = f"""
data d {{ source = npz("d.npz") }}
model m(x: [n]) {{ return (out = {formula}) }}
loss total(y) = sum(y)
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    epochs = 1
}}
"""
    made = bench(experiment(text, [number("x", 4)])).output("output/out", x=X)
    np.testing.assert_allclose(made, np.tile(expected, (2, 1)))


def test_a_range_still_picks_a_part() -> None:
    np.testing.assert_array_equal(apply("slice(1 .. 2)", np.arange(8.0).reshape(2, 4)), [[1, 2], [5, 6]])


@pytest.mark.parametrize("wrong", ["3 .. 1", "0 .. 2.5", "0 .. 3 epochs", "0 .. 100M"])
def test_other_ranges_are_told(wrong: str) -> None:
    body = f"""
    y = image -> flatten -> dense(10)
    return y + ({wrong}) -> softmax
"""
    assert codes(classifier(body)) == ["E0211"]
