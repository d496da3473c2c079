"""`netdsl render` of a run's folder."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from netdsl.cli.main import main


def run_folder(parent: Path) -> Path:
    folder = parent / "digits-1"
    folder.mkdir()
    lines = [{"epoch": n, "train": {"loss": 1.0 / n}, "valid": {"loss": 2.0 / n}} for n in (1, 2, 3)]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_the_curves_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["render", str(run_folder(tmp_path))]) == 0
    root = ET.parse(tmp_path / "digits-1.svg").getroot()
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_a_figure_that_the_run_does_not_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(run_folder(tmp_path)), "--figure", "f1"]) == 2
    assert "E0982" in capsys.readouterr().err


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path)]) != 0
    assert "history.jsonl" in capsys.readouterr().err
