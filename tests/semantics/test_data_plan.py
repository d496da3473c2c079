"""What a data block says, before any file is opened."""

from typing import Any

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.semantics import plan_data
from netdsl.semantics.experiment import DataPlan
from tests.semantics.bench import PLAIN, classifier, files_of

START = "    source = digits()\n    scale  = divide(16)\n"


def plan(block: str, before: str = "", **overrides: str) -> DataPlan:
    found = plan_data(files_of(classifier(PLAIN, before=before).replace(START, block)), overrides, None)
    assert found is not None
    return found


def codes(block: str) -> list[str]:
    with pytest.raises(DiagnosticError) as error:
        plan(block)
    return [each.code for each in error.value.diagnostics]


def test_a_source_is_handed_on_as_written() -> None:
    found = plan(
        'source = csv("f.csv", target=price, inputs=(x=[a, b], y=[c]), '
        'test="g.csv", header=yes, size=2x3, n=2k)\n'
    )
    source = found.source
    named: dict[str, Any] = dict(source.named)
    assert source.name == "csv"
    assert source.positional == ("f.csv",)
    assert named == {
        "target": "price",
        "inputs": {"x": ("a", "b"), "y": ("c",)},
        "test": "g.csv",
        "header": True,
        "size": (2, 3),
        "n": 2000,
    }
    assert source.spans["0"].text == '"f.csv"'
    assert source.spans["target"].text == "target=price"
    assert (found.name, found.split, found.missing, found.balance) == ("digits", None, "error", None)


def test_params_stand_for_their_values_in_a_source() -> None:
    found = plan(
        "source = moons(n=rows, noise=2 * noise)\n", "param rows = 300\nparam noise = 0.1", rows="50"
    )
    assert dict(found.source.named) == {"n": 50, "noise": 0.2}


def test_a_split_has_numbers_or_shares() -> None:
    found = plan(
        "source = digits()\nsplit = (train=80%, valid=10%, test=10%, stratified=yes, seed=3)\n"
    ).split
    assert found is not None
    assert dict(found.sizes) == {"train": 0.8, "valid": 0.1, "test": 0.1}
    assert (found.stratified, found.seed) == (True, 3)
    counts = plan("source = digits()\nsplit = (train=50k, valid=10k)\n").split
    assert counts is not None
    assert dict(counts.sizes) == {"train": 50_000, "valid": 10_000}


def test_missing_cells_and_balance() -> None:
    found = plan("source = digits()\nmissing = mean\nbalance = oversample(50%)\n")
    assert (found.missing, found.balance) == ("mean", 0.5)


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("split = (train=80%)\n", "E0603"),
        ("source = 3\n", "E0501"),
        ("source = digits()\nsplit = 80%\n", "E0503"),
        ("source = digits()\nsplit = (train=80%, valid=200)\n", "E0503"),
        ("source = digits()\nsplit = (train=80%, valid=30%)\n", "E0503"),
        ("source = digits()\nsplit = (valid=30%)\n", "E0503"),
        ("source = digits()\nsplit = (train=-3)\n", "E0503"),
        ("source = digits()\nsplit = (train=80%, valid=yes)\n", "E0503"),
        ("source = digits()\nsplit = (train=80%, stratified=3)\n", "E0205"),
        ("source = digits()\nmissing = drp\n", "E0504"),
        ("source = digits()\nbalance = 3\n", "E0504"),
        ("source = digits()\nbalance = oversample(3)\n", "E0206"),
    ],
)
def test_a_mistake_is_told(block: str, code: str) -> None:
    assert codes(block) == [code]


def test_mistakes_elsewhere_are_told_beside_those_of_the_data() -> None:
    text = classifier(PLAIN.replace("flatten", "flaten")).replace(START, "source = 3\n")
    with pytest.raises(DiagnosticError) as error:
        plan_data(files_of(text), {}, None)
    assert sorted(each.code for each in error.value.diagnostics) == ["E0101", "E0501"]


def test_a_training_without_data_has_no_plan() -> None:
    model = "model m() {\n    w = weight([2], zeros)\n    return sum(w)\n}\n"
    text = model + "train {\n    optimizer = sgd\n    steps = 3\n}\n"
    assert plan_data(files_of(text), {}, None) is None
