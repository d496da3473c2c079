"""Profiles of a CUDA device, here of a simulated one: the CPU's tables, of launches timed one by one."""

import json
from pathlib import Path

import pytest

from netdsl.cli.main import main
from netdsl.diagnostics import DiagnosticError
from netdsl.explain.profile import by_kernel, by_line
from netdsl.explain.profile_tables import profile_text
from netdsl.run.options import Options
from netdsl.run.profile import Settings, profile_file
from netdsl.runtime.cuda import executable
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.run.test_profile import MOONS, SUMS


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.runtime.cuda.choice.expect_device", lambda: None)
    monkeypatch.setattr("netdsl.runtime.cuda.choice.chosen", lambda name: SimulatedDevice())
    monkeypatch.setattr(executable, "IN_A_ROW", 2)
    monkeypatch.setattr(executable, "ROUNDS", 1)
    monkeypatch.setattr("netdsl.run.device_profile.SEGMENTS", 1)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.net"
    path.write_text(text)
    return path


@pytest.mark.usefixtures("simulated")
def test_each_launch_has_a_time(tmp_path: Path) -> None:
    path = written(tmp_path, MOONS)
    profile = profile_file(path, Options(device="cuda"), Settings(batch=3, steps=1))
    assert profile.device == "a simulated device"
    assert (profile.batch, profile.steps) == (3, 1)
    assert all(each.cost.seconds > 0 and each.calls == 1 for each in profile.entries)
    assert sum(each.calls for each in by_kernel(profile)) == len(profile.entries)
    lines = MOONS.splitlines()
    assert {each.text for each in by_line(profile) if each.line} <= {each.strip() for each in lines}
    text = profile_text(profile, top=50, width=200)
    assert "on a simulated device" in text
    assert f"{len(profile.entries)} launches in" in text
    assert "where each is timed alone" in text


@pytest.mark.usefixtures("simulated")
def test_a_launch_in_a_loop_counts_for_each_turn(tmp_path: Path) -> None:
    profile = profile_file(written(tmp_path, SUMS), Options(device="cuda"), Settings(batch=1, steps=1))
    assert {each.calls for each in profile.entries} == {1, 7}


@pytest.mark.usefixtures("simulated")
def test_records_name_the_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(written(tmp_path, MOONS))
    assert main(["profile", path, "--device", "cuda", "--batch", "2", "--steps", "1", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[-1]["device"] == "a simulated device"
    assert {"line", "kernel", "result"} == {each["event"] for each in records}


def test_without_a_device_there_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.runtime.cuda.choice.devices", lambda: 0)
    with pytest.raises(DiagnosticError) as error:
        profile_file(written(tmp_path, MOONS), Options(device="cuda"), Settings(steps=1))
    assert [each.code for each in error.value.diagnostics] == ["E0906"]
