import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError, Exit
from netdsl.files import append_line, make_folders, sweep, system, write_atomic
from tests.files.faults import KINDS, count_calls, faulty, outcome

OLD, NEW = b"old content", b"n" * 100_000


def write_new(folder: Path) -> None:
    write_atomic(folder / "file", NEW)


def test_content_is_written_and_replaced(tmp_path: Path) -> None:
    for content in (b"", OLD, NEW):
        write_atomic(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
        assert os.listdir(tmp_path) == ["file"]


def test_the_bytes_reach_the_disk_before_the_name(tmp_path: Path) -> None:
    with faulty(0, "EIO") as faults:
        write_new(tmp_path)
    assert faults.calls == ["open", "write", "fsync", "close", "rename", "open", "fsync", "close"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [None, OLD])
def test_any_failing_call_leaves_old_or_new(tmp_path: Path, kind: str, before: bytes | None) -> None:
    target = tmp_path / "file"
    failed = 0
    for at in range(1, count_calls(lambda: write_new(tmp_path)) + 1):
        target.unlink(missing_ok=True)
        if before is not None:
            target.write_bytes(before)
        with faulty(at, kind):
            error = outcome(lambda: write_new(tmp_path))
        if error is not None:
            failed += 1
            assert error.exit_code is Exit.FILES
            assert error.diagnostics[0].code in {"E0801", "E0802", "E0804"}
            assert "file" in error.diagnostics[0].message
        now = target.read_bytes() if target.exists() else None
        assert now in (before, NEW)
        assert set(os.listdir(tmp_path)) <= {"file"}
    assert (failed == 0) == (kind in {"EINTR", "SHORT"})


def test_a_full_disk_tells_needs_and_room(tmp_path: Path) -> None:
    with faulty(2, "ENOSPC"), pytest.raises(DiagnosticError) as caught:
        write_new(tmp_path)
    message = caught.value.diagnostics[0].message
    assert caught.value.diagnostics[0].code == "E0801"
    assert "needs 97.7 KiB" in message
    assert "free" in message


def test_a_disk_that_takes_nothing_is_no_endless_loop(tmp_path: Path) -> None:
    def nothing(name: str, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
        return 0 if name == "write" else function(*arguments)

    with system.intercepted(nothing), pytest.raises(DiagnosticError):
        write_new(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path) -> None:
    calls: list[str] = []

    def no_sync(name: str, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
        calls.append(name)
        if name == "fsync" and calls.count("fsync") == 2:
            raise OSError(errno.EINVAL, "no sync of folders here")
        return function(*arguments)

    with system.intercepted(no_sync):
        write_new(tmp_path)
    assert (tmp_path / "file").read_bytes() == NEW


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        write_atomic(tmp_path / "gone" / "file", NEW)
    assert caught.value.diagnostics[0].code == "E0803"


def test_lines_are_added(tmp_path: Path) -> None:
    for text in ("one", "zwei", ""):
        append_line(tmp_path / "log", text)
    assert (tmp_path / "log").read_text() == "one\nzwei\n\n"
    with pytest.raises(ValueError, match="line break"):
        append_line(tmp_path / "log", "a\nb")


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_is_whole_or_absent(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    append_line(log, "first")
    for at in range(1, count_calls(lambda: append_line(log, "first")) + 1):
        log.write_bytes(b"first\n")
        with faulty(at, kind) as faults:
            try:
                append_line(log, "second line")
                assert log.read_bytes() == b"first\nsecond line\n"
            except DiagnosticError:
                assert log.read_bytes() == b"first\n" or faults.hit == "close"
        assert log.read_bytes() in {b"first\n", b"first\nsecond line\n"}


def test_leftovers_of_the_dead_are_swept(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    left = tmp_path / f".best.{int(dead.stdout)}-3.tmp"
    mine = tmp_path / f".best.{os.getpid()}-3.tmp"
    other = tmp_path / "notes.tmp"
    for each in (left, mine, other):
        each.write_text("x")
    assert sweep(tmp_path) == (left,)
    assert mine.exists()
    assert other.exists()


def test_folders_are_made(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b")
    make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(DiagnosticError) as caught:
        make_folders(tmp_path / "file" / "c")
    assert caught.value.diagnostics[0].code == "E0805"


def test_a_file_killed_while_written_is_old_or_new(tmp_path: Path) -> None:
    """A process that dies (SIGKILL) before any one of its calls leaves the old or the new content."""
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom netdsl.files import system, write_atomic\n"
        "left = [int(sys.argv[2])]\n"
        "def die(name, function, arguments):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return function(*arguments)\n"
        "with system.intercepted(die): write_atomic(Path(sys.argv[1]), b'n' * 100_000)\n"
    )
    target = tmp_path / "file"
    for at in range(1, 9):
        target.write_bytes(OLD)
        found = subprocess.run([sys.executable, "-c", program, str(target), str(at)], check=False)
        assert found.returncode == -9
        assert target.read_bytes() == (OLD if at <= 5 else NEW)
        sweep(tmp_path)
        assert os.listdir(tmp_path) == ["file"]
