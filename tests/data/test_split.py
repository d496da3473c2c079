import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.data.split import Sizes, draw_parts, oversample, oversampled_count, size_parts
from tests.data.plans import opened, plan, refused, source, split


@pytest.mark.parametrize(
    ("sizes", "rows", "expected"),
    [
        ({"train": 0.7, "valid": 0.15, "test": 0.15}, 1797, (1258, 269, 270)),
        ({"train": 0.995, "valid": 0.004, "test": 0.001}, 1000, (995, 4, 1)),
        ({"train": 0.98, "valid": 0.01, "test": 0.01}, 50, (49, 1, None)),
        ({"train": 0.6, "valid": 0.2, "test": 0.2}, 3, (2, None, 1)),
        ({"train": 50, "valid": 10}, 100, (50, 10, None)),
        ({"valid": 10, "test": 20}, 100, (70, 10, 20)),
        ({"valid": 0.1}, 100, (90, 10, None)),
        ({"train": 0.5, "valid": 10}, 100, (50, 10, None)),
        ({"train": 1.0}, 7, (7, None, None)),
    ],
)
def test_sizes(sizes: dict[str, int | float], rows: int, expected: tuple[int | None, ...]) -> None:
    found = size_parts(split(sizes), rows, None)
    wanted = {part: n for part, n in zip(("train", "valid", "test"), expected, strict=True) if n is not None}
    assert dict(found.rows) == wanted
    assert not found.own_test


def test_without_a_split_all_rows_are_for_training() -> None:
    assert dict(size_parts(None, 10, None).rows) == {"train": 10}
    assert dict(size_parts(None, 10, 3).rows) == {"train": 10, "test": 3}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (
            {"train": 50_000, "valid": 10_000, "test": 10_000},
            {"train": 50_000, "valid": 10_000, "test": 10_000},
        ),
        ({"train": 0.9, "valid": 0.1}, {"train": 54_000, "valid": 6_000, "test": 10_000}),
        ({"train": 100, "test": 50}, {"train": 100, "test": 50}),
        ({"train": 100, "test": 1.0}, {"train": 100, "test": 10_000}),
        ({"train": 100, "test": 0}, {"train": 100}),
    ],
)
def test_a_test_part_of_its_own_is_kept(sizes: dict[str, int | float], expected: dict[str, int]) -> None:
    found = size_parts(split(sizes), 60_000, 10_000)
    assert dict(found.rows) == expected
    assert found.own_test


@pytest.mark.parametrize(
    ("sizes", "rows", "own", "code"),
    [
        ({"train": 90, "valid": 20}, 100, None, "E0534"),
        ({"train": 0.9, "valid": 0.2}, 100, None, "E0534"),
        ({"train": 0.9, "valid": 20}, 100, None, "E0534"),
        ({"train": 50, "test": 20}, 100, 10, "E0534"),
        ({"train": 0.8, "valid": 0.1, "test": 0.1}, 100, 10, "E0535"),
        ({"train": 0.8, "dev": 0.2}, 100, None, "E0535"),
        ({"train": -1}, 100, None, "E0535"),
        ({"train": 1.5}, 100, None, "E0535"),
        ({"valid": 0.5, "test": 0.5}, 100, None, "E0543"),
        ({"train": 0, "test": 5}, 100, None, "E0543"),
    ],
)
def test_splits_that_cannot_be(sizes: dict[str, int | float], rows: int, own: int | None, code: str) -> None:
    found = refused(lambda: size_parts(split(sizes), rows, own))
    assert found.code == code
    assert found.primary is not None
    if code in {"E0534", "E0543"}:
        assert found.help


@given(st.integers(10, 500), st.floats(0.1, 0.8), st.booleans(), st.integers(0, 3))
def test_parts_share_no_row(rows: int, share: float, stratified: bool, seed: int) -> None:
    chosen = split({"train": share, "valid": 1 - share}, seed=seed)
    sizes = size_parts(chosen, rows, None)
    labels = np.arange(rows, dtype=np.int32) % 3 if stratified else None
    parts = draw_parts(chosen, sizes, rows, 0, labels, 0)
    drawn = np.concatenate(list(parts.values()))
    assert (np.sort(drawn) == np.arange(rows)).all()
    assert {part: len(each) for part, each in parts.items()} == dict(sizes.rows)
    assert all((np.diff(each) > 0).all() for each in parts.values())


def test_the_draw_depends_on_its_seeds() -> None:
    sizes = Sizes({"train": 50, "valid": 50}, own_test=False)
    keys = [(0, 0), (0, 1), (1, 0)]
    draws = [draw_parts(split({}, seed=own), sizes, 100, 0, None, seed)["train"] for own, seed in keys]
    assert len({each.tobytes() for each in draws}) == 3
    again = draw_parts(split({}, seed=1), sizes, 100, 0, None, 0)["train"]
    assert (again == draws[2]).all()


def test_a_stratified_draw_keeps_the_shares() -> None:
    labels = np.repeat(np.arange(3, dtype=np.int32), (500, 300, 200))
    chosen = split({"train": 0.6, "valid": 0.3, "test": 0.1}, stratified=True)
    parts = draw_parts(chosen, size_parts(chosen, 1000, None), 1000, 0, labels, 0)
    for part, expected in {"train": (300, 180, 120), "valid": (150, 90, 60), "test": (50, 30, 20)}.items():
        assert (np.abs(np.bincount(labels[parts[part]]) - expected) <= 1).all()  # type: ignore[index]


def test_rare_classes_are_drawn_again() -> None:
    labels = np.repeat(np.arange(3, dtype=np.int32), (100, 30, 7))
    rows = np.arange(1000, 1137)
    for share, expected in ((0.5, (100, 50, 50)), (1.0, (100, 100, 100)), (0.01, (100, 30, 7))):
        drawn = oversample(rows, labels, share, "key")
        counts = np.bincount(labels[drawn - 1000])
        assert counts.tolist() == list(expected)
        assert len(drawn) == oversampled_count(labels, share)
        assert set(drawn) == set(rows)
        times = np.bincount(drawn - 1000)[130:]
        assert times.max() - times.min() <= 1, "each once more before one twice more"


def test_a_data_set_balances_its_training_rows_alone() -> None:
    csv = source("blobs", n=300, classes=3)
    data = opened(plan(csv, split({"train": 0.7, "valid": 0.3}), balance=1.0))
    counts = np.bincount(data.part("train")["label"])
    assert counts.min() == counts.max()
    assert data.schema.rows["train"] == counts.sum() == len(data.part("train")["x"])
    assert data.schema.rows["valid"] == 90


def test_stratifying_needs_a_label() -> None:
    without = source("csv", "tabular/diabetes.csv", target="progression")
    stratified = split({"train": 0.5, "valid": 0.5}, stratified=True)
    assert refused(lambda: opened(plan(without, stratified))).code == "E0536"
    assert refused(lambda: opened(plan(without, balance=1.0))).code == "E0536"


def test_a_part_that_is_not_there() -> None:
    data = opened(plan(source("moons"), split({"train": 0.8, "test": 0.2})))
    found = refused(lambda: data.part("valid"))
    assert found.code == "E0545"


def test_folds_keep_the_test_part() -> None:
    data = opened(plan(source("moons", n=100), split({"train": 60, "valid": 20, "test": 20})))
    both = np.sort(np.concatenate([data.rows("train"), data.rows("valid")]))
    fold = data.with_parts({"train": both[10:], "valid": both[:10]})
    assert dict(fold.schema.rows) == {"train": 70, "valid": 10, "test": 20}
    assert (fold.part("test")["x"] == data.part("test")["x"]).all()
    assert len(fold.part("valid")["x"]) == 10
