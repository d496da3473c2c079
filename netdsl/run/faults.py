"""Finds the operations whose own gradient is wrong, each by itself, at the values it has in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netdsl.explain.gradient_table import Fault
from netdsl.graph import Builder, Graph, Run, Value, compute, formula, sized
from netdsl.operations import REGISTRY
from netdsl.operations.elementwise import is_constant
from netdsl.operations.scan import steps_of
from netdsl.run.corners import place_of
from netdsl.run.differences import Array, Surface

DIRECTIONS: Final = 3


def faults(graph: Graph, run: Run, tolerance: float) -> tuple[Fault, ...]:
    """Return the operations of a differentiated graph that are wrong by themselves, each once.

    The gradient of an operation is given random numbers, and compared with finite differences of the
    operation alone; of a scan, that of each operation of its body is.
    """
    values = compute(graph, run, [graph.outputs["objective"]])
    return tuple(_within(graph, values, run, tolerance).values())


def _within(
    graph: Graph, values: Mapping[int, NDArray[np.generic]], run: Run, tolerance: float
) -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    seen: set[tuple[object, ...]] = set()
    for index in values:
        node, operands = graph[index], graph.operands(index)
        kind = (node.operation.name, node.settings, *(graph[each].shape for each in operands))
        if node.operation.gradient is None or kind in seen:
            continue
        seen.add(kind)
        if node.operation.name == "scan":
            inner = _of_body(graph, index, values, run, tolerance)
            found = {**inner, **found}
            if inner:
                continue
        error = _error(graph, index, values, run)
        if error > tolerance and node.operation.name not in found:
            found[node.operation.name] = Fault(
                node.operation.name, place_of(graph, index), formula(graph, index, 2), error, node.span
            )
    return found


def _of_body(
    graph: Graph, index: int, values: Mapping[int, NDArray[np.generic]], run: Run, tolerance: float
) -> dict[str, Fault]:
    """Return the faults of a scan's body, at the values of the step that is made first."""
    node = graph[index]
    _, inside = next(steps_of(node, run, [values[each] for each in graph.operands(index)]))
    return _within(node.setting("body"), inside, run, tolerance)


def _error(graph: Graph, index: int, values: Mapping[int, NDArray[np.generic]], run: Run) -> float:
    """Return the greatest relative error of an operation's gradient by each of its operands."""
    random = np.random.default_rng(index)
    builder = Builder(REGISTRY)
    leaves: dict[tuple[str, str], NDArray[np.generic]] = {}

    def leaf(name: str, like: int) -> Value:
        node = graph[like]
        leaves["input", name] = np.array(np.broadcast_to(values[like], sized(node.shape, run.rows)))
        return builder.apply("input", name=name, shape=node.shape, dtype=node.dtype)

    operands = []
    for number, each in enumerate(graph.operands(index)):
        constant = _constant(builder, graph, each)
        operands.append(leaf(str(number), each) if constant is None else constant)
    y = builder.add(graph[index], operands)
    dy = leaf("dy", index)
    leaves["input", "dy"] = random.uniform(0.5, 1.5, leaves["input", "dy"].shape)
    gradient = graph[index].operation.gradient
    assert gradient is not None
    shares = gradient(dy, y, *operands)
    builder.outputs["sum"] = (y * dy).sum(range(len(y.shape)))
    for number, share in enumerate(shares):
        if share is not None:
            builder.outputs[f"share/{number}"] = share.broadcast(operands[number].shape)
    alone = builder.finish()
    here = Run(run.rows, run.seed, run.step, run.scalars, {**run.leaves, **leaves})
    found = compute(alone, here, alone.outputs.values())
    worst = 0.0
    for number, operand in enumerate(operands):
        at = operand.index
        if operand.dtype == "float" and ("input", str(number)) in leaves:
            place = alone.outputs.get(f"share/{number}")
            slopes = np.zeros(found[at].shape) if place is None else found[place]
            surface = Surface(alone, here, found, alone.outputs["sum"], [at])
            worst = max(worst, _worst(surface, np.asarray(slopes, np.float64), random))
    return worst


def _constant(builder: Builder, graph: Graph, index: int) -> Value | None:
    """Copy what is a number of the model: an operation may look whether it is one."""
    needed = graph.ancestors([index])
    if not is_constant(Builder(REGISTRY).copy(graph, {}, needed)[index]):
        return None
    return builder.copy(graph, {}, needed)[index]


def _worst(surface: Surface, gradient: Array, random: np.random.Generator) -> float:
    worst = 0.0
    start = np.asarray(surface.start[surface.by[0]], np.float64)
    size = np.maximum(np.abs(start), float(np.sqrt(np.mean(start**2))) or 0.1)
    for _ in range(DIRECTIONS):
        direction = random.choice([-1.0, 1.0], start.shape) * size
        slope = surface.slope(direction, 0.0)
        derived = float(np.sum(gradient * direction))
        if slope.smooth and np.isfinite(derived):
            size_of = max(abs(derived), abs(slope.value), slope.doubt * 1e5)
            worst = max(worst, abs(derived - slope.value) / size_of if size_of else 0.0)
    return worst
