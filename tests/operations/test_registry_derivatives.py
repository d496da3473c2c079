"""First and second derivatives of every operation, by every pair of operands, against finite differences.

What a gradient penalty needs: the derivative of a gradient by any operand, through the gradient that came
from above as well. So an operation's result is squared first: its gradient then depends on the result.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from netdsl.graph import Builder, Graph, Value, compute
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.run.differences import Surface
from tests.operations.cases import SMOOTH, Case
from tests.operations.planting import planted

DIRECTIONS = 3
TOLERANCE = 1e-6


def test_no_operation_is_forgotten() -> None:
    """Whoever adds an operation with a gradient adds a case, away from its corners, to `SMOOTH`."""
    with_gradient = {name for name, each in REGISTRY.items() if each.gradient is not None}
    assert with_gradient <= {case.operation for case in SMOOTH}


@dataclass
class Derived:
    """A function of an operation's result, its gradients, and the gradients of these, as nodes."""

    graph: Graph
    operands: dict[int, int]
    slopes: list[tuple[str, int, int, int]] = field(default_factory=list)
    """What a derivative is called, what it is of, which operand it is by, and the derivative."""


def derived(case: Case) -> Derived:
    builder = Builder(REGISTRY)
    result, operands = case.build(builder)
    numbers = {n: each for n, each in enumerate(operands) if each.dtype == "float"}
    y = weighted(result + 0.5 * result * result, "y")
    builder.outputs["y"] = y
    for n, operand in numbers.items():
        builder.outputs[f"operand/{n}"] = operand
        first = builder.apply("gradient_of", y, operand)
        builder.outputs[f"first/{n}"] = first
        builder.outputs[f"total/{n}"] = total = weighted(first, f"first {n}")
        for other, value in numbers.items():
            builder.outputs[f"second/{n}/{other}"] = builder.apply("gradient_of", total, value)
    graph = differentiate(builder.finish())
    found = Derived(graph, {n: graph.outputs[f"operand/{n}"] for n in numbers})
    at = graph.outputs
    for n in numbers:
        found.slopes.append((f"d y / d {n}", at["y"], n, at[f"first/{n}"]))
        found.slopes += [
            (f"d² y / d {n} d {other}", at[f"total/{n}"], other, at[f"second/{n}/{other}"])
            for other in numbers
        ]
    return found


def weighted(value: Value, stream: str) -> Value:
    """Sum all elements, each with a weight of its own."""
    weights = value.builder.apply("uniform", shape=value.shape, stream=stream) + 0.5
    return (value * weights).sum(range(len(value.shape))).reshape(())


def wrong_slopes(case: Case) -> list[str]:
    """Return which derivatives differ from finite differences, along some directions."""
    made = derived(case)
    run = case.run(case.arrays())
    values = compute(made.graph, run, made.graph.outputs.values())
    random = np.random.default_rng(3)
    wrong = []
    for name, of, by, gradient in made.slopes:
        surface = Surface(made.graph, run, values, of, [made.operands[by]])
        slopes = np.asarray(values[gradient], np.float64)
        shape = values[made.operands[by]].shape
        for _ in range(DIRECTIONS):
            direction = random.uniform(-1, 1, shape)
            measured = surface.slope(direction, 1e-9)
            assert measured.smooth, f"{name} of {case} is at a corner"
            expected = float(np.sum(slopes * direction))
            scale = max(abs(expected), abs(measured.value), 1e-2)
            if not abs(expected - measured.value) <= TOLERANCE * scale + measured.doubt:
                wrong.append(name)
    return sorted(set(wrong))


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_first_and_second_derivatives_by_every_pair_of_operands(case: Case) -> None:
    assert wrong_slopes(case) == []


def test_a_gradient_that_is_right_but_whose_own_gradient_is_not_is_found() -> None:
    def rule(dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        return dy * b.apply("stop_gradient"), dy * a

    (case,) = [each for each in SMOOTH if each.operation == "multiply"]
    with planted("multiply", rule):
        found = wrong_slopes(case)
    assert "d y / d 0" not in found
    assert "d² y / d 0 d 1" in found
