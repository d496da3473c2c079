"""The same file and seed give the same weights, bit for bit: on any threads, in any process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import netdsl
from netdsl.run.options import Options
from netdsl.run.training import Runs, train_file
from netdsl.training.pace import Pace
from netdsl.training.progress.reporter import Quiet
from netdsl.training.records import Moment
from netdsl.training.signals import Signals
from tests.whole.programs import programs, write_data

pytestmark = pytest.mark.usefixtures("all_threads")
DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits_mlp.net"
SHORT = {"train.epochs": 2, "digits.split": "(train=300, valid=60, test=60)"}


def digest_of(path: Path, threads: int, **overrides: object) -> str:
    """Train, keep nothing, and return the digest of the weights."""
    run = netdsl.train(path, overrides=overrides, threads=threads, run_dir=None, style="quiet")
    run.close()
    return run.digest


def digest_in_a_process(path: Path, cache: Path, *words: str) -> str:
    """Train in a process of its own."""
    command = [sys.executable, "-m", "netdsl.cli", "train", str(path), "--no-save", "--json", *words]
    environment = {**os.environ, "NETDSL_CACHE_DIR": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["event"] == "result"
    return str(record["digest"])


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 7, 64, 299, "all"])
def test_digits_are_the_same_on_any_threads_and_again(batch: int | str) -> None:
    overrides = {**SHORT, "train.batch": batch}
    first = digest_of(DIGITS, 1, **overrides)
    assert digest_of(DIGITS, 2, **overrides) == first
    assert digest_of(DIGITS, 3, **overrides) == first
    assert digest_of(DIGITS, 1, **overrides) == first
    assert digest_of(DIGITS, 1, **overrides, **{"train.seed": 2}) != first


@pytest.mark.slow
def test_digits_are_the_same_in_a_new_process_with_and_without_a_cache(tmp_path: Path) -> None:
    words = [f"{name}={value}" for name, value in SHORT.items()]
    here = digest_of(DIGITS, 2, **SHORT)
    cold = digest_in_a_process(DIGITS, tmp_path / "cache", *words)
    warm = digest_in_a_process(DIGITS, tmp_path / "cache", "--threads", "3", *words)
    assert cold == here
    assert warm == here


@pytest.mark.slow
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(text=programs())
def test_random_files_are_the_same_on_any_threads(text: str, tmp_path: Path) -> None:
    write_data(tmp_path)
    path = tmp_path / "random.net"
    path.write_text(text)
    digests = {digest_of(path, threads, **{"train.epochs": 3}) for threads in (1, 2, 3)}
    assert len(digests) == 1


class _OneByOne(Pace):
    """A step at a time."""

    def end(self, steps: int) -> None:
        self.steps = 1


class _Interrupts(Quiet):
    """Sends a signal after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, moment: Moment) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


REMEMBERING = """
    stop      = early(valid.loss, patience=2 epochs)
    clip      = norm(1.0)
}"""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 10, 27])
def test_a_training_that_was_interrupted_ends_in_the_same_bits(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digits.net"
    text = DIGITS.read_text().replace(
        "adam(cosine(lr))", "adam(plateau(warmup(lr, over=5 steps), patience=1))"
    )
    path.write_text(text.rstrip().removesuffix("}").rstrip() + REMEMBERING + "\n")
    overrides = {"train.epochs": "4", "digits.split": SHORT["digits.split"]}
    whole = digest_of(path, 2, **overrides)
    options = Options({name: str(value) for name, value in overrides.items()}, threads=1)
    with monkeypatch.context() as patched, Signals() as signals:
        patched.setattr("netdsl.training.loop.Pace", _OneByOne)
        first = train_file(path, options, Runs(tmp_path), _Interrupts(steps), signals, lambda told: None)
    first.close()
    assert (first.result.reason, first.result.steps) == ("interrupted", steps)
    with Signals() as signals:
        again = Runs(tmp_path, newest=True)
        second = train_file(path, options, again, Quiet(), signals, lambda told: None)
    second.close()
    assert second.result.reason != "interrupted"
    assert second.digest == whole
