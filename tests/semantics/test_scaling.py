"""Scalers: fitted figures, columns, and predictions back in raw units."""

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import Column, FieldSchema, Schema
from tests.semantics.bench import codes, experiment

Array = NDArray[np.float64]
DRAW = np.random.default_rng(2)
X = DRAW.normal(3, 2, size=(50, 5)) * [1, 10, 1, 1, 100]
X[:, 2:4] = [0, 1]
PRICE = DRAW.uniform(10, 500, 50)
SCHEMA = Schema(
    "d",
    (
        FieldSchema(
            "x",
            (5,),
            columns=(
                Column("age", 0, 1),
                Column("size", 1, 1),
                Column("town", 2, 2, ("a", "b")),
                Column("far", 4, 1),
            ),
        ),
        FieldSchema("price", (), target=True),
    ),
    {"train": 50},
)


def text(scale: str, before: str = "", metrics: str = "rmse") -> str:
    return f"""
{before}
data d {{
    source = csv("d.csv", target=price)
    scale  = {scale}
}}
model m(x: [5]) = x -> dense(1)
train {{
    model = m
    data = d
    loss = mse
    optimizer = sgd(0.1)
    epochs = 1
    metrics = {metrics}
}}
"""


def values(made: Experiment) -> dict[str, Array]:
    leaves: dict[tuple[str, str], Array] = {("input", "x"): X, ("input", "price"): PRICE}
    for each in made.weights:
        start = evaluate(each.initial, Run(50, 1, leaves=leaves), ["value"])["value"]
        leaves["state" if each.kind == "fitted" else "weight", each.path] = start
    return dict(evaluate(made.graph, Run(50, leaves=leaves)))


def test_a_scaler_is_fitted_on_the_rows_and_leaves_categories_alone() -> None:
    made = experiment(text("zscore"), SCHEMA)
    wanted = (X - X.mean(0)) / np.where(X.std(0) == 0, 1, X.std(0))
    wanted[:, 2:4] = X[:, 2:4]
    np.testing.assert_allclose(values(made)["prepared/x"], wanted)
    fitted = [each for each in made.weights if each.kind == "fitted"]
    assert [each.path for each in fitted] == [
        "d/x/age/center",
        "d/x/age/spread",
        "d/x/far/center",
        "d/x/far/spread",
    ]
    assert [each.shape for each in fitted] == [(2,), (2,), (1,), (1,)]


def test_columns_have_scalers_of_their_own() -> None:
    made = experiment(text("(age=minmax, far=divide(7))"), SCHEMA)
    wanted = X.copy()
    wanted[:, 0] = (X[:, 0] - X[:, 0].min()) / np.ptp(X[:, 0])
    wanted[:, 4] /= 7
    np.testing.assert_allclose(values(made)["prepared/x"], wanted)


def test_a_figure_may_rest_on_another() -> None:
    before = """
scaler twice(x) {
    low = fit(min(x, over=batch))
    high = fit(max(x - low, over=batch))
    return ratio(x - low, high)
}
"""
    made = experiment(text("twice", before), SCHEMA)
    wanted = (X[:, 0] - X[:, 0].min()) / np.ptp(X[:, 0])
    np.testing.assert_allclose(values(made)["prepared/x"][:, 0], wanted)


@pytest.mark.parametrize(
    "scaler",
    [
        "zscore",
        "minmax",
        "minmax(-1, 1)",
        "divide(255)",
        "log_range",
        "arctan_range",
        "mine",
        "zscore(over=all)",
    ],
)
def test_predictions_are_told_in_the_units_of_the_target(scaler: str) -> None:
    before = "scaler mine(x) = -(3 - sqrt(2 * exp(-(x / 100))) ) ^ 1".replace(" ^ 1", "")
    made = experiment(text(f"(x=zscore, price={scaler})", before), SCHEMA)
    found = values(made)
    scaled = found["prepared/price"]
    assert found["loss"].shape == (50,)
    # A network that says exactly what the target is scaled to must be told as the target itself.
    graph = made.graph
    inner = next(
        index for index in graph if graph[index].operation.name == "add" and graph[index].path == "m/dense_1"
    )
    assert graph[inner].shape == (-1, 1)
    shown = _with_network_output(made, inner, scaled[:, None])
    np.testing.assert_allclose(shown[:, 0], PRICE, rtol=1e-9)


def _with_network_output(made: Experiment, node: int, value: Array) -> Array:
    """Evaluate the shown output with the network's own output replaced."""
    from netdsl.graph import Builder
    from netdsl.operations import REGISTRY

    builder = Builder(REGISTRY)
    given = builder.apply("input", name="given", shape=(-1, 1), dtype="float")
    copied = builder.copy(made.graph, {node: given})
    builder.outputs["shown"] = copied[made.graph.outputs["output/m"]]
    leaves: dict[tuple[str, str], Array] = {
        ("input", "x"): X,
        ("input", "price"): PRICE,
        ("input", "given"): value,
    }
    for each in made.weights:
        start = evaluate(each.initial, Run(50, 1, leaves=leaves), ["value"])["value"]
        leaves["state" if each.kind == "fitted" else "weight", each.path] = start
    return evaluate(builder.finish(), Run(50, leaves=leaves), ["shown"])["shown"]


def test_metrics_compare_raw_values() -> None:
    made = experiment(text("(x=zscore, price=zscore)", metrics="(off = mae)"), SCHEMA)
    found = values(made)
    np.testing.assert_allclose(found["figure/off"], abs(found["output/m"][:, 0] - PRICE))


def test_without_scaling_nothing_is_prepared() -> None:
    made = experiment(text("(price=divide(10))").replace("    scale  = (price=divide(10))\n", ""), SCHEMA)
    assert not [name for name in made.graph.outputs if name.startswith("prepared")]


@pytest.mark.parametrize(
    ("scale", "before", "code"),
    [
        ("relu", "", "E0505"),
        ("(prices=zscore)", "", "E0509"),
        ("(town=zscore)", "", ""),
        ("(price=fold)", "scaler fold(x) = x * x", "E0506"),
        ("(price=flat)", "scaler flat(x) = floor(x)", "E0506"),
        ("rowwise", "scaler rowwise(x) = x / fit(mean(x))", "E0308"),
        ("shrunk", "scaler shrunk(x) = sum(x, over=last)", "E0306"),
        ("zscore(over=nothing)", "", "E0206"),
        ("zscore(ovr=all)", "", "E0201"),
    ],
)
def test_a_mistake_in_scaling_is_told(scale: str, before: str, code: str) -> None:
    assert codes(text(scale, before), SCHEMA) == ([code] if code else [])


def test_a_label_is_not_scaled() -> None:
    schema = Schema(
        "d",
        (SCHEMA.fields[0], FieldSchema("price", (), "label", target=True, classes=("1", "2"))),
        {"train": 50},
    )
    assert "E0509" in codes(text("(price=zscore)"), schema)
