import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import netdsl
from netdsl.cli import main as entrance
from netdsl.cli.commands import COMMANDS, module_of
from netdsl.cli.main import main
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.training.signals import Interrupted
from tests.run.models import RAVINE

Capture = pytest.CaptureFixture[str]


def test_help_lists_every_command(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_an_example(name: str, capsys: Capture) -> None:
    assert main([name, "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: netdsl {name}")
    assert f"netdsl {name}" in told.split("example:")[1]
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == told


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"netdsl {netdsl.__version__}\n"


def test_without_a_command_the_help_is_told_as_a_mistake(capsys: Capture) -> None:
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "usage: netdsl" in told.err


def test_unknown_command_and_what_was_meant(capsys: Capture) -> None:
    assert main(["trian"]) == 2
    told = capsys.readouterr().err
    assert "E0901" in told
    assert "did you mean `train`?" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "m.net", "--thread", "2"],
        ["train", "m.net", "--threads", "0"],
        ["fmt"],
        ["render", "m.net", "--backward"],
    ],
)
def test_wrong_arguments_are_diagnostics(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 2
    assert "E0903" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("threads", "told"),
    [
        ("0", "at least 1"),
        ("-3", "at least 1"),
        ("257", "at most 256"),
        ("1e3", "not a whole number"),
        ("9" * 5000, "not a whole number"),
    ],
)
def test_numbers_of_threads(threads: str, told: str, capsys: Capture) -> None:
    assert main(["train", "m.net", f"--threads={threads}"]) == 2
    found = capsys.readouterr().err
    assert told in found
    assert "_threads" not in found


def test_only_what_is_required_is_told_to_be_missing(capsys: Capture) -> None:
    assert main(["train"]) == 2
    assert "required: FILE.net\n" in capsys.readouterr().err


def test_help_is_quick() -> None:
    begins = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "netdsl.cli", "--help"], check=True, capture_output=True)
        begins.append(time.perf_counter() - began)
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "netdsl.cli", "--help"],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    assert not any(each in loaded for each in ("numpy", "numba", "rich", "lark", "networkx"))
    assert min(begins) < 1.0


def test_importing_netdsl_is_light() -> None:
    heavy = ("numpy", "lark", "numba", "networkx", "rich")
    code = f"import sys, netdsl; print([each for each in {heavy} if each in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        == "[]\n"
    )


class _Command:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def parser(self) -> object:
        return module_of("explain").parser()

    def run(self, arguments: object) -> int:
        raise self.error


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException, *arguments: str) -> int:
    monkeypatch.setattr(entrance, "module_of", lambda name: _Command(error))
    return main(["explain", *arguments])


def test_a_bug_is_told_shortly_and_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("NETDSL_DEBUG", raising=False)
    assert failing(monkeypatch, IndexError("tuple index out of range")) == Exit.BUG
    told = capsys.readouterr().err
    assert "E9999" in told
    assert "IndexError: tuple index out of range" in told
    assert "Traceback" not in told
    assert str(Path.home()) not in told


def test_a_bug_with_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("NETDSL_DEBUG", "1")
    assert failing(monkeypatch, IndexError("out of range")) == Exit.BUG
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DiagnosticError([Diagnostic("E0803", "no file")], Exit.FILES), 4),
        (DiagnosticError([Diagnostic("E0528", "no table")], Exit.DATA), 3),
        (KeyboardInterrupt(), 130),
        (Interrupted(2), 130),
        (Interrupted(15), 143),
        (MemoryError(), 1),
        (BrokenPipeError(), 0),
    ],
)
def test_exit_codes(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "_silence", lambda descriptor: None)
    assert failing(monkeypatch, error) == code


def test_diagnostics_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    error = DiagnosticError([Diagnostic("E0803", "no file"), Diagnostic("E0804", "no disk")], Exit.FILES)
    failing(monkeypatch, error, "--format", "json")
    lines = capsys.readouterr().out.splitlines()
    assert ['"code": "E0803"' in lines[0], '"code": "E0804"' in lines[1]] == [True, True]
    failing(monkeypatch, error, "--format=github")
    assert capsys.readouterr().out.startswith("::error title=E0803::no file")


def test_several_mistakes_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    failing(monkeypatch, DiagnosticError([Diagnostic("E0803", "a"), Diagnostic("E0804", "b")]))
    assert capsys.readouterr().err.endswith("\n2 errors\n")


def test_mistakes_that_are_not_told_are_counted(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "ravine.net"
    path.write_text(
        RAVINE.rstrip().removesuffix("}") + "".join(f"    f{n} = 1\n" for n in range(500)) + "}\n"
    )
    assert main(["check", str(path)]) == int(Exit.USAGE)
    told = capsys.readouterr().err
    assert told.count("error[") == 100
    assert told.endswith("\n100 of 500 errors\n")


def test_color_is_asked_for_or_not(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["trian"])
    assert "\x1b[" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    main(["trian"])
    assert "\x1b[" not in capsys.readouterr().err


def test_a_closed_pipe_is_quiet() -> None:
    code = "from netdsl.cli.main import entry; import sys; sys.argv = ['netdsl', 'explain']; entry()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("netdsl")
    told = subprocess.run([command, "--version"], check=True, capture_output=True, text=True, env=os.environ)
    assert told.stdout == f"netdsl {netdsl.__version__}\n"
