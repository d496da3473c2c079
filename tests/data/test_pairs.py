"""Pairs of examples: of one class or of two, and never across parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netdsl.data import Dataset
from netdsl.data.pairs import partners
from netdsl.semantics.experiment import SourcePlan, SplitPlan
from netdsl.semantics.schema import PartName
from tests.data.plans import opened, plan, refused, source, split


def paired(given: SourcePlan, parts: SplitPlan | None = None, pairs: int = 1, **more: float) -> Dataset:
    return opened(replace(plan(given, parts, **more), pairs=pairs))  # type: ignore[arg-type]


def numbered(folder: Path, labels: list[int]) -> SourcePlan:
    """A source whose input is the number of the row."""
    np.savez(folder / "rows.npz", x=np.arange(len(labels), dtype=np.float32), y=np.array(labels))
    return source("npz", str(folder / "rows.npz"), label="y")


def test_fields_of_pairs() -> None:
    data = paired(source("digits"), split({"train": 0.7, "test": 0.3}), 2)
    first, second, same = data.schema.fields
    assert (first.name, second.name, same.name) == ("first", "second", "same")
    assert first.shape == second.shape == (8, 8, 1)
    assert first.range == second.range == (0, 16)
    assert (same.kind, same.target, same.classes) == ("label", True, ("different", "same"))
    assert dict(data.schema.rows) == {"train": 2 * 1258, "test": 2 * 539}
    part = data.part("train")
    assert part["first"].shape == part["second"].shape == (2516, 8, 8, 1)
    assert part["same"].mean() == 0.5
    assert len(data.rows("train")) == 2516
    assert data.place("train", 0) == data.place("train", 1)
    assert data.place("train", 2) != data.place("train", 0)


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_pairs_are_of_one_class_or_two_and_of_one_part(tmp_path: Path, part: PartName) -> None:
    labels = np.random.default_rng(0).integers(0, 3, 60)
    given = numbered(tmp_path, labels.tolist())
    parts = split({"train": 30, "valid": 15, "test": 15})
    whole = opened(plan(given, parts), tmp_path)
    found = opened(replace(plan(given, parts), pairs=6), tmp_path).part(part)
    first, second = found["first"].astype(int), found["second"].astype(int)
    assert (first != second).all()
    assert set(first) == set(whole.part(part)["x"].astype(int))
    assert set(second) <= set(first)
    assert (found["same"] == (labels[first] == labels[second])).all()
    assert found["same"].reshape(-1, 6).sum(1).tolist() == [3] * (len(first) // 6)
    again = opened(replace(plan(given, parts), pairs=6), tmp_path).part(part)
    assert (again["second"] == found["second"]).all()


def test_partners_are_drawn_evenly() -> None:
    labels = np.array([1, 0, 1, 2, 1, 0, 2, 2])
    count = 70_000
    draws = (np.arange(count) + 0.5) / count
    for same, expected in ((True, {2: 1 / 2, 4: 1 / 2}), (False, dict.fromkeys((1, 3, 5, 6, 7), 1 / 5))):
        found = partners(labels, np.zeros(count, int), np.full(count, same), draws)
        shares = np.bincount(found, minlength=8) / count
        assert {each: pytest.approx(share, abs=1e-3) for each, share in expected.items()} == {
            int(each): shares[each] for each in np.flatnonzero(shares)
        }


def test_an_example_alone_in_its_class_is_paired_with_others(tmp_path: Path) -> None:
    data = opened(replace(plan(numbered(tmp_path, [0, 0, 0, 1])), pairs=4), tmp_path).part("train")
    alone = data["first"] == 3
    assert not data["same"][alone].any()
    assert (data["second"][alone] != 3).all()
    assert data["same"][~alone].mean() == 0.5


def test_balanced_rows_are_paired_too(tmp_path: Path) -> None:
    given = numbered(tmp_path, [0] * 9 + [1] * 3)
    data = opened(replace(plan(given, balance=1.0), pairs=2), tmp_path)
    assert dict(data.schema.rows) == {"train": 36}
    assert len(data.part("train")["first"]) == 36


def test_data_of_which_no_pairs_can_be_made(tmp_path: Path) -> None:
    for given in (source("addition", 10), source("text", "t.txt", length=2)):
        (tmp_path / "t.txt").write_text("some text")
        found = refused(lambda given=given: opened(replace(plan(given), pairs=1), tmp_path))  # type: ignore[misc]
        assert found.code == "E0549"
