"""What a user sees of the codes that a file alone does not show: `commands/CODE.txt` is what is printed.

Run with NETDSL_GOLDEN=write to write the texts anew, and read what changed.
"""

import os
import re
import shlex
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

import netdsl
from netdsl.cli.main import main
from netdsl.diagnostics import DiagnosticError, codes, render
from tests.cases.situations import CALLS, MOONS, SITUATIONS, Situation

FOLDER = Path(__file__).with_name("commands")
ELSEWHERE = {
    "E0545": "a part that the data has not, of data that is opened from Python: tests/data/test_split.py",
    "E0548": "more rows than memory holds: tests/data/test_pictures.py, tests/data/test_text.py",
    "E0702": "tests/run/test_front.py",
    "E0710": "an operation whose gradient is wrong has to be made for it: tests/cli/test_gradients.py",
    "E0720": "an executable is handed its rows by netdsl itself: tests/runtime/test_executable.py",
    "E0721": "the same",
    "E0722": "the same",
    "E0808": "netdsl names runs itself: tests/files/test_folders.py",
    "E0809": "the same",
}
"""Codes without a golden file, and why."""
CHANGING = {
    r"[ \t]+$": "",
    r"process \d+ since [\d-]+ [\d:]+": "process NUMBER since TIME",
    r"Python 3[\d.]+, \w+": "Python 3, SYSTEM",
    r"[\d.]+ [KMGT]iB free": "SPACE free",
    r"\b\d\.\d{4,}": "FIGURE",
    r"at (\S+):\d+ in \w+": r"at \1:LINE",
}
"""What is not the same at each time and on each machine."""
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small network once."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    (folder / "moons.net").write_text(MOONS, encoding="utf-8")
    os.chdir(folder)
    assert main(["train", "moons.net", "--quiet"]) == 0
    os.chdir(before)
    return folder / "runs"


def seen(situation: Situation, folder: Path, capsys: Capture) -> str:
    """Return the command, what it printed, and its exit code."""
    capsys.readouterr()
    code = main(shlex.split(situation.command))
    told = capsys.readouterr()
    text = f"$ netdsl {situation.command}\n{told.out}{told.err}(exit code {code})\n"
    text = text.replace(str(folder), "FOLDER").replace(netdsl.__version__, "VERSION")
    for pattern, name in CHANGING.items():
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("code", SITUATIONS)
def test_a_code_is_told_as_the_golden_file_says(
    code: str, tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    situation = SITUATIONS[code]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NETDSL_DATA_DIR", raising=False)
    if situation.run:
        shutil.copytree(runs, tmp_path / "runs")
        (tmp_path / "moons.net").write_text(MOONS, encoding="utf-8")
    for name, content in situation.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    held = situation.prepare(tmp_path, monkeypatch) if situation.prepare else None
    with held or nullcontext():
        found = seen(situation, tmp_path, capsys)
    _compare(code, found)


@pytest.mark.parametrize("code", CALLS)
def test_a_call_from_python_is_told_as_the_golden_file_says(
    code: str, tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, call = CALLS[code]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs, tmp_path / "runs")
    (tmp_path / "moons.net").write_text(MOONS, encoding="utf-8")
    with pytest.raises(DiagnosticError) as caught:
        call()
    _compare(code, f">>> {text}\n{render(caught.value.diagnostics)}")


def _compare(code: str, found: str) -> None:
    golden = FOLDER / f"{code}.txt"
    if os.environ.get("NETDSL_GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert f"[{code}]" in found
    assert found == golden.read_text(encoding="utf-8")


def test_every_code_that_a_user_can_meet_has_a_golden_file() -> None:
    said = {
        code
        for folder in ("cases/errors", "cases/commands", "semantics/mistakes")
        for path in (FOLDER.parents[1] / folder).glob("*.txt")
        for code in re.findall(r"\[([EW]\d{4})\]", path.read_text("utf-8"))
    }
    assert set(codes()) - said <= ELSEWHERE.keys()
