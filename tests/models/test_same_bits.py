"""A file and a seed give the same weights, bit for bit: on any threads, again, and from the cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import netdsl

MODELS = Path(__file__).resolve().parents[2] / "models"


def digest(name: str, threads: int, **overrides: object) -> str:
    run = netdsl.train(
        MODELS / f"{name}.net",
        run_dir=None,
        style="quiet",
        threads=threads,
        overrides={"train.epochs": 2, **overrides},
    )
    return run.result.digest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_mlp", "own_kinds", "penguins", "housing"])
def test_any_number_of_threads_gives_the_same_weights(name: str) -> None:
    first = digest(name, 1)
    assert {digest(name, threads) for threads in (2, 3)} == {first}
    assert digest(name, 2) == first


@pytest.mark.slow
def test_a_wide_network_on_a_large_batch_gives_the_same_weights() -> None:
    """Large enough that threads share the products; the last batch of an epoch is short."""
    given = {"mnist.split": "(train=3k, valid=500)", "train.batch": 256, "train.epochs": 1}
    assert (
        digest("mnist_800", 1, **given) == digest("mnist_800", 2, **given) == digest("mnist_800", 3, **given)
    )


@pytest.mark.slow
def test_kernels_from_the_cache_give_the_same_weights(tmp_path: Path) -> None:
    digests = [_in_a_process(tmp_path / "cache", number) for number in (1, 2)]
    assert digests[0] == digests[1]
    other = _in_a_process(tmp_path / "other cache", 1)
    assert other == digests[0]


def _in_a_process(cache: Path, threads: int) -> str:
    command = [sys.executable, "-c", "from netdsl.cli.main import entry; entry()", "train"]
    command += [str(MODELS / "digits_mlp.net"), "train.epochs=1", "--threads", str(threads), "--json"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "NETDSL_CACHE_DIR": str(cache)}
    done = subprocess.run(
        command, cwd=cache.parent, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "result"
    return str(last["digest"])
