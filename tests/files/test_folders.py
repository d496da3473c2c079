import os
import subprocess
import sys
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.files import cache_folder, check_name, make_run_folder
from tests.files.faults import KINDS, count_calls, faulty, outcome


def code_of(caught: pytest.ExceptionInfo[DiagnosticError]) -> str:
    return caught.value.diagnostics[0].code


def test_the_cache_folder_is_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "a" / "cache"))
    assert cache_folder() == cache_folder() == tmp_path / "a" / "cache"
    assert (tmp_path / "a" / "cache").stat().st_mode & 0o777 == 0o700


def test_without_a_setting_it_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETDSL_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder().is_relative_to(tmp_path)


def test_a_cache_folder_that_others_could_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name, reason in (("open", "0777"), ("file", "not a folder"), ("link", "symbolic link")):
        monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / name))
        with pytest.raises(DiagnosticError, match=reason) as caught:
            cache_folder()
        assert code_of(caught) == "E0807"


def test_a_cache_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(DiagnosticError, match="another user"):
        cache_folder()


def test_runs_are_numbered(tmp_path: Path) -> None:
    assert make_run_folder(tmp_path / "runs").name == "run-1"
    assert make_run_folder(tmp_path / "runs", "wide").name == "wide"
    (tmp_path / "runs" / "run-7").mkdir()
    assert make_run_folder(tmp_path / "runs").name == "run-8"
    with pytest.raises(DiagnosticError) as caught:
        make_run_folder(tmp_path / "runs", "wide")
    assert code_of(caught) == "E0809"


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../x", "a b", "ä", "x" * 81, "a\0b", "a\n", "~"])
def test_names_that_are_no_names(name: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        check_name(name)
    assert code_of(caught) == "E0808"


@pytest.mark.parametrize("name", ["a", "run-1", "x" * 80, ".hidden", "a..b", "1.0_b"])
def test_names_that_are(name: str) -> None:
    check_name(name)


def test_processes_that_start_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom netdsl.files import make_run_folder\n"
        "for _ in range(10): print(make_run_folder(Path(sys.argv[1])).name)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    names = [name for each in running for name in each.communicate()[0].split()]
    assert sorted(names) == sorted(f"run-{number}" for number in range(1, 41))


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_call_is_told(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))

    def work() -> None:
        make_run_folder(tmp_path)
        cache_folder()

    for at in range(1, count_calls(work) + 1):
        with faulty(at, kind):
            error = outcome(work)
        if error is not None:
            assert kind not in {"EINTR", "SHORT"}
            assert error.diagnostics[0].code in {"E0801", "E0802", "E0804"}
