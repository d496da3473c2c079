"""What the models are there to show, measured."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import netdsl
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.passes.differentiate import differentiate
from netdsl.run.opening import Opened, open_file
from netdsl.run.options import Options

MODELS = Path(__file__).resolve().parents[2] / "models"
Array = NDArray[np.float64]


def opened(name: str, block: str | None = None, **overrides: str) -> Opened:
    return open_file(MODELS / f"{name}.net", Options(overrides, block=block))


def start(made: Opened) -> dict[str, Array]:
    """Return weights at their start, and what scalers measure of the training rows."""
    assert made.dataset is not None
    rows = {("input", name): np.asarray(value) for name, value in made.dataset.part("train").items()}
    count = len(next(iter(rows.values())))
    return {
        each.path: evaluate(each.initial, Run(count, 0, leaves=rows), ["value"])["value"]
        for each in made.experiment.weights
    }


def gradients(
    made: Opened, weights: dict[str, Array], rows: NDArray[np.int64], *, training: bool = False
) -> dict[str, Array]:
    """Return the gradient of the mean loss over some training rows by each trained weight, in float64."""
    assert made.dataset is not None
    fields = {name: np.asarray(value)[rows] for name, value in made.dataset.part("train").items()}
    leaves = {("input", name): value for name, value in fields.items()}
    for path, value in weights.items():
        leaves["weight", path] = leaves["state", path] = value
    paths = list(made.experiment.rules)
    graph = differentiate(made.experiment.graph, "loss", paths)
    names = [f"gradient/{path}" for path in paths]
    found = evaluate(graph, Run(len(rows), leaves=leaves, scalars={"training": float(training)}), names)
    return {path: found[name] / len(rows) for path, name in zip(paths, names, strict=True)}


def test_the_gradient_of_the_salary_swamps_the_others_until_inputs_are_scaled() -> None:
    sizes = {}
    for block in ("raw", "scaled"):
        made = opened("batting", block)
        found = gradients(made, start(made), np.arange(160))
        sizes[block] = np.abs(found["linear_model/dense_1/w"][:, 0])
    age, years, height, salary = sizes["raw"]
    assert salary > 1e4 * max(age, years, height)
    assert sizes["scaled"].max() < 100 * sizes["scaled"].min()


def test_the_gradient_of_one_example_is_an_unbiased_estimate_of_the_batch() -> None:
    made = opened("wine")
    weights = start(made)
    rows = np.arange(60)
    path = "regression/dense_1/w"
    whole = gradients(made, weights, rows)[path]
    singles = [gradients(made, weights, rows[n : n + 1])[path] for n in rows]
    np.testing.assert_allclose(np.mean(singles, axis=0), whole, rtol=1e-10, atol=1e-12)


def test_the_variance_of_a_mini_batch_gradient_falls_as_one_over_its_size() -> None:
    made = opened("wine")
    weights = start(made)
    path = "regression/dense_1/w"
    singles = np.stack([gradients(made, weights, np.array([n]))[path].ravel() for n in range(100)])
    random = np.random.default_rng(0)
    spread = {}
    for size in (1, 4, 16):
        means = [singles[random.integers(0, 100, size)].mean(0) for _ in range(2000)]
        spread[size] = np.var(means, axis=0).sum()
    assert spread[1] / spread[4] == pytest.approx(4, rel=0.15)
    assert spread[1] / spread[16] == pytest.approx(16, rel=0.15)


def test_an_untrained_net_of_ten_classes_costs_about_the_logarithm_of_ten() -> None:
    made = opened("digit_as_class")
    assert made.dataset is not None
    part = made.dataset.part("train")
    leaves = {("input", name): np.asarray(value) for name, value in part.items()}
    for path, value in start(made).items():
        leaves["weight", path] = leaves["state", path] = value * (0.01 if path.endswith("/w") else 1)
    run = Run(len(part["digit"]), leaves=leaves, scalars={"training": 0.0})
    assert evaluate(made.experiment.graph, run, ["loss"])["loss"].mean() == pytest.approx(
        np.log(10), abs=1e-3
    )


def test_a_stack_of_dense_layers_is_one_linear_function() -> None:
    made = opened("linear_stack")
    leaves = {("weight", path): value for path, value in start(made).items()}
    x = np.random.default_rng(1).normal(size=(50, 2))
    leaves["input", "x"] = x
    graph = made.experiment.graph
    out = evaluate(graph, Run(50, leaves=leaves, scalars={"training": 0.0}), ["output/stack"])["output/stack"]
    scores = np.log(out / (1 - out))
    with_one = np.concatenate([x, np.ones((50, 1))], axis=1)
    _, residual, rank, _ = np.linalg.lstsq(with_one, scores, rcond=None)
    assert rank == 3
    assert residual[0] == pytest.approx(0, abs=1e-18)


def test_sigmoids_lose_the_gradient_on_its_way_back_and_rectifiers_keep_it() -> None:
    shares = {}
    for act, init, norm in (("sigmoid", "xavier", "no"), ("relu", "he", "no"), ("sigmoid", "xavier", "yes")):
        made = opened("deep", act=act, init=init, normalized=norm)
        found = gradients(made, start(made), np.arange(64), training=True)
        first, last = (np.linalg.norm(found[f"deep/{path}/w"]) for path in ("hidden_1/z", "last"))
        shares[act, norm] = first / last
    assert shares["sigmoid", "no"] < 1e-4
    assert shares["relu", "no"] > 0.05
    assert shares["sigmoid", "yes"] > 0.05


@pytest.mark.slow
def test_an_autoencoder_loses_less_than_the_principal_components() -> None:
    made = opened("autoencoder")
    assert made.dataset is not None
    train, test = (made.dataset.part(part)["image"].reshape(-1, 64) / 16.0 for part in ("train", "test"))
    center = train.mean(0)
    directions = np.linalg.svd(train - center, full_matrices=False)[2][:8]
    moved = test - center
    principal = np.mean((moved - moved @ directions.T @ directions) ** 2)
    run = netdsl.train(MODELS / "autoencoder.net", run_dir=None, style="quiet", threads=1)
    assert run.result.parts["test"]["loss"] < 0.7 * principal


def test_a_model_called_twice_has_one_set_of_weights() -> None:
    made = opened("siamese")
    paths = [each.path for each in made.experiment.weights]
    assert paths
    assert all(path.startswith("encoder/dense_") for path in paths)
    weights = start(made)
    found = gradients(made, weights, np.arange(32))
    assert all(np.abs(each).max() > 0 for each in found.values())
