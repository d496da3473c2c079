import subprocess
import sys

import numpy as np
import pytest

from netdsl.data import draws, order
from netdsl.data.draws import gaussian, permutation, uniform, words


def test_a_draw_is_a_function_of_its_key() -> None:
    assert (words(10, "a", 1) == words(10, "a", 1)).all()
    assert (words(10, "a", 1) == words(20, "a", 1)[:10]).all()
    assert (words(10, "a", 1) != words(10, "a", 2)).any()
    assert words(0, "a").shape == (0,)


def test_the_draws_never_change() -> None:
    """Weights of a seed would change with them."""
    assert words(2, "key").tolist() == [4202895235059773906, 7181452973128138602]
    assert order(10, 1, 0).tolist() == [0, 3, 8, 6, 2, 1, 4, 5, 9, 7]


def test_an_order_has_each_row_once_and_differs_by_seed_and_epoch() -> None:
    orders = [order(1000, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    for each in orders:
        assert each.dtype == np.int64
        assert (np.sort(each) == np.arange(1000)).all()
    assert len({each.tobytes() for each in orders}) == 4
    assert order(0, 1, 1).shape == (0,)


def test_an_order_is_the_same_in_another_process() -> None:
    program = "from netdsl.data import order; print(order(50, 3, 7).tolist())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(order(50, 3, 7).tolist())


def test_distributions() -> None:
    flat, round_ = uniform(100_000, 1), gaussian(100_000, 1)
    assert flat.min() >= 0
    assert flat.max() < 1
    assert abs(flat.mean() - 0.5) < 0.005
    assert abs(round_.mean()) < 0.01
    assert abs(round_.std() - 1) < 0.01
    assert abs((round_ < -1).mean() - 0.1587) < 0.005


def test_every_place_is_equally_likely() -> None:
    places = np.stack([permutation(4, "p", turn) for turn in range(4000)])
    for place in range(4):
        assert (np.abs(np.bincount(places[:, place]) - 1000) < 120).all()


def test_rows_with_equal_words_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.arange(5000, dtype=np.uint64) % 7
    monkeypatch.setattr(draws, "words", lambda *_: drawn)
    np.testing.assert_array_equal(permutation(5000, "p"), np.argsort(drawn, kind="stable"))
