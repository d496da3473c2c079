"""Trainings that are ended from outside, at any moment, and gone on with."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.run.models import write_digits

EPOCHS = "30\n    stop = early(valid.loss, patience=25 epochs)"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "netdsl.cli", "train", "digits.net", "--json", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result: dict[str, object] = json.loads(out.splitlines()[-1])
    assert result["event"] == "result"
    return result


def wait_for_epoch(process: subprocess.Popen[str]) -> bool:
    """Wait for the end of an epoch; False when the training ended without one."""
    assert process.stdout is not None
    for line in process.stdout:
        if '"event": "epoch"' in line:
            return True
    assert process.wait() == 0, process.communicate()[1]
    return False


def history(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "runs" / "digits-1" / "history.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [{name: each[name] for name in each if name != "seconds"} for each in records]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Return a folder with a training that takes long: each example is a step."""
    write_digits(tmp_path, epochs="100k", batch="1")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_saves_and_says_how_to_go_on(number: int, code: int, long: Path) -> None:
    process = start(long)
    assert wait_for_epoch(process)
    process.send_signal(number)
    began = time.perf_counter()
    out, err = process.communicate(timeout=30)
    assert time.perf_counter() - began < 10  # a busy machine; the figure is in docs/results.md
    assert process.returncode == code
    assert '"stopped": "interrupted"' in out.splitlines()[-1]
    assert "--resume" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_signal_before_the_training_says_that_nothing_is_saved(long: Path) -> None:
    process = start(long)
    time.sleep(0.25)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.slow
def test_killed_at_any_moment_and_gone_on_with_to_the_same_bits(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        write_digits(tmp_path / name, epochs=EPOCHS, batch="1")
    whole = result_of(start(tmp_path / "whole"))
    draws = random.Random(int.from_bytes(os.urandom(4), "little"))
    process = start(tmp_path / "killed")
    for attempt in range(5):
        going = wait_for_epoch(process)
        time.sleep(draws.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL if attempt % 2 else signal.SIGINT)
        process.communicate(timeout=30)
        if not going:
            break
        process = start(tmp_path / "killed", "--resume")
    process.kill()
    process.communicate()
    result = result_of(start(tmp_path / "killed", "--resume"))
    assert result["digest"] == whole["digest"]
    assert result["valid"] == whole["valid"]
    assert history(tmp_path / "killed") == history(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_is_not_gone_on_with_twice_at_once(long: Path) -> None:
    first = start(long)
    assert wait_for_epoch(first)
    second = start(long, "--resume")
    _, err = second.communicate(timeout=30)
    assert second.returncode == 4
    assert "E0806" in err
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["explain", "E0543"], ["show", "digits.net"]])
def test_output_that_cannot_be_written(tmp_path: Path, arguments: list[str]) -> None:
    write_digits(tmp_path)
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "netdsl.cli", *arguments],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 4
    assert ended.stderr.startswith("error[E0801]: cannot write the output: no space left")
    assert len(ended.stderr.splitlines()) == 2
