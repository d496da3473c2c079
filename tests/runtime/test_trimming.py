"""The cache of kernels stays within its budget, whoever else reads or trims it."""

import os
import threading
import time
from pathlib import Path

import pytest

from netdsl.runtime.cache import ObjectCache
from netdsl.runtime.trimming import DAY, KEPT, PAGE, is_due, on_disk, trim

SIZE = PAGE
HEADER = 80
"""Bytes of an object before its code."""


def fill(folder: Path, count: int) -> None:
    """Write objects, each used an hour after the one before; the last is used now."""
    for number in range(count):
        path = folder / f"{number:03}.o"
        path.write_bytes(bytes(SIZE))
        used = time.time() - 3600 * (count - 1 - number)
        os.utime(path, (used, used))


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_what_was_used_least_recently_goes(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    (tmp_path / "notes.txt").write_text("not ours")
    trim(tmp_path, 10 * SIZE)
    assert names(tmp_path) == [*(f"{number:03}.o" for number in range(5, 12)), "notes.txt"]
    assert 7 * SIZE <= KEPT * 10 * SIZE


def test_within_the_budget_all_stays(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    trim(tmp_path, 10 * SIZE)
    assert len(names(tmp_path)) == 10


def test_a_folder_that_is_not_there_is_no_mistake(tmp_path: Path) -> None:
    trim(tmp_path / "missing", 1)


def test_a_use_is_noted_to_the_day(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    key, other = "1e" * 32, "2d" * 32
    for each in (key, other):
        cache.write(each, bytes(SIZE))
    before = time.time() - 2 * DAY
    os.utime(tmp_path / f"{key}.o", (before, before))
    recent = time.time() - DAY / 2
    os.utime(tmp_path / f"{other}.o", (recent, recent))
    assert cache.read(key) == cache.read(other) == bytes(SIZE)
    assert (tmp_path / f"{key}.o").stat().st_mtime > before + DAY
    assert (tmp_path / f"{other}.o").stat().st_mtime == pytest.approx(recent, abs=1)


def test_one_write_in_many_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr("netdsl.runtime.cache.trim", looked.append)
    cache = ObjectCache(tmp_path)
    for first in ("01", "00", "10", "ff"):
        cache.write(first + "5a" * 31, b"kernel")
    assert looked == [tmp_path]
    assert is_due("00" + "5a" * 31)


def test_what_a_killed_process_has_left_goes(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    (tmp_path / f".{'1e' * 32}.o.{2**22 + 1}-1.tmp").write_bytes(b"half")
    trim(tmp_path)
    assert names(tmp_path) == ["000.o"]


def test_many_may_trim_at_once_while_others_write(tmp_path: Path) -> None:
    fill(tmp_path, 200)
    cache = ObjectCache(tmp_path)
    keys = [f"{number:02x}" * 32 for number in range(1, 30)]
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for key in keys:
                cache.write(key, bytes(SIZE - HEADER))
                assert cache.read(key) in (bytes(SIZE - HEADER), None)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    def trim_often() -> None:
        try:
            for _ in range(20):
                trim(tmp_path, 50 * SIZE)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=each) for each in (write, trim_often, trim_often)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures
    trim(tmp_path, 50 * SIZE)
    assert 0 < sum(on_disk(each.stat().st_size) for each in tmp_path.iterdir()) <= 50 * SIZE


def test_a_file_takes_whole_pages() -> None:
    assert [on_disk(size) for size in (0, 1, PAGE, PAGE + 1)] == [0, PAGE, PAGE, 2 * PAGE]
