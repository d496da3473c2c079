"""Each message as a person reads it: `errors/NAME.net` is told as `errors/NAME.txt` says.

A file is opened as the commands do it, so a case may stand for a mistake of any kind. Run with
NETDSL_GOLDEN=write to write the texts anew, and read what changed.
"""

import os
import re
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError, codes, render
from netdsl.run.opening import open_file
from netdsl.run.options import Options

FOLDER = Path(__file__).with_name("errors")
CASES = sorted(FOLDER.glob("*.net"))


def told(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(path.parent)  # so that messages name the file alone
    try:
        return render(open_file(Path(path.name), Options()).warnings)
    except DiagnosticError as error:
        return render(error.diagnostics)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_mistake_is_told_as_the_golden_file_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden, found = path.with_suffix(".txt"), told(path, monkeypatch)
    if os.environ.get("NETDSL_GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_every_code_of_syntax_has_a_case() -> None:
    said = {
        code
        for path in FOLDER.glob("*.txt")
        for code in re.findall(r"\[([EW]\d{4})\]", path.read_text("utf-8"))
    }
    # E0412 to E0414 would need large files; tests/syntax/test_limits.py has them.
    wanted = {code for code in codes() if code.startswith("E00") or code == "E0411"}
    assert wanted - said == set()


def test_ten_mistakes_of_ten_kinds_are_told_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(FOLDER / "ten_mistakes.net", monkeypatch)
    assert len(set(re.findall(r"^error\[(E\d{4})\]", found, re.MULTILINE))) == 10
