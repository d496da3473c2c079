"""Sequences drawn from a seed: sums of two numbers, and signals of three forms."""

import numpy as np
import pytest

from tests.data.plans import opened, plan, refused, source, split


def number(bits: np.ndarray) -> np.ndarray:
    """The number that bits are, the lowest first, along axis 1."""
    weights = 2 ** np.arange(bits.shape[1]).reshape(1, -1, *[1] * (bits.ndim - 2))
    return np.asarray((bits * weights).sum(1))


@pytest.mark.parametrize("bits", [1, 3, 8, 12])
def test_a_sum_is_that_of_its_numbers(bits: int) -> None:
    rows = min(2 ** (bits - 1) * (2**bits + 1), 5000)
    data = opened(plan(source("addition", rows, bits)))
    part = data.part("train")
    assert part["x"].shape == (rows, bits + 1, 2)
    assert part["sum"].shape == (rows, bits + 1)
    assert set(np.unique(part["x"])) == {0, 1}
    assert not part["x"][:, -1].any()  # the place that only a sum can reach
    assert (number(part["x"]).sum(1) == number(part["sum"])).all()


def test_all_pairs_are_there_once_in_either_order() -> None:
    part = opened(plan(source("addition", 36, 3))).part("train")
    pairs = number(part["x"])
    assert len({tuple(sorted(pair)) for pair in pairs.tolist()}) == 36
    assert (pairs[:, 0] < pairs[:, 1]).any()
    assert (pairs[:, 0] > pairs[:, 1]).any()
    found = refused(lambda: opened(plan(source("addition", 37, 3))))
    assert found.code == "E0522"
    assert "has 36 pairs of numbers of 3 bits" in found.message


def test_no_pair_of_the_test_part_is_trained_on() -> None:
    data = opened(plan(source("addition", 20_000), split({"train": 0.8, "test": 0.2})))
    train, test = (
        {tuple(sorted(pair)) for pair in number(data.part(part)["x"]).tolist()} for part in ("train", "test")
    )
    assert not train & test


def test_sums_and_signals_are_drawn_from_their_seed() -> None:
    for name, field in (("addition", "x"), ("waves", "signal")):
        first, again = (opened(plan(source(name, 100))).part("train")[field] for _ in range(2))
        other = opened(plan(source(name, 100, seed=1))).part("train")[field]
        assert (first == again).all()
        assert (first != other).any()


def test_signals_have_the_forms_of_their_labels() -> None:
    data = opened(plan(source("waves", 300, 0, length=256)))
    part = data.part("train")
    signal, label = part["signal"][:, :, 0], part["label"]
    assert data.schema.fields[1].classes == ("sine", "square", "sawtooth")
    assert np.bincount(label).tolist() == [100, 100, 100]
    assert np.abs(signal).max() <= 1
    assert set(np.unique(signal[label == 1])) == {-1, 1}
    assert (signal[label == 0] ** 2).mean() == pytest.approx(1 / 2, abs=0.02)
    assert (signal[label == 2] ** 2).mean() == pytest.approx(1 / 3, abs=0.02)
    falls = (np.diff(signal[label == 2], axis=1) < 0).sum(1)  # a sawtooth falls once a period
    assert falls.min() >= 1
    assert falls.max() <= 6


def test_noise_is_of_the_deviation_asked_for() -> None:
    exact, noisy = (opened(plan(source("waves", 200, noise))).part("train")["signal"] for noise in (0, 0.5))
    assert (noisy - exact).std() == pytest.approx(0.5, rel=0.05)


def test_sequences_never_change() -> None:
    """The figures of models in the documentation were measured on these."""
    pairs = number(opened(plan(source("addition", 4))).part("train")["x"])
    assert pairs.tolist() == [[158.0, 198.0], [151.0, 118.0], [252.0, 171.0], [77.0, 203.0]]
    signal = opened(plan(source("waves", 3, length=8))).part("train")["signal"][:, 0, 0]
    assert np.abs(signal - [0.8141, -0.3438, 0.5319]).max() < 1e-4
