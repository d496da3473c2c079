"""Losses against their formulas, and the cases that courses print."""

import math

import numpy as np
import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from tests.library.bench import Array, bench, experiment, fitted, label, loss, number

RANDOM = np.random.default_rng(3)
Y = RANDOM.normal(size=(5, 3))
T = RANDOM.normal(size=(5, 3))
R = np.abs(Y - T)
P = np.exp(Y) / np.exp(Y).sum(1, keepdims=True)
ONE_HOT = np.eye(3)[[0, 2, 1, 1, 0]]
S = 1 / (1 + np.exp(-Y))
YES = (T > 0).astype(float)
SIGN = 2 * YES - 1
SOFT = 0.8 * ONE_HOT + 0.2 / 3
WEIGHTS = np.array([1.0, 2.0, 0.5])
P_TRUE = (P * ONE_HOT).sum(1)
SOFT_YES = 0.9 * YES + 0.05
COSINE = (Y * T).sum(1) / np.linalg.norm(Y, axis=1) / np.linalg.norm(T, axis=1)
HINGES = np.maximum(0, Y - (Y * ONE_HOT).sum(1, keepdims=True) + 1)

CASES: dict[str, tuple[Array, Array, Array]] = {
    "mse": (Y, T, (R**2).mean(1)),
    "mae": (Y, T, R.mean(1)),
    "l1_loss": (Y, T, R.sum(1)),
    "l2_loss": (Y, T, (R**2).sum(1)),
    "huber": (Y, T, np.where(R <= 1, R**2 / 2, R - 0.5).mean(1)),
    "huber(delta=0.5)": (Y, T, np.where(R <= 0.5, R**2 / 2, 0.5 * (R - 0.25)).mean(1)),
    "smooth_l1": (Y, T, np.where(R < 1, R**2 / 2, R - 0.5).mean(1)),
    "log_cosh": (Y, T, np.log(np.cosh(R)).mean(1)),
    "cross_entropy": (P, ONE_HOT, -np.log((P * ONE_HOT).sum(1))),
    "binary_cross_entropy": (S, YES, -(YES * np.log(S) + (1 - YES) * np.log(1 - S)).mean(1)),
    "cross_entropy(smoothing=20%)": (P, ONE_HOT, -(SOFT * np.log(P)).sum(1)),
    "cross_entropy(class_weights=[1, 2, 0.5])": (P, ONE_HOT, -(WEIGHTS * ONE_HOT * np.log(P)).sum(1)),
    "cross_entropy(smoothing=20%, class_weights=[1, 2, 0.5])": (
        P, ONE_HOT, -(WEIGHTS * SOFT * np.log(P)).sum(1)
    ),
    "focal": (P, ONE_HOT, -((1 - P_TRUE) ** 2) * np.log(P_TRUE)),
    "focal(gamma=0)": (P, ONE_HOT, -np.log(P_TRUE)),
    "focal(gamma=0.5, class_weights=[1, 2, 0.5])": (
        P, ONE_HOT, -(ONE_HOT @ WEIGHTS) * np.sqrt(1 - P_TRUE) * np.log(P_TRUE)
    ),
    "binary_cross_entropy(smoothing=10%)": (
        S, YES, -(SOFT_YES * np.log(S) + (1 - SOFT_YES) * np.log(1 - S)).mean(1)
    ),
    "binary_cross_entropy(yes_weight=3)": (
        S, YES, -(3 * YES * np.log(S) + (1 - YES) * np.log(1 - S)).mean(1)
    ),
    "binary_focal": (
        S, YES, -(YES * (1 - S) ** 2 * np.log(S) + (1 - YES) * S**2 * np.log(1 - S)).mean(1)
    ),
    "binary_focal(gamma=0, yes_share=25%)": (
        S, YES, -(0.5 * YES * np.log(S) + 1.5 * (1 - YES) * np.log(1 - S)).mean(1)
    ),
    "cosine_distance": (Y, T, 1 - COSINE),
    "quantile(share=90%)": (Y, T, np.where(T > Y, 0.9 * (T - Y), 0.1 * (Y - T)).mean(1)),
    "quantile": (Y, T, R.mean(1) / 2),
    "kl_divergence": (P, P[::-1], (P[::-1] * np.log(P[::-1] / P)).sum(1)),
    "perceptron_loss": (Y, YES, np.maximum(0, -SIGN * Y).mean(1)),
    "hinge": (Y, YES, np.maximum(0, 1 - SIGN * Y).mean(1)),
    "squared_hinge": (Y, YES, (np.maximum(0, 1 - SIGN * Y) ** 2).mean(1)),
    "multiclass_hinge": (Y, ONE_HOT, (HINGES * (1 - ONE_HOT)).sum(1)),
    "poisson": (Y, T, (np.exp(Y) - T * Y).mean(1)),
}  # fmt: skip


@pytest.mark.parametrize("call", CASES)
def test_a_loss_is_its_formula_for_each_example(call: str) -> None:
    y, t, expected = CASES[call]
    np.testing.assert_allclose(loss(call, y, t), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("q", "natural", "decimal"),
    [([0.01, 0.85, 0.05, 0.09], 4.6052, 2), ([0.9, 0.01, 0.07, 0.02], 0.10536, 0.04576)],
)
def test_cross_entropy_of_the_lecture(q: list[float], natural: float, decimal: float) -> None:
    (found,) = loss("cross_entropy", [q], [[1.0, 0.0, 0.0, 0.0]])
    assert found == pytest.approx(natural, rel=1e-4)
    assert found / math.log(10) == pytest.approx(decimal, rel=1e-4)


def test_a_label_reads_as_one_hot() -> None:
    np.testing.assert_allclose(
        loss("cross_entropy", P, [0, 2, 1, 1, 0], classes=3), CASES["cross_entropy"][2]
    )


def test_a_label_of_two_classes_reads_as_a_number_against_one_output() -> None:
    p = np.array([[0.9], [0.2]])
    found = loss("binary_cross_entropy", p, [1, 0], classes=2)
    np.testing.assert_allclose(found, -np.log([0.9, 0.8]))


def test_huber_at_three_is_two_and_a_half() -> None:
    assert loss("huber", [[3.0]], [[0.0]]) == pytest.approx(2.5)


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.0])
def test_the_branches_of_huber_meet(delta: float) -> None:
    below, above = loss(f"huber(delta={delta})", [[delta - 1e-9], [delta + 1e-9]], [[0.0], [0.0]])
    assert above - below == pytest.approx(delta * 2e-9, abs=1e-12)


def test_mean_squared_error_divides_by_the_examples() -> None:
    y, t = np.array([[1.0], [4.0]]), np.array([[3.0], [3.0]])
    assert loss("mse", y, t).mean() == pytest.approx((4 + 1) / 2)


def test_an_untrained_net_of_ten_classes_costs_the_logarithm_of_ten() -> None:
    assert loss("cross_entropy", np.full((2, 10), 0.1), [3, 9], classes=10).mean() == pytest.approx(
        2.302603, abs=2e-5
    )


LABELS = np.array([0, 2, 1, 1, 0])


def test_balanced_classes_count_by_how_rare_they_are_in_the_training_rows() -> None:
    text = """
data d { source = npz("d.npz") }
model m(y: [3]) = y -> identity
train {
    model = m
    data = d
    loss = cross_entropy(class_weights=balanced)
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}
"""
    rows = np.array([0] * 6 + [1] * 3 + [2])
    made = fitted(experiment(text, [number("y", 3), label("t", 3)]), t=rows)
    weights = 10 / (3 * np.bincount(rows))
    np.testing.assert_allclose(
        made.output("loss", y=P, t=LABELS), -weights[LABELS] * np.log(P[np.arange(5), LABELS])
    )


def test_a_class_that_never_occurs_weighs_nothing() -> None:
    text = """
data d { source = npz("d.npz") }
model m(y: [3]) = y -> identity
train {
    model = m
    data = d
    loss = cross_entropy(class_weights=balanced)
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}
"""
    made = fitted(experiment(text, [number("y", 3), label("t", 3)]), t=np.array([0, 1]))
    assert made.output("loss", y=P[:1], t=np.array([2])) == 0


def test_a_class_at_each_place_costs_the_mean_of_the_places() -> None:
    p = np.stack([P, P[::-1]], axis=1)
    for call in ("cross_entropy", "focal", "cross_entropy(class_weights=[1, 2, 0.5])"):
        _, t, expected = CASES[call]
        both = (expected + expected[::-1]) / 2
        targets = np.stack([t, t[::-1]], axis=1)
        np.testing.assert_allclose(loss(call, p, targets), both, rtol=1e-12)


def of_codes(call: str, **codes: Array) -> Array:
    """Return a loss of several outputs, which are the inputs as they are, and of the label `same`."""
    inputs = ", ".join(f"{name}: [3]" for name in codes if name != "same")
    outputs = ", ".join(f"{name}_code={name}" for name in codes if name != "same")
    text = f"""
data d {{ source = npz("d.npz") }}
model m({inputs}) {{ return ({outputs}) }}
train {{
    model = m
    data = d
    loss = {call}
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    fields = [label(name, 2) if name == "same" else number(name, 3) for name in codes]
    made = bench(experiment(text, fields))
    return evaluate(made.experiment.graph, made.run(codes), ["loss"])["loss"]


OTHER = RANDOM.normal(size=(5, 3))


def test_a_triplet() -> None:
    found = of_codes("triplet(a_code, b_code, c_code, margin=0.5)", a=Y, b=T, c=OTHER)
    near, far = ((Y - T) ** 2).sum(1), ((Y - OTHER) ** 2).sum(1)
    np.testing.assert_allclose(found, np.maximum(0, near - far + 0.5))


SAME = np.array([1, 0, 1, 0, 1])


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_codes_of_pairs_by_their_angle(margin: float) -> None:
    found = of_codes(f"cosine_embedding(a_code, b_code, same, margin={margin})", a=Y, b=T, same=SAME)
    np.testing.assert_allclose(found, np.where(SAME, 1 - COSINE, np.maximum(0, COSINE - margin)))


def test_distances_of_pairs() -> None:
    d = np.array([[0.0], [0.3], [2.0], [1.5], [0.7]])
    expected = np.where(SAME, d[:, 0] ** 2, np.maximum(0, 1 - d[:, 0]) ** 2)
    np.testing.assert_allclose(loss("contrastive", d, SAME, classes=2), expected)


def test_a_vector_of_zeros_has_no_direction() -> None:
    assert loss("cosine_distance", np.zeros((1, 3)), np.ones((1, 3))) == pytest.approx(1)


def test_what_is_measured_for_a_loss_comes_from_the_data_alone() -> None:
    text = """
data d {{ source = npz("d.npz") }}
loss scaled(y, t) = mean((y - t)^2) / fit(variance({what}, over=[batch, last], drop=yes))
model m(x: [3]) = x -> dense(3)
train {{
    model = m
    data = d
    loss = scaled
    optimizer = sgd(0.1)
    epochs = 1
}}
"""
    fields = [number("x", 3), number("t", 3, target=True)]
    (measured,) = [
        each for each in experiment(text.format(what="t"), fields).weights if each.kind == "fitted"
    ]
    assert measured.path == "loss/fit_1"
    found = evaluate(measured.initial, Run(5, leaves={("input", "t"): T}), ["value"])["value"]
    assert found == pytest.approx(T.var())
    with pytest.raises(DiagnosticError, match="E0308"):
        experiment(text.format(what="y"), fields)
