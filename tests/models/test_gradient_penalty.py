"""The model whose loss contains a gradient learns the distance that its clouds have."""

from pathlib import Path
from typing import Any

import pytest

import netdsl

FILE = Path(__file__).resolve().parents[2] / "models" / "gradient_penalty.net"


def figures(**given: Any) -> tuple[float, float]:
    """Train; return the distance that the critic tells of the valid part, and its own steepness."""
    run = netdsl.train(FILE, run_dir=None, style="quiet", threads=1, **given)
    found = run.figures["valid"]
    distance, steepness = found["distance"], found["steepness"]
    assert isinstance(distance, float)
    assert isinstance(steepness, float)
    return distance, steepness


@pytest.mark.slow
def test_a_critic_of_slope_one_measures_how_far_two_clouds_are_apart() -> None:
    distance, steepness = figures()
    assert steepness == pytest.approx(1, abs=0.05)
    assert distance / steepness == pytest.approx(3, abs=0.15)


@pytest.mark.slow
def test_without_the_penalty_nothing_keeps_the_critic_from_growing_steep() -> None:
    _, steepness = figures(strictness=0, overrides={"train.epochs": 5})
    assert steepness > 4
