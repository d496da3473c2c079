"""Texts: windows, their classes, and parts that share no character."""

from pathlib import Path

import numpy as np
import pytest

from netdsl.data import Dataset
from tests.data.plans import opened, plan, refused, source, split, text_of

LETTERS = "the quick brown fox jumps over the lazy dog and runs away from all of them\n"


def windows(folder: Path, content: str | bytes, **named: object) -> Dataset:
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "t.txt").write_bytes(raw)
    return opened(plan(source("text", "t.txt", **named)), folder)


def spelled(data: Dataset, field: str, part: str = "train") -> list[str]:
    schema = data.schema.field(field)
    assert schema is not None
    rows = data.part(part)[field]  # type: ignore[arg-type]
    return ["".join(schema.classes[code] for code in row) for row in rows]


def test_windows_follow_one_another_and_targets_are_a_character_later(tmp_path: Path) -> None:
    data = windows(tmp_path, "abcdefgh", length=3)
    assert spelled(data, "characters") == ["abc", "def"]
    assert spelled(data, "next") == ["bcd", "efg"]
    characters, following = data.schema.fields
    assert (characters.kind, characters.target, characters.shape) == ("category", False, (3,))
    assert (following.kind, following.target, following.shape) == ("label", True, (3,))
    assert characters.classes == following.classes == tuple("abcdefgh")
    assert data.part("train")["next"].dtype == np.int32


def test_a_step_makes_windows_overlap_or_leaves_some_characters_out(tmp_path: Path) -> None:
    assert spelled(windows(tmp_path, "abcdef", length=3, step=1), "characters") == ["abc", "bcd", "cde"]
    assert spelled(windows(tmp_path, "abcdefgh", length=2, step=4), "characters") == ["ab", "ef"]


def test_classes_are_the_characters_of_all_parts_in_order(tmp_path: Path) -> None:
    (tmp_path / "u.txt").write_text("zäß→😀zz", encoding="utf-8")
    data = windows(tmp_path, "banana split", length=3, test="u.txt")
    assert data.schema.fields[0].classes == tuple(sorted(set("banana splitzäß→😀")))
    assert spelled(data, "characters", "test") == ["zäß", "→😀z"]
    assert dict(data.schema.rows) == {"train": 3, "test": 2}


def test_marks_and_line_ends_of_other_systems_make_no_difference(tmp_path: Path) -> None:
    plain = windows(tmp_path, "ab\ncd\nef", length=3)
    other = windows(tmp_path, b"\xef\xbb\xbfab\r\ncd\r\nef", length=3)
    assert spelled(plain, "characters") == spelled(other, "characters") == ["ab\n", "cd\n"]


@pytest.mark.parametrize(("length", "step"), [(4, 4), (5, 1), (3, 2), (2, 7), (6, 6)])
@pytest.mark.parametrize(
    "sizes", [{"train": 0.5, "valid": 0.25, "test": 0.25}, {"train": 5, "test": 3}, {"valid": 2, "test": 1}]
)
def test_parts_are_stretches_that_share_no_character(
    tmp_path: Path, length: int, step: int, sizes: dict[str, int | float]
) -> None:
    (tmp_path / "t.txt").write_text(LETTERS)
    data = opened(plan(source("text", "t.txt", length=length, step=step), split(sizes)), tmp_path)
    seen: list[set[int]] = []
    for part in data.schema.rows:
        rows = data.rows(part)
        assert (np.diff(rows) == 1).all()
        assert len(rows) == data.schema.rows[part] > 0
        # A row reads its characters and the one after them.
        seen.append({row * step + each for row in rows for each in range(length + 1)})
    for place, first in enumerate(seen):
        assert not any(first & other for other in seen[place + 1 :])
    assert [min(each) for each in seen] == sorted(min(each) for each in seen)


def test_shares_take_all_windows_that_lie_in_one_part(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("x" * 201)
    data = opened(plan(source("text", "t.txt", length=10), split({"train": 0.5, "test": 0.5})), tmp_path)
    assert dict(data.schema.rows) == {"train": 10, "test": 9}  # 20 windows, of which one lies between


def test_a_row_is_told_by_its_place(tmp_path: Path) -> None:
    data = windows(tmp_path, LETTERS, length=4)
    assert data.place("train", 2) == f"the window from character 9 of `{tmp_path / 't.txt'}`"


def test_what_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    found = refused(lambda: windows(tmp_path, b"fine\nna\xefve\n", length=2))
    assert found.code == "E0546"
    assert "line 2 has the byte 0xEF" in found.message
    assert refused(lambda: windows(tmp_path, b"", length=2)).code == "E0547"
    assert "10 characters" in refused(lambda: windows(tmp_path, "0123456789", length=10)).message
    assert dict(windows(tmp_path, "0123456789", length=9).schema.rows) == {"train": 1}


def test_windows_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    found = refused(lambda: windows(tmp_path, "ab" * 50_000, length=10_000, step=1))
    assert found.code == "E0548"
    assert found.help == "let fewer begin: `step=10000`"


def test_settings_that_mean_nothing_for_a_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(LETTERS)
    asked = source("text", "t.txt", length=4)
    assert refused(lambda: opened(plan(asked, split({"train": 0.5}, seed=2)), tmp_path)).code == "E0535"
    assert (
        refused(lambda: opened(plan(asked, split({"train": 0.5}, stratified=True)), tmp_path)).code == "E0536"
    )
    assert refused(lambda: opened(plan(asked, balance=1.0), tmp_path)).code == "E0536"
    assert "missing" in text_of(refused(lambda: opened(plan(asked, missing="drop"), tmp_path)))
    assert "it can be 1 to" in refused(lambda: windows(tmp_path, LETTERS, length=0)).message
