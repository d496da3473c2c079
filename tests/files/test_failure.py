import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netdsl.diagnostics import Exit
from netdsl.files import make_run_folder, shown, size_text, system, told, write_atomic
from netdsl.files.failure import error_of
from netdsl.files.write import is_running
from tests.files.faults import faulty, outcome


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (3_250_586, "3.1 MiB"),
        (5 << 30, "5.0 GiB"),
        (7 << 40, "7.0 TiB"),
        (7 << 50, "7168.0 TiB"),
    ],
)
def test_sizes_are_told_in_words(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "E0801"),
        (errno.EDQUOT, "E0801"),
        (errno.EACCES, "E0802"),
        (errno.EPERM, "E0802"),
        (errno.EROFS, "E0802"),
        (errno.ENOENT, "E0803"),
        (errno.ENOTDIR, "E0803"),
        (errno.EIO, "E0804"),
        (errno.ENAMETOOLONG, "E0804"),
    ],
)
def test_each_failure_has_its_code_and_the_systems_reason(tmp_path: Path, number: int, code: str) -> None:
    error = error_of(OSError(number, os.strerror(number)), "write", tmp_path / "file")
    (diagnostic,) = error.diagnostics
    assert diagnostic.code == code
    assert error.exit_code is Exit.FILES
    assert diagnostic.message.startswith("cannot write `")
    assert diagnostic.help
    if code != "E0801":
        assert os.strerror(number).lower() in diagnostic.message.lower()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    failure = OSError(errno.ENOENT, "no")
    there = error_of(failure, "read", tmp_path / "file").diagnostics[0]
    gone = error_of(failure, "read", tmp_path / "gone" / "file").diagnostics[0]
    assert there.help == "check the name"
    assert str(tmp_path / "gone") in (gone.help or "")


def test_a_failure_without_a_number_keeps_its_words(tmp_path: Path) -> None:
    def work() -> None:
        with told("read", tmp_path):
            raise OSError("Strange thing")

    error = outcome(work)
    assert error is not None
    assert error.diagnostics[0].message.endswith("strange thing")


def test_a_disk_that_does_not_tell_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> object:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "statvfs", refuse)
    assert system.free_bytes(str(tmp_path)) is None
    with faulty(2, "ENOSPC"):
        error = outcome(lambda: write_atomic(tmp_path / "file", b"x"))
    assert error is not None
    assert error.diagnostics[0].message.endswith("the disk is full")


def test_paths_are_shown_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "runs" / "run-1") == "runs/run-1"
    assert shown(Path("/elsewhere/x")) == "/elsewhere/x"


def test_which_processes_are_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_running(os.getpid())
    assert not is_running(2**70)

    def foreign(process: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", foreign)
    assert is_running(1)


def test_a_number_that_another_process_took_is_passed_over(tmp_path: Path) -> None:
    def overtaken(name: str, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
        result = function(*arguments)
        if name == "list":
            (tmp_path / "run-1").mkdir()
        return result

    with system.intercepted(overtaken):
        assert make_run_folder(tmp_path).name == "run-2"
