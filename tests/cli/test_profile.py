"""`netdsl profile`: tables, records, and a picture."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from netdsl.cli.main import main
from tests.run.test_profile import MOONS

Capture = pytest.CaptureFixture[str]
COST = {"seconds", "flops", "bytes", "limit", "bound"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    path = tmp_path / "moons.net"
    path.write_text(MOONS, encoding="utf-8")
    return path


def masked(text: str) -> str:
    """Return a text with its figures and the hashes of kernels taken out, and one blank for several."""
    text = re.sub(r"_[0-9a-f]{8}\b", "", text)
    text = re.sub(r"\d+(\.\d+)?", "N", text)
    return re.sub(r" +", " ", text)


def test_what_is_told(file: Path, capsys: Capture) -> None:
    assert main(["profile", "moons.net", "--threads", "1", "--steps", "4"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    first = masked(told.out).splitlines()
    assert first[0] == (
        "net: training on `moons`, batch N, N thread; N ms a step in the fastest of N segments, "
        "N in the median one"
    )
    assert first[1].startswith("of a step: N% in kernels, N% waiting at barriers, N% between launches; N ms")
    assert first[2] == "limits of N thread, measured: N GFLOP/s; GB/s: LN N, LN N, memory N"
    assert first[3].endswith("of the peak; at its limits a step would take N ms (N%)")
    assert " ms share GFLOP/s GB/s of limit of forward gradient update line text" in first
    assert " ms share GFLOP/s GB/s of limit of calls kernel role line" in first
    for text in ("x -> dense(24) -> tanh", "optimizer = adam(0.01)", "moons.net:6", "product", "take_rows"):
        assert text in told.out


def test_each_step_and_few_rows(file: Path, capsys: Capture) -> None:
    assert main(["profile", "moons.net", "--steps", "4", "--each", "--top", "3", "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"step +phase +calls +kernel +line +formula", told)
    assert "more kernels" in told
    assert "more lines" in told


def test_records(file: Path, capsys: Capture) -> None:
    arguments = ["--json", "--steps", "4", "--threads", "2", "--batch", "16", "--program", "prediction"]
    assert main(["profile", "moons.net", *arguments]) == 0
    found: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lines, kernels = ([each for each in found if each["event"] == event] for event in ("line", "kernel"))
    (result,) = (each for each in found if each["event"] == "result")
    assert all(each.keys() == {"event", "source", "line", "text", "roles"} | COST for each in lines)
    assert {each["line"] for each in lines} >= {6, 7, None}
    named = {"event", "step", "phase", "kernels", "calls", "lines", "paths", "roles"}
    assert all(each.keys() == named | COST for each in kernels)
    assert [each["step"] for each in kernels] == sorted(each["step"] for each in kernels)
    assert result.keys() == COST | {
        "event", "model", "program", "data", "batch", "threads", "device", "segments", "steps", "barriers",
        "median", "waits", "rest", "between", "cores", "limits", "advice",
    }  # fmt: skip
    assert (result["program"], result["batch"], result["threads"]) == ("prediction", 16, 2)
    assert result["limits"].keys() == {"flops", "bandwidth"}
    assert result["limits"]["bandwidth"].keys() == {"L1", "L2", "memory"}
    for name in ("seconds", "flops", "bytes"):
        assert sum(each[name] for each in kernels) == pytest.approx(sum(each[name] for each in lines))


@pytest.mark.parametrize("name", ["p.dot", "p.svg"])
def test_a_picture(file: Path, name: str, capsys: Capture) -> None:
    assert main(["profile", "moons.net", "--steps", "2", "--threads", "1", "--out", name]) == 0
    (told,) = capsys.readouterr().out.splitlines()[-1:]
    assert Path(told).exists()
    assert "dense(24)" in Path(told).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["nothing.net"], "E08", 4),
        (["moons.net", "--steps", "0"], "E0903", 2),
        (["moons.net", "--batch", "few"], "E0903", 2),
        (["moons.net", "--program", "evaluation"], "E0903", 2),
        (["moons.net", "--steps", "1", "--out", "no/where/p.dot"], "E08", 4),
    ],
)
def test_mistakes(file: Path, arguments: list[str], code: str, status: int, capsys: Capture) -> None:
    assert main(["profile", *arguments]) == status
    assert f"error[{code}" in capsys.readouterr().err
