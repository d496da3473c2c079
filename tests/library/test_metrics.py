"""Metrics against their formulas."""

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from netdsl.diagnostics import DiagnosticError
from netdsl.semantics.schema import FieldSchema
from tests.library.bench import Array, bench, experiment, label, number

RANDOM = np.random.default_rng(7)
P = RANDOM.dirichlet(np.ones(4), size=40)
T = RANDOM.integers(0, 4, size=40)
SAID = P.argmax(1)


def figure(call: str, y: ArrayLike, t: ArrayLike, target: FieldSchema, name: str = "") -> Array:
    """Return a metric over a part: the mean of the examples, or of the whole."""
    outputs, targets = np.asarray(y, np.float64), np.asarray(t)
    text = f"""
data d {{ source = npz("d.npz") }}
loss any(y, t) = mean((y - t)^2)
model m(y: {list(outputs.shape[1:])}) {{ return y -> identity }}
train {{
    model = m
    data = d
    loss = any
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
    metrics = [{call}]
}}
"""
    made = experiment(text, [number("y", *outputs.shape[1:]), target])
    (told,) = [each for each in made.figures if each.name == (name or call)]
    if told.kind == "example":
        return np.asarray(bench(made).output(f"figure/{told.name}", y=outputs, t=targets).mean())
    values = {made.outputs[0].name: outputs, "t": targets}
    return bench(made).whole(told.name, **values)


def classified(call: str, name: str = "") -> Array:
    return figure(call, P, T, label("t", 4), name)


def test_accuracy() -> None:
    assert classified("accuracy") == pytest.approx((SAID == T).mean())


def test_accuracy_of_one_output_compares_with_a_half() -> None:
    found = figure("accuracy", [[0.6], [0.4], [0.9], [0.2]], [1, 1, 0, 0], label("t", 2))
    assert found == pytest.approx(0.5)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k: int) -> None:
    ranked = np.argsort(-P, axis=1)[:, :k]
    expected = (ranked == T[:, None]).any(1).mean()
    assert classified(f"top_k(k={k})", "top_k") == pytest.approx(expected)


def test_confusion_has_the_true_class_in_its_row() -> None:
    expected = np.zeros((4, 4))
    np.add.at(expected, (T, SAID), 1)
    np.testing.assert_array_equal(classified("confusion"), expected)


def test_precision_recall_and_f1_are_means_over_the_classes() -> None:
    table = np.zeros((4, 4))
    np.add.at(table, (T, SAID), 1)
    hits = np.diag(table)
    precision, recall = hits / table.sum(0), hits / table.sum(1)
    assert classified("precision") == pytest.approx(precision.mean())
    assert classified("recall") == pytest.approx(recall.mean())
    assert classified("f1") == pytest.approx((2 * precision * recall / (precision + recall)).mean())


def test_a_class_that_never_occurs_counts_as_zero() -> None:
    found = figure("f1", [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], [0, 1], label("t", 3))
    assert found == pytest.approx(2 / 3)


def test_the_figures_of_one_class() -> None:
    table = np.zeros((4, 4))
    np.add.at(table, (T, SAID), 1)
    for each in range(4):
        hits = table[each, each]
        assert classified(f"precision(class={each})", "precision") == pytest.approx(
            hits / table[:, each].sum()
        )
        assert classified(f"recall(class={each})", "recall") == pytest.approx(hits / table[each].sum())


def test_a_class_that_the_label_has_not() -> None:
    with pytest.raises(DiagnosticError, match="E0310"):
        classified("f1(class=4)", "f1")


def test_a_class_at_each_place_counts_by_itself() -> None:
    """An example with four classes in a row says what four examples say."""
    target = FieldSchema("t", (4,), "label", target=True, classes=tuple("abcd"))
    p, t = P.reshape(10, 4, 4), T.reshape(10, 4)
    for call in ("accuracy", "top_k(k=2)", "precision", "recall", "f1", "confusion", "perplexity"):
        name = call.partition("(")[0]
        found = figure(call, p, t, target, name)
        np.testing.assert_allclose(found, classified(call, name), rtol=1e-12, err_msg=call)


def pairs_in_order(p: Array, yes: NDArray[np.bool_]) -> float:
    """Return how often a yes has more than a no, equals counting half: all pairs, one by one."""
    above = p[yes][:, None] > p[~yes][None]
    equal = p[yes][:, None] == p[~yes][None]
    return float((above + 0.5 * equal).mean())


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    coarse = np.round(P, 1)
    wanted = np.mean([pairs_in_order(coarse[:, each], np.equal(T, each)) for each in range(4)])
    assert figure("auc", coarse, T, label("t", 4)) == pytest.approx(wanted)
    yes = T > 1
    assert figure("auc", coarse[:, :1], yes.astype(int), label("t", 2)) == pytest.approx(
        pairs_in_order(coarse[:, 0], yes)
    )


def test_a_class_that_never_occurs_has_no_curve() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.4, 0.6, 0.0]])
    assert figure("auc", p, [0, 1, 0], label("t", 3)) == pytest.approx((1 + 0.5) / 2)


def test_perplexity_is_the_number_of_classes_that_are_as_likely() -> None:
    assert figure("perplexity", np.full((3, 5), 0.2), [0, 1, 4], label("t", 5)) == pytest.approx(5)


def test_a_probability_of_0_does_not_end_in_no_number() -> None:
    assert np.isfinite(figure("perplexity", [[1.0, 0.0], [0.5, 0.5]], [1, 0], label("t", 2)))


def test_explained_variance_forgives_a_shift() -> None:
    y, t = RANDOM.normal(size=(30, 1)), RANDOM.normal(size=(30, 1))
    found = figure("explained_variance", y + 7, t, number("t", 1, target=True))
    assert found == pytest.approx(1 - (t - y).var() / t.var())


@pytest.mark.parametrize("call", ["r2", "explained_variance"])
def test_targets_that_do_not_vary_leave_nothing_to_explain(call: str) -> None:
    assert figure(call, [[1.0], [2.0]], [[3.0], [3.0]], number("t", 1, target=True)) == 0


def regressed(call: str) -> tuple[Array, Array, Array]:
    y, t = RANDOM.normal(size=(30, 1)), RANDOM.normal(size=(30, 1))
    return figure(call, y, t, number("t", 1, target=True)), y, t


def test_r2() -> None:
    found, y, t = regressed("r2")
    assert found == pytest.approx(1 - ((y - t) ** 2).sum() / ((t - t.mean()) ** 2).sum())


def test_rmse() -> None:
    found, y, t = regressed("rmse")
    assert found == pytest.approx(np.sqrt(((y - t) ** 2).mean()))


def test_absolute_error() -> None:
    found, y, t = regressed("absolute_error")
    assert found == pytest.approx(np.abs(y - t).mean())


def test_the_mean_of_a_three_and_a_nine_is_a_six() -> None:
    """One output for a digit that looks like both: the squared error asks for (3 + 9)/2."""
    guesses = np.linspace(0, 9, 91)
    costs = [((g - np.array([3, 9])) ** 2).mean() for g in guesses]
    assert guesses[int(np.argmin(costs))] == pytest.approx(6)


def test_units_that_fire_for_no_example_are_dead() -> None:
    h = np.array([[0, 1, 0, -1], [0, 0, 2, -2], [0, 3, 0, 0]])
    silent = figure("dead_units(m)", h, np.zeros((3, 4)), number("t", 4, target=True), "dead_units")
    assert silent == 0.5
