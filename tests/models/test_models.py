"""Every model of `models/` trains; those that are quick reach what they promise."""

from pathlib import Path
from typing import Any

import pytest

import netdsl
from netdsl.run.opening import open_file
from netdsl.run.options import Options

MODELS = Path(__file__).resolve().parents[2] / "models"
FILES = sorted(MODELS.glob("*.net"))

BLOCKS = {"saddle": ("patient", "hurried"), "batting": ("raw", "scaled")}
"""The train blocks of files that have several."""

TRAININGS = [(path.stem, block) for path in FILES for block in BLOCKS.get(path.stem, (None,))]

WITHOUT_DATA = {"ravine", "saddle", "long_valley"}


@pytest.mark.parametrize(("name", "block"), TRAININGS)
def test_a_model_is_a_right_file_for_its_data(name: str, block: str | None) -> None:
    opened = open_file(MODELS / f"{name}.net", Options(block=block))
    assert opened.experiment.weights


LITTLE: dict[str, dict[str, object]] = {
    "lenet": {"mnist.split": "(train=256, valid=64, test=64)"},
    "lenet_fashion": {"clothes.split": "(train=256, valid=64, test=64)"},
    "cifar_cnn": {"cifar.split": "(train=256, valid=64, test=64)"},
    "resnet20": {"cifar.split": "(train=128, valid=64, test=64)", "depth": 2},
    "lstm_text": {"sentences.split": "(train=160, valid=16, test=16)"},
    "transformer": {"sentences.split": "(train=160, valid=16, test=16)"},
}
"""Overrides that make a long training short."""


def short(name: str) -> dict[str, object]:
    """Return overrides that make a training short: two epochs, of less data where there is much."""
    if name in WITHOUT_DATA:
        return {"train.steps": 20}
    if name.startswith("mnist"):
        return {"train.epochs": 1, "train.batch": 256, "mnist.split": "(train=2k, valid=500)"}
    if name in LITTLE:
        return {"train.epochs": 1, **LITTLE[name]}
    return {"train.epochs": 2}


def trained(name: str, block: str | None = None, **options: Any) -> Any:
    return netdsl.train(
        MODELS / f"{name}.net", block=block, run_dir=None, style="quiet", threads=1, **options
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "block"), TRAININGS)
def test_a_model_trains(name: str, block: str | None) -> None:
    overrides = short(name)
    if block is not None:
        overrides = {key.replace("train.", f"{block}."): value for key, value in overrides.items()}
    run = trained(name, block, overrides=overrides)
    assert run.result.epochs >= 1 or run.result.steps >= 20


GOALS = [
    ("digits_mlp", "test.accuracy", 0.96),
    ("breast_cancer", "test.accuracy", 0.96),
    ("iris", "test.accuracy", 0.9),
    ("wine", "test.accuracy", 0.94),
    ("diabetes", "test.r2", 0.38),
    ("auto_mpg", "test.r2", 0.85),
    ("spirals", "test.accuracy", 0.98),
    ("perceptron", "test.sign_right", 0.97),
    ("linear_classifier", "test.accuracy", 0.93),
    ("two_layer", "test.accuracy", 0.95),
    ("penguins", "test.accuracy", 0.95),
    ("digit_as_class", "test.accuracy", 0.95),
    ("own_kinds", "test.accuracy", 0.94),
    ("logistic_regression", "test.accuracy", 0.95),
    ("two_inputs", "test.r2", 0.85),
    ("two_heads", "test.accuracy", 0.92),
    ("siamese", "test.told_apart", 0.95),
    ("lenet_digits", "test.accuracy", 0.97),
    ("signal_conv", "test.accuracy", 0.98),
    ("separable_digits", "test.accuracy", 0.97),
    ("residual_digits", "test.accuracy", 0.97),
    ("addition_lstm", "test.right", 0.99),
    ("lenet", "test.accuracy", 0.99),
    ("lenet_fashion", "test.accuracy", 0.9),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "figure", "least"), GOALS)
def test_a_model_reaches_its_goal(name: str, figure: str, least: float) -> None:
    run = trained(name)
    part, measure = figure.split(".")
    assert run.result.parts[part][measure] >= least
