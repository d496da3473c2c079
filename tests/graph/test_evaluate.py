"""The oracle: leaves, scalars, rounding."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph, Run, evaluate, evaluate_updates
from netdsl.operations import REGISTRY


def graph() -> Graph:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 2))
    w = builder.apply("weight", name="w", shape=(2,))
    mean = x.sum([0]) / builder.apply("scalar", name="rows")
    builder.outputs["y"] = x * w
    builder.outputs["step"] = builder.apply("scalar", name="t") + builder.apply("scalar", name="epoch")
    builder.updates["w"] = w - mean.reshape((2,))
    return builder.finish()


RUN = Run(
    rows=2,
    step=4,
    scalars={"epoch": 2.0},
    leaves={("input", "x"): np.array([[1, 2], [3, 4]]), ("weight", "w"): np.array([10.0, 20.0])},
)


def test_outputs_and_updates() -> None:
    values = evaluate(graph(), RUN)
    np.testing.assert_array_equal(values["y"], [[10, 40], [30, 80]])
    assert values["step"] == 7
    np.testing.assert_array_equal(evaluate_updates(graph(), RUN)["w"], [8, 17])


def test_only_what_is_wanted_is_computed() -> None:
    assert evaluate(graph(), Run(1, scalars={"epoch": 0.0}), ["step"]) == {"step": 1}


def test_values_are_rounded_to_float32_where_that_is_asked_for() -> None:
    assert evaluate(graph(), RUN)["y"].dtype == np.float64
    assert evaluate(graph(), RUN, dtype=np.float32)["y"].dtype == np.float32


def test_a_leaf_of_another_shape_is_refused() -> None:
    leaves = {**RUN.leaves, ("weight", "w"): np.zeros(3)}
    with pytest.raises(ValueError, match=r"weight w has shape \(3,\), not \(2,\)"):
        evaluate(graph(), Run(2, leaves=leaves), ["y"])
