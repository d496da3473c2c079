"""The benchmarks on a device, tried on the simulated one."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import command, sections, steps
from benchmarks.kinds import KINDS, PEERS, found, meant
from benchmarks.page import parts, write_page
from benchmarks.results import read, setting
from benchmarks.table import ON_DEVICE, on_device
from benchmarks.turns import PLATFORMS
from benchmarks.workloads import WORKLOADS
from netdsl.runtime.cuda import choice

PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"
RECORD: dict[str, Any] = {
    "ms": {"netdsl": [0.04, 0.05, 0.06], "JAX scan": [0.06, 0.07, 0.08], "PyTorch eager": [0.4]},
    "ratios": {"JAX scan": [1.4, 1.5, 1.6], "PyTorch eager": [9.0]},
    "compared": {},
    "problems": {"JAX": "JAX: RuntimeError: no device"},
    "flops": 1e6,
    "device": "NVIDIA H200",
}


def test_all_who_take_part_can_use_a_device() -> None:
    assert {each.label for each in meant("cuda")} == {
        "PyTorch eager", "PyTorch channels-last", "PyTorch compiled", "JAX", "JAX scan",
    }  # fmt: skip
    assert set(found("cuda")) <= set(found("cpu")) <= set(PEERS)
    assert set(ON_DEVICE) <= set(WORKLOADS)
    assert all(KINDS[label].on_device for label in ("netdsl", "JAX"))


def test_the_table_has_the_fastest_peer_and_the_bar() -> None:
    rows = on_device({"w3/tf32": RECORD, "w3": RECORD, "w1": RECORD}).splitlines()[2:]
    assert rows[0].endswith("| float32 | 0.05 | JAX scan 0.07 | **1.50** | 1.40 … 1.60 | 1 |")
    assert [row.split("|")[2].strip() for row in rows] == ["float32", "float32", "tf32"]
    assert rows[1].startswith("| W3 ")
    assert rows[1].endswith("| 0.83 |")


def test_the_page_gets_what_was_measured_on_a_device(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_page(page, {"device": {"w1": RECORD}})
    text = page.read_text(encoding="utf-8")
    assert "| W1 | PyTorch eager | 0.4 / 0.4 / 0.4 | 9 / 9 / 9 |" in text
    assert "- W1: JAX: RuntimeError: no device" in text
    assert set(parts({"device": {"w1": RECORD}})) == {"device"}


def test_figures_of_a_device_have_its_name() -> None:
    assert setting("NVIDIA H200").startswith("NVIDIA H200; ")
    assert "; " + setting() in setting("NVIDIA H200")


def test_a_machine_without_a_device_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choice, "devices", lambda: 0)
    monkeypatch.setattr("sys.argv", ["benchmarks", "w1", "--device", "cuda"])
    with pytest.raises(SystemExit, match=r"^E0906: NVIDIA's driver finds no CUDA device here\nleave `--dev"):
        command.main()
    assert "Keras" not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["w8", "inference", "all"])
def test_what_is_not_timed_on_a_device_is_told(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parsed([wrong, "--device", "cuda"])
    told = re.escape(f"with --device steps of w1, w3, w4, w5, w6, w7 are timed, not {wrong}")
    assert re.search(told, capsys.readouterr().err)


def test_nothing_of_the_simulated_device_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sections, "of_device", lambda job: iter([("w1", RECORD)]))
    monkeypatch.setattr("sys.argv", ["benchmarks", "w1", "--device", "simulated", "--results", str(tmp_path)])
    command.main()
    assert "JAX scan" in capsys.readouterr().out
    assert read(tmp_path) == {}


def test_a_precision_goes_with_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parsed(["w1", "--precision", "tf32"])
    assert "--precision goes with --device" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_run_on_the_simulated_device(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "DEVICE", steps.Lengths(most=2, least=3, compared=3))
    job = sections.Job((WORKLOADS["w4"],), (), (1,), 1, tmp_path, "simulated", precision)
    ((name, record),) = sections.of_device(job)
    assert name == ("w4" if precision == "float32" else "w4/bf16")
    assert record["steps"] == 2
    assert record["device"] == "a simulated device"
    assert record["problems"] == {}
    assert len(record["ms"]["netdsl"]) == 1


def test_every_device_has_a_platform_for_peers() -> None:
    assert PLATFORMS["cuda"] == "cuda"
    assert {PLATFORMS[each] for each in PLATFORMS if each != "cuda"} == {"cpu"}
