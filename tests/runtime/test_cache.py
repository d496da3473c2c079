import os
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.runtime.cache import ObjectCache, open_cache

KEY = "0f" * 32
OTHER = "1e" * 32
DATA = bytes(range(256)) * 5


@pytest.fixture
def cache(tmp_path: Path) -> ObjectCache:
    result = ObjectCache(tmp_path)
    result.write(KEY, DATA)
    return result


def test_what_is_kept_is_read(cache: ObjectCache) -> None:
    assert cache.read(KEY) == DATA
    assert cache.read(OTHER) is None


def file_of(cache: ObjectCache) -> Path:
    assert cache.folder is not None
    (path,) = cache.folder.iterdir()
    return path


def test_each_flipped_bit_is_noticed(cache: ObjectCache) -> None:
    path = file_of(cache)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        assert cache.read(KEY) is None, place


@pytest.mark.parametrize("length", [0, 5, 16, 79, 80, 81, 1000])
def test_a_torn_file_is_noticed(cache: ObjectCache, length: int) -> None:
    path = file_of(cache)
    path.write_bytes(path.read_bytes()[:length])
    assert cache.read(KEY) is None


def test_more_than_was_written_is_noticed(cache: ObjectCache) -> None:
    with file_of(cache).open("ab") as file:
        file.write(b"\0")
    assert cache.read(KEY) is None


def test_an_object_under_another_name_is_not_taken(cache: ObjectCache) -> None:
    path = file_of(cache)
    path.rename(path.with_name(path.name.replace(KEY, OTHER)))
    assert cache.read(OTHER) is None


def test_a_link_is_not_followed(cache: ObjectCache, tmp_path: Path) -> None:
    path = file_of(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.read(KEY) is None


def test_a_file_that_others_can_write_is_not_taken(cache: ObjectCache) -> None:
    file_of(cache).chmod(0o622)
    assert cache.read(KEY) is None


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    missing = ObjectCache(tmp_path / "missing")
    missing.write(KEY, DATA)
    assert missing.read(KEY) is None
    assert ObjectCache(None).read(KEY) is None
    ObjectCache(None).write(KEY, DATA)


def test_the_folder_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    folder = open_cache().folder
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(DiagnosticError, match="E0807"):
        open_cache()


def test_a_linked_folder_of_kernels_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache" / "kernels").symlink_to(tmp_path / "elsewhere")
    assert open_cache().folder is None


def test_a_cache_in_place_of_a_file_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    assert open_cache().folder is None


def test_nothing_else_is_left_in_the_folder(cache: ObjectCache) -> None:
    assert cache.folder is not None
    assert os.listdir(cache.folder) == [f"{KEY}.o"]
