"""Tables of layers and weights."""

import numpy as np

from netdsl.explain.summary import summary, weights_table
from tests.explain.small_model import small_experiment

EXPECTED = """\
model mlp

layer          output  parameters
─────────────  ──────  ──────────
input: image   [4]
dense_1        [3]             15
relu_1         [3]
dense_2        [2]              8
softmax_1      [2]
output: label  [2]
─────────────  ──────  ──────────
total                          23

23 parameters, 92 B in float32
46 numbers that the optimizer keeps while it trains, 184 B
"""


def test_a_model_as_a_table() -> None:
    assert summary(small_experiment((3,))) == EXPECTED


def test_a_table_fits_its_width() -> None:
    narrow = summary(small_experiment((3,)), width=30)
    table = narrow.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= 30
    assert "…" in table


def test_weights_as_a_table() -> None:
    weights = {"b": np.zeros(2, np.float32), "a/w": np.array([[1.0, -3.0]], np.float32)}
    lines = weights_table(weights).splitlines()
    assert lines[2].split() == ["a/w", "[1,", "2]", "2", "-3", "-1", "1"]
    assert lines[-1].split() == ["total", "4"]


def test_a_weight_without_numbers_has_no_figures() -> None:
    assert weights_table({"empty": np.zeros((0, 3), np.float32)}).splitlines()[2].split()[-1] == "0"
