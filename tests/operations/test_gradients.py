"""First and second derivatives of every operation against finite differences, in float64."""

from collections.abc import Callable

import numpy as np
import pytest

from netdsl.graph import Builder, Graph, Value, evaluate
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from tests.operations.cases import SMOOTH, Case


def test_every_gradient_has_a_case() -> None:
    with_gradient = {name for name, each in REGISTRY.items() if each.gradient is not None}
    assert with_gradient <= {case.operation for case in SMOOTH}


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_first_and_second_derivative(case: Case) -> None:
    graph = differentiate(_graph(case))
    arrays = case.arrays()
    for number, operand in enumerate(case.operands):
        if operand.dtype == "float":
            _compare(case, graph, arrays, number, "y", f"dy/d{number}")
            _compare(case, graph, arrays, number, f"s/{number}", f"ds/d{number}")


def _graph(case: Case) -> Graph:
    """Outputs: y, a weighted sum of the result; its gradients; a sum of each, and the gradients of that."""
    builder = Builder(REGISTRY)
    result, operands = case.build(builder)
    y = _weighted(result)
    builder.outputs["y"] = y
    for number, operand in enumerate(operands):
        if operand.dtype == "float":
            first = builder.apply("gradient_of", y, operand)
            weighted = _weighted(first)
            builder.outputs[f"dy/d{number}"] = first
            builder.outputs[f"s/{number}"] = weighted
            builder.outputs[f"ds/d{number}"] = builder.apply("gradient_of", weighted, operand)
    return builder.finish()


def _weighted(value: Value) -> Value:
    """Sum all elements, each with a weight of its own."""
    weights = value.builder.apply("uniform", shape=value.shape, stream="weights") + 0.5
    return (value * weights).sum(range(len(value.shape))).reshape(())


def _compare(case: Case, graph: Graph, arrays: list[np.ndarray], number: int, of: str, gradient: str) -> None:
    def at(x: np.ndarray) -> float:
        changed = [*arrays[:number], x, *arrays[number + 1 :]]
        return float(evaluate(graph, case.run(changed), [of])[of])

    expected = finite_differences(at, arrays[number])
    actual = evaluate(graph, case.run(arrays), [gradient])[gradient]
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6)


def finite_differences(f: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    result = np.empty_like(x)
    for position in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[position] += step
        behind[position] -= step
        result[position] = (f(ahead) - f(behind)) / (2 * step)
    return result
