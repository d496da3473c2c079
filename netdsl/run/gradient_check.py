"""Compares the gradients that the compiler derives with finite differences of what the file says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.explain.gradient_table import Checked, GradientReport, Verdict
from netdsl.graph import Builder, Graph, compute
from netdsl.operations import REGISTRY
from netdsl.run.corners import Corners
from netdsl.run.differences import Array, Slope, Surface
from netdsl.run.faults import faults
from netdsl.run.gradient_point import Point, point_of

if TYPE_CHECKING:
    from netdsl.run.opening import Opened

TOLERANCE: Final = 1e-5
"""The greatest relative error of a gradient that is right."""

DIRECTIONS: Final = 2
"""Slopes along directions that move every number of a weight at once."""

ENTRIES: Final = 6
"""Slopes of single numbers of a weight that are compared, if it has more than ALL of them."""

ALL: Final = 12

ROWS: Final = 8

GRADIENT: Final = "gradient/"
INNER: Final = "gradient_of/"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a check is made: rows of the batch, weights that were trained, and whether the CPU is asked too."""

    rows: int = ROWS
    weights: Path | None = None
    compiled: bool = False


def check_gradients(opened: Opened, settings: Settings) -> GradientReport:
    """Compare the gradient of each weight with central differences, in float64, on some rows of the file.

    Each weight is moved along random directions and number by number; draws (dropout) stay as they are.
    What meets a corner (relu at 0) with every step is left out and told.

    Errors: those of reading the weights; E0838 for a file that has no rows to train on.
    """
    from netdsl.compiler import gradient_program, objective_of, with_gradients

    experiment = opened.experiment
    paths = [each.path for each in experiment.weights if each.is_parameter]
    written = objective_of(experiment)
    derived = with_gradients(_with_inner(written), paths)
    point = point_of(opened, settings.rows, settings.weights, written.leaves("scalar"))
    check = _Check(derived, point)
    weights = [check.weight(path) for path in paths]
    if settings.compiled:
        weights = list(_beside(weights, check.gradients, point.compiled(gradient_program(derived))))
    inner = check.inner()
    wrong = [each.name for each in weights if each.verdict == "WRONG"]
    own = any(each.verdict == "WRONG" for each in inner)
    return GradientReport(
        model=experiment.model,
        point=point.weights_from,
        rows=point.rows_from,
        objective=check.objective,
        tolerance=TOLERANCE,
        weights=tuple(weights),
        inner=inner,
        corners=check.corners.found(),
        faults=faults(derived, point.run, TOLERANCE) if wrong or own else (),
    )


def _with_inner(graph: Graph) -> Graph:
    """Name what each `gradient(y, x)` is of, by what, and itself, as outputs."""
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    builder.take_roots(graph, values)
    for index in graph:
        if graph[index].operation.name == "gradient_of":
            y, x = graph.operands(index)
            for name, each in (("y", y), ("x", x), ("", index)):
                builder.outputs[f"{INNER}{index}/{name}"] = values[each]
    return builder.finish()


class _Check:
    """The comparison at one point."""

    def __init__(self, graph: Graph, point: Point) -> None:
        self.graph, self.point = graph, point
        self.values = compute(graph, point.run, graph.outputs.values())
        self.output = graph.outputs["objective"]
        self.objective = float(self.values[self.output])
        self.gradients = {
            name.removeprefix(GRADIENT): np.asarray(self.values[index], np.float64)
            for name, index in graph.outputs.items()
            if name.startswith(GRADIENT)
        }
        self.corners = Corners(graph)

    def weight(self, path: str) -> Checked:
        """Compare the gradient of a weight."""
        leaves = [
            index
            for index in self.graph
            if self.graph[index].operation.name == "weight" and self.graph[index].setting("name") == path
        ]
        start = self.point.values[path]
        gradient = np.broadcast_to(self.gradients.get(path, np.zeros(1)), start.shape)
        if not leaves:  # nothing depends on it
            return Checked(path, start.shape, 0, 0, "", 0.0, 0.0, 0.0, "fine")
        return self._checked(path, leaves, self.output, gradient)

    def inner(self) -> tuple[Checked, ...]:
        """Compare what the file itself calls `gradient(y, x)`."""
        outputs = self.graph.outputs
        found: dict[str, Checked] = {}
        for name, index in outputs.items():
            if name.startswith(INNER) and name.endswith("/"):
                y, x = outputs[f"{name}y"], outputs[f"{name}x"]
                span = self.graph[index].span
                shown = name if span is None else f"{span.source.name}:{span.line} {span.text}"
                derived = np.asarray(self.values[index], np.float64)
                found.setdefault(shown, self._checked(shown, [x], y, derived))
        return tuple(found.values())

    def _checked(self, name: str, by: Sequence[int], output: int, gradient: Array) -> Checked:
        surface = Surface(self.graph, self.point.run, self.values, output, by)
        start = np.asarray(self.values[by[0]], np.float64)
        shape = self.graph[by[0]].shape
        size = _size(start)
        height = abs(float(np.sum(self.values[output])))
        typical = float(np.sqrt(np.mean(gradient**2))) if gradient.size else 0.0
        found: list[_Compared] = []
        skipped = 0
        for at, direction in _directions(start, gradient, size, name):
            length = float(np.sqrt(np.sum(direction**2)))
            slope = surface.slope(direction, max(1e-8 * typical * length, 1e-10 * height))
            self.corners.add(slope)
            compared = _Compared(at, float(np.sum(gradient * direction)) / length, slope, length)
            if slope.smooth or compared.agrees:
                found.append(compared)
            else:
                skipped += 1
        if not found:
            return Checked(name, shape, 0, skipped, "", 0.0, 0.0, 0.0, "corner" if skipped else "fine")
        worst = max(found, key=lambda each: each.error)
        verdict = _verdict(worst, found, height)
        return Checked(
            name, shape, len(found), skipped, worst.at, worst.derived, worst.measured, worst.error, verdict
        )


@dataclass(frozen=True, slots=True)
class _Compared:
    """A slope along a direction of some length: derived, and measured."""

    at: str
    derived: float
    slope: Slope
    length: float

    @property
    def measured(self) -> float:
        """Return the slope for a direction of length 1."""
        return self.slope.value / self.length

    @property
    def doubt(self) -> float:
        """Return how far the measured slope may be off."""
        return self.slope.doubt / self.length

    @property
    def agrees(self) -> bool:
        """Tell whether both slopes are known well, and one. So it is where corners cancel each other out."""
        size = max(abs(self.derived), abs(self.measured))
        return self.doubt + abs(self.derived - self.measured) <= TOLERANCE * size

    @property
    def error(self) -> float:
        """Return the relative error; what lies within the doubt is no more than the tolerance."""
        difference = abs(self.derived - self.measured)
        size = max(abs(self.derived), abs(self.measured), self.doubt / TOLERANCE)
        if np.isfinite(difference):
            return difference / size if size else 0.0
        return float("inf")


def _verdict(worst: _Compared, found: Sequence[_Compared], height: float) -> Verdict:
    if worst.error > TOLERANCE:
        return "WRONG"
    for each in found:
        size = max(abs(each.derived), abs(each.measured))
        if each.doubt <= max(1e-3 * size, 1e-6 * height / each.length):
            return "fine"
    return "unsure"


def _size(start: Array) -> Array:
    """Return how far a step of 1 moves each number: its own size, or what is usual in its weight."""
    usual = float(np.sqrt(np.mean(start**2))) if start.size else 0.0
    return np.maximum(np.abs(start), usual if usual > 0 else 0.1)


def _directions(start: Array, gradient: Array, size: Array, name: str) -> Iterator[tuple[str, Array]]:
    """Yield directions that move all numbers, then those that move one: the steepest, and drawn ones."""
    random = np.random.default_rng(list(name.encode()))
    if start.size > 1:
        for number in range(DIRECTIONS):
            yield f"direction {number + 1}", random.choice([-1.0, 1.0], start.shape) * size
    for place in _places(gradient, random):
        index = np.unravel_index(place, start.shape)
        direction = np.zeros(start.shape)
        direction[index] = size[index]
        yield "[" + ", ".join(str(each) for each in index) + "]", direction


def _places(gradient: Array, random: np.random.Generator) -> list[int]:
    if gradient.size <= ALL:
        return list(range(gradient.size))
    steepest = np.argsort(-np.abs(gradient), axis=None, kind="stable")[: ENTRIES // 2]
    drawn = random.choice(gradient.size, ENTRIES - len(steepest), replace=False)
    return [int(each) for each in dict.fromkeys([*steepest, *drawn])]


def _beside(
    weights: Sequence[Checked], gradients: Mapping[str, Array], compiled: Mapping[str, NDArray[np.float32]]
) -> Iterator[Checked]:
    """Put the gradients of the compiled program beside the derived ones."""
    for each in weights:
        if each.name not in compiled:
            yield each
            continue
        exact = gradients[each.name]
        off = float(np.max(np.abs(compiled[each.name] - exact), initial=0.0))
        greatest = float(np.max(np.abs(exact), initial=0.0))
        yield replace(each, compiled=off / greatest if greatest else off)
