from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from netdsl.data.measure import measure
from netdsl.data.scaling import check_prepared, constant_columns, fit
from netdsl.graph import BATCH, Builder, Graph, Run, Value
from netdsl.graph.evaluate import evaluate
from netdsl.operations import REGISTRY
from netdsl.semantics.experiment import Weight
from netdsl.semantics.schema import FieldSchema, Schema
from tests.data.plans import SPAN, opened, plan, refused, source

Formula: TypeAlias = Callable[[Value], Value]


def graph_of(formula: Formula, shape: tuple[int, ...] = (3,)) -> Graph:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, *shape), dtype="float")
    builder.outputs["value"] = formula(x)
    return builder.finish()


def mean(x: Value) -> Value:
    return x.sum([0]) / x.builder.apply("scalar", name="rows")


def deviation(x: Value) -> Value:
    centered = x - mean(x)
    return mean(centered * centered).apply("sqrt")


def largest(x: Value) -> Value:
    return x.apply("maximum_over", axis=0)


def largest_of_all(x: Value) -> Value:
    return largest(x.apply("maximum_over", axis=1))


def largest_distance(x: Value) -> Value:
    """Three reductions of the rows, one after the other."""
    scaled = (x - mean(x)) / deviation(x)
    return largest((scaled * scaled).sum([1]).apply("sqrt"))


def shared(x: Value) -> Value:
    return x.builder.constant([1.0, 2.0, 3.0]).reshape((1, 3)) * 2.0


def argument(x: Value) -> Value:
    """No reduction that goes on piece by piece: it is evaluated whole."""
    return x.apply("argmax", axis=0).apply("cast", dtype="float")


FORMULAS = [mean, deviation, largest, largest_of_all, largest_distance, shared, argument]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_pieces_measure_what_the_whole_does(
    formula: Formula, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netdsl.data.measure._PIECE", 30)
    x: np.ndarray = np.random.default_rng(1).uniform(0, 255, (105, 3)).astype(dtype)
    graph = graph_of(formula)
    expected = evaluate(graph, Run(105, leaves={("input", "x"): x}))["value"]
    found = measure(graph, {"x": x, "other": x[:5]})
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, rel=1e-12)


def fitted(formula: Formula, shape: tuple[int, ...] = (3,)) -> Weight:
    graph = graph_of(formula, shape)
    return Weight("d/x/fit", graph[graph.outputs["value"]].shape, "fitted", graph, SPAN)


def test_fit_gives_each_fitted_weight_and_no_other() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    other = Weight("m/w", (3,), "weight", graph_of(mean), SPAN)
    found = fit([fitted(mean), other], {"x": x})
    assert list(found) == ["d/x/fit"]
    assert found["d/x/fit"].dtype == np.float32
    assert found["d/x/fit"].tolist() == [[4.5, 5.5, 6.5]]


def test_columns_that_never_vary_are_told_where_they_matter() -> None:
    x = np.zeros((5, 2, 2), np.uint8)
    x[0, 0, 0] = 1
    schema = Schema("d", (FieldSchema("x", (2, 2)),), {"train": 5}, SPAN)
    (warning,) = constant_columns(schema, [fitted(mean, (2, 2))], {"x": x})
    assert warning.code == "W0520"
    assert warning.message == "`x`: 3 of its 4 columns never vary in the training rows"
    assert warning.notes == ("`x[0, 1]`, `x[1, 0]`, `x[1, 1]`",)

    def over_all(value: Value) -> Value:
        return mean(value.sum([1, 2]))

    assert constant_columns(schema, [fitted(over_all, (2, 2))], {"x": x}) == ()
    assert constant_columns(schema, [], {"x": x}) == ()


def test_columns_of_tables_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a,c,b,y\n1,u,2,3\n1,v,5,3\n1,v,6,4\n")
    data = opened(plan(source("csv", "f.csv", target="y")), tmp_path)
    (warning,) = constant_columns(data.schema, [fitted(mean, (4,))], data.part("train"))
    assert warning.notes == ("`a`",)


def test_scaled_values_that_are_not_finite_are_told_by_row_and_column(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a,b,y\n1,2,3\n1,-5,3\n7,6,4\n")
    data = opened(plan(source("csv", "f.csv", target="y")), tmp_path)
    with np.errstate(invalid="ignore"):
        prepared = {"x": np.log1p(data.part("train")["x"])}
    found = refused(lambda: check_prepared(prepared, data, "train"))
    assert found.code == "E0544"
    assert "f.csv:3: `b` is -5" in found.message
    check_prepared({"x": data.part("train")["x"]}, data, "train")
