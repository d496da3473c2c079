"""A file and a seed give the same weights, bit for bit: on any threads, again, and from the cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import netdsl

pytestmark = pytest.mark.usefixtures("all_threads")
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
    assert {digest(name, threads) for threads in (2, 3, 8)} == {first}
    assert digest(name, 2) == first


FEW = "(train=160, valid=16, test=16)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("lenet_digits", {"digits.split": "(train=160, valid=16)"}),
        ("addition_lstm", {"sums.split": "(train=160, valid=16)"}),
        ("transformer", {"sentences.split": FEW}),
    ],
)
def test_images_and_sequences_have_the_same_weights_on_any_threads(
    name: str, given: dict[str, object]
) -> None:
    assert len({digest(name, threads, **given) for threads in (1, 2, 3, 8)}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("autoencoder", {}),
        ("siamese", {"pairs_of_digits.pairs": 1}),
        ("lenet_digits", {}),
        ("residual_digits", {"digits.split": "(train=200, valid=40)"}),
        ("separable_digits", {"digits.split": "(train=200, valid=40)"}),
        ("norms", {"digits.split": "(train=40, valid=10)"}),
        ("signal_conv", {"waves.split": "(train=200, valid=40)"}),
        ("addition_lstm", {"sums.split": "(train=500, valid=50)"}),
        ("lstm_text", {"sentences.split": FEW}),
        ("transformer", {"sentences.split": FEW}),
        ("cifar_cnn", {"cifar.split": FEW, "train.optimizer": "adam(0.001)"}),
    ],
)
def test_networks_of_many_kinds_have_the_same_weights_and_learn(name: str, given: dict[str, object]) -> None:
    runs = [
        netdsl.train(
            MODELS / f"{name}.net",
            run_dir=None,
            style="quiet",
            threads=threads,
            overrides={"train.epochs": 3, **given},
        )
        for threads in (1, 2)
    ]
    assert runs[0].result.digest == runs[1].result.digest
    losses: list[Any] = [each["train"] for each in runs[0].result.history]
    assert losses[-1]["loss"] < losses[0]["loss"]


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
