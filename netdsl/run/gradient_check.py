"""Compares the gradients that the compiler derives with finite differences of what the file says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import DiagnosticError
from netdsl.explain.gradient_table import Checked, GradientReport, Verdict
from netdsl.graph import Builder, Graph, compute, formula
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.operations import REGISTRY
from netdsl.run.corners import Corners, place_of
from netdsl.run.differences import Array, Slope, Surface
from netdsl.run.faults import faults
from netdsl.run.gradient_point import Point, numbers_of_a_row, point_of

if TYPE_CHECKING:
    from netdsl.run.opening import Opened
    from netdsl.run.options import Options

TOLERANCE: Final = 1e-5
"""The greatest relative error of a gradient that is right."""

DIRECTIONS: Final = 2
"""Slopes along directions that move every number of a weight at once."""

ENTRIES: Final = 6
"""Slopes of single numbers of a weight that are compared, if it has more than twice as many."""

LEAST_SIZE: Final = 0.1
"""A gradient that is 0 but for rounding is compared with this share of the greatest of all weights."""

MUCH: Final = 50_000_000
"""Where weights times the numbers of one evaluation are more, a direction and two entries have to do."""

GRADIENT: Final = "gradient/"
INNER: Final = "gradient_of/"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a check is made: rows of the batch (None: few), weights that were trained, and whether the compiled
    program is asked as well."""

    rows: int | None = None
    weights: Path | None = None
    compiled: bool = False


def check_file(path: Path, options: Options, settings: Settings) -> tuple[Opened, GradientReport]:
    """Open a file and check its gradients: on drawn rows where its data is a published one, and not at hand.

    Errors: those of opening the file and its data, and of check_gradients.
    """
    from netdsl.run.opening import ABSENT, open_file

    try:
        opened = open_file(path, options)
        return opened, check_gradients(opened, settings)
    except DiagnosticError as error:
        if options.stand_in or not {each.code for each in error.diagnostics} <= ABSENT:
            raise
    opened = open_file(path, replace(options, stand_in=True))
    return opened, check_gradients(opened, settings)


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
    point = point_of(opened, settings.rows, settings.weights, written)
    check = _Check(derived, point, much=len(paths) * point.run.rows * numbers_of_a_row(written) > MUCH)
    weights = [check.weight(path) for path in paths]
    if settings.compiled:
        program = gradient_program(derived, rows=experiment.training.batch)
        weights = list(_beside(weights, check.gradients, point.compiled(program)))
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
    """Name each `gradient(y, x)` of the file by its line as an output, and what it is of, and by what."""
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    builder.take_roots(graph, values)
    for index in graph:
        if graph[index].operation.name == "gradient_of":
            y, x = graph.operands(index)
            for name, each in (("y", y), ("x", x), ("", index)):
                builder.outputs[f"{INNER}{_told(graph, index)}/{name}"] = values[each]
    return builder.finish()


def _told(graph: Graph, index: int) -> str:
    node = graph[index]
    text = formula(graph, index, 1) if node.span is None else " ".join(node.span.text.split())
    return f"{place_of(graph, index)} {text}"


class _Check:
    """The comparison at one point."""

    def __init__(self, graph: Graph, point: Point, *, much: bool) -> None:
        self.graph, self.point = graph, point
        self.directions, self.entries = (1, 2) if much else (DIRECTIONS, ENTRIES)
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
            return Checked(path, start.shape)
        return self._checked(path, leaves, self.output, gradient)

    def inner(self) -> tuple[Checked, ...]:
        """Compare what the file itself calls `gradient(y, x)`."""
        outputs = self.graph.outputs
        names = [name for name in outputs if name.startswith(INNER) and name.endswith("/")]
        return tuple(
            self._checked(
                name.removeprefix(INNER).rstrip("/"),
                [outputs[f"{name}x"]],
                outputs[f"{name}y"],
                np.asarray(self.values[outputs[name]], np.float64),
            )
            for name in names
        )

    def _checked(self, name: str, by: Sequence[int], output: int, gradient: Array) -> Checked:
        surface = Surface(self.graph, self.point.run, self.values, output, by)
        start = np.asarray(self.values[by[0]], np.float64)
        shape = self.graph[by[0]].shape
        size = _size(start)
        height = abs(float(np.sum(self.values[output])))
        typical = float(np.sqrt(np.mean(gradient**2))) if gradient.size else 0.0
        found: list[_Compared] = []
        sided: list[_Compared] = []
        skipped = 0
        for at, direction in self._directions(start, gradient, size, name):
            length = float(np.sqrt(np.sum(direction**2)))
            slope = surface.slope(direction, max(1e-8 * typical * length, 1e-10 * height))
            derived = float(np.sum(gradient * direction)) / length
            sides = [_Compared(at, derived, side, length) for side in slope.sides]
            right = [each for each in sides if each.is_known(height) and each.error <= TOLERANCE]
            if slope.smooth:
                found.append(_Compared(at, derived, slope, length))
            elif right:
                sided.append(min(right, key=lambda each: each.error))
            else:
                skipped += 1
            self.corners.add(slope, left_out=not slope.smooth and not right)
        row = Checked(name, shape, len(found), len(sided), skipped)
        if not found and not sided:
            return replace(row, verdict="corner" if skipped else "fine")
        worst = max(found or sided, key=lambda each: each.error)
        return replace(
            row,
            at=worst.at,
            derived=worst.derived,
            measured=worst.measured,
            error=worst.error,
            verdict=_verdict(worst, found or sided, height),
        )

    def _directions(
        self, start: Array, gradient: Array, size: Array, name: str
    ) -> Iterator[tuple[str, Array]]:
        """Yield directions that move all numbers, then those that move one: the steepest, and drawn ones."""
        random = np.random.default_rng(list(name.encode()))
        if start.size > 1:
            for number in range(self.directions):
                yield f"direction {number + 1}", random.choice([-1.0, 1.0], start.shape) * size
        for place in self._places(gradient, random):
            index = np.unravel_index(place, start.shape)
            direction = np.zeros(start.shape)
            direction[index] = size[index]
            yield "[" + ", ".join(str(each) for each in index) + "]", direction

    def _places(self, gradient: Array, random: np.random.Generator) -> list[int]:
        if gradient.size <= 2 * self.entries:
            return list(range(gradient.size))
        steepest = np.argsort(-np.abs(gradient), axis=None, kind="stable")[: self.entries // 2]
        drawn = random.choice(gradient.size, self.entries - len(steepest), replace=False)
        return [int(each) for each in dict.fromkeys([*steepest, *drawn])]


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

    def is_known(self, height: float) -> bool:
        """Tell whether the slope of a function of some height is known well enough to be compared."""
        size = max(abs(self.derived), abs(self.measured))
        return self.doubt <= max(1e-3 * size, 1e-8 * height / self.length)

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


def _beside(
    weights: Sequence[Checked], gradients: Mapping[str, Array], compiled: Mapping[str, NDArray[np.float32]]
) -> Iterator[Checked]:
    """Put the gradients of the compiled program beside the derived ones."""
    least = LEAST_SIZE * max((_greatest(each) for each in gradients.values()), default=0.0)
    for each in weights:
        if each.name not in compiled:
            yield each
            continue
        exact = gradients[each.name]
        off, size = _greatest(compiled[each.name] - exact), max(_greatest(exact), least)
        yield replace(each, compiled=off / size if size else off)


def _greatest(values: Array) -> float:
    return float(np.max(np.abs(values), initial=0.0))
