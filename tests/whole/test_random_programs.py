"""Random files: five steps on the CPU are those that their graphs mean, and gradients are slopes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.start import initial_values
from tests.whole.programs import programs, write_data
from tests.whole.reference import Numbers, Twin, differences

STEPS = 5
ROUNDINGS = 30
"""How much worse than NumPy in float32 the CPU may be: it adds in another order."""

EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        write_data(Path(name))
        yield Path(name)


def twin_of(text: str, folder: Path) -> Twin:
    path = folder / "random.net"
    path.write_text(text)
    return Twin(path, threads=2)


@pytest.mark.slow
@EXAMPLES
@given(text=programs())
def test_the_cpu_trains_as_the_graph_says(text: str, folder: Path) -> None:
    twin = twin_of(text, folder)
    exact = twin.meant(STEPS)
    apart = differences(twin.executed(STEPS), exact)
    rounding = differences(twin.meant(STEPS, np.float32), exact)
    twin.close()
    allowed = 2e-4 + ROUNDINGS * max(rounding.values())
    assert max(apart.values()) <= allowed, (apart, rounding)


@pytest.mark.slow
@EXAMPLES
@given(text=programs())
def test_gradients_are_the_slopes_of_the_objective(text: str, folder: Path) -> None:
    path = folder / "random.net"
    path.write_text(text.replace("stop_gradient", "identity"))
    first = FirstStep(path)
    start = {name: np.asarray(each, np.float64) for name, each in first.start.items()}
    draw = np.random.default_rng(3)
    along = {name: draw.standard_normal(start[name].shape) for name in first.experiment.rules}
    wide, narrow = first.slope(start, along, 1e-5), first.slope(start, along, 1e-6)
    assume(abs(wide - narrow) < 1e-5 * (1 + abs(narrow)))  # else there is a corner in between
    told = first.gradients(start)
    found = sum(float(np.sum(told[name] * along[name])) for name in told)
    assert abs(found - narrow) < 1e-4 * (1 + abs(narrow))


class FirstStep:
    """The first step of a file, in float64: nothing of it is lowered to kernels."""

    def __init__(self, path: Path) -> None:
        opened = open_file(path, Options())
        assert opened.dataset is not None
        self.experiment = opened.experiment
        compiled = compile_experiment(opened.experiment)
        self.graph = compiled.graphs["differentiated"]
        raw = opened.dataset.part("train")
        self.start = initial_values(opened.experiment, raw)
        batch = opened.experiment.training.batch or len(raw["x"])
        self.rows = min(batch, len(raw["x"]))
        self.fields: Numbers = {name: np.asarray(each) for name, each in raw.items()}
        if compiled.preparation is not None:
            self.fields |= evaluate(compiled.graphs["preparation"], self.run(self.start, len(raw["x"])))

    def run(self, kept: Mapping[str, NDArray[Any]], rows: int) -> Run:
        leaves = {("input", name): each[:rows] for name, each in self.fields.items()}
        for name, each in kept.items():
            leaves["weight", name] = leaves["state", name] = each
        scalars = {"epoch": 0.0, "steps": 100.0, "epochs": 10.0, "examples": 23.0}
        return Run(rows, self.experiment.training.seed, 0, scalars, leaves)

    def slope(self, start: Numbers, along: Numbers, step: float) -> float:
        """Return the slope of the objective along a direction, by a central difference."""
        ends = []
        for side in (step, -step):
            moved = {**start, **{name: start[name] + side * each for name, each in along.items()}}
            found = evaluate(self.graph, self.run(moved, self.rows), ["objective"])
            ends.append(float(found["objective"]))
        return (ends[0] - ends[1]) / (2 * step)

    def gradients(self, start: Numbers) -> Numbers:
        """Return the gradient by each weight that the objective depends on."""
        names = [name for name in self.graph.outputs if name.startswith("gradient/")]
        found = evaluate(self.graph, self.run(start, self.rows), names)
        return {name.removeprefix("gradient/"): each for name, each in found.items()}
