"""What is minimized and what is told: losses, penalties, metrics; how labels are read."""

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import FieldSchema, Schema
from tests.semantics.bench import DIGITS, PLAIN, classifier, codes, experiment

Array = NDArray[np.float64]
ROWS = {"train": 64, "valid": 16}
DRAW = np.random.default_rng(5)


def problem(*targets: FieldSchema) -> Schema:
    return Schema("d", (FieldSchema("x", (3,)), *targets), {"train": 64, "valid": 16})


def classes(name: str, *names: str) -> FieldSchema:
    return FieldSchema(name, (), "label", target=True, classes=names)


def number(name: str, *shape: int) -> FieldSchema:
    return FieldSchema(name, shape, target=True)


def training(model: str, loss: str, *more: str) -> str:
    return "\n".join(
        [
            'data d { source = npz("d.npz") }',
            f"model m(x: [3]) {model}",
            "train {",
            "model = m",
            "data = d",
            f"loss = {loss}" if loss else "",
            "optimizer = sgd(0.1)",
            "epochs = 1",
            *more,
            "}",
        ]
    )


def run(made: Experiment, batch: int = 4, **fields: Array) -> dict[str, Array]:
    leaves: dict[tuple[str, str], Array] = {("input", "x"): DRAW.normal(size=(batch, 3))}
    leaves |= {("input", name): each for name, each in fields.items()}
    for each in made.weights:
        leaves["weight", each.path] = evaluate(each.initial, Run(1, 3), ["value"])["value"]
    return dict(evaluate(made.graph, Run(batch, 0, 0, {"training": 0.0, "examples": 64.0}, leaves)))


def test_a_loss_takes_the_only_output_and_the_only_target() -> None:
    made = experiment(
        training("= x -> dense(4) -> softmax", "cross_entropy"), problem(classes("kind", *"abcd"))
    )
    found = run(made, kind=np.array([0, 1, 2, 3]))
    wanted = -np.log(found["output/m"][np.arange(4), np.arange(4)])
    np.testing.assert_allclose(found["loss"], wanted)
    (output,) = made.outputs
    assert (output.name, output.shape, output.field, output.classes) == ("m", (4,), "kind", tuple("abcd"))
    assert (made.inputs, made.targets) == (("x",), ("kind",))


def test_losses_of_several_outputs_name_what_they_compare_and_are_added() -> None:
    model = "{\nh = x -> dense(5) -> tanh\nreturn (kind = h -> dense(3) -> softmax, tilt = h -> dense(1))\n}"
    loss = "cross_entropy(kind, label) + 0.5 * huber(tilt, angle, delta=2.0) - 0.1 * mse(tilt, angle)"
    made = experiment(training(model, loss), problem(classes("label", *"abc"), number("angle")))
    angle = np.array([0.5, -3.0, 4.0, 0.0])
    found = run(made, label=np.array([0, 2, 1, 1]), angle=angle)
    error = np.abs(found["output/tilt"][:, 0] - angle)
    huber = np.where(error <= 2, error**2 / 2, 2 * (error - 1))
    entropy = -np.log(found["output/kind"][np.arange(4), [0, 2, 1, 1]])
    np.testing.assert_allclose(found["loss"], entropy + 0.5 * huber - 0.1 * error**2)
    assert {each.name: each.field for each in made.outputs} == {"kind": "label", "tilt": "angle"}


def test_two_classes_read_as_one_number_against_one_output() -> None:
    made = experiment(
        training("= x -> dense(1) -> sigmoid", "binary_cross_entropy", "metrics = [accuracy, f1]"),
        problem(classes("sick", "no", "yes")),
    )
    sick = np.array([0, 1, 1, 0])
    found = run(made, sick=sick)
    p = found["output/m"][:, 0]
    np.testing.assert_allclose(found["loss"], -np.where(sick, np.log(p), np.log(1 - p)))
    np.testing.assert_allclose(found["figure/accuracy"], (p > 0.5) == sick)
    assert made.outputs[0].classes == ("no", "yes")


def test_two_classes_read_as_one_hot_against_two_outputs() -> None:
    made = experiment(
        training("= x -> dense(2) -> softmax", "cross_entropy"), problem(classes("sick", "no", "yes"))
    )
    sick = np.array([0, 1, 1, 0])
    found = run(made, sick=sick)
    np.testing.assert_allclose(found["loss"], -np.log(found["output/m"][np.arange(4), sick]))


def test_a_digit_can_be_guessed_as_a_number() -> None:
    made = experiment(training("= x -> dense(1)", "mse"), problem(classes("digit", "3", "5", "9")))
    found = run(made, digit=np.array([0, 1, 2, 2]))
    np.testing.assert_allclose(found["loss"], (found["output/m"][:, 0] - [3, 5, 9, 9]) ** 2)


def test_a_category_reads_as_one_hot() -> None:
    schema = Schema(
        "d", (FieldSchema("x", (), "category", classes=("a", "b", "c")), number("y")), {"train": 64}
    )
    made = experiment(training("= x -> dense(2) -> dense(1)", "mse"), schema)
    assert made.graph[made.graph.leaves("input")["x"]].dtype == "int"
    assert made.weights[0].shape == (3, 2)


def test_penalties_are_summed_over_weights_and_not_over_offsets_and_gains() -> None:
    model = "= x -> dense(4, bias=yes) as stem -> batchnorm -> dense(2) -> softmax"
    schema = problem(classes("kind", "a", "b"))
    for loss, parts in (
        ("cross_entropy + 0.5 * l2(weights)", ("stem", "dense_2")),
        ("cross_entropy + 0.5 * l2(weights(stem))", ("stem",)),
        ("cross_entropy + 0.25 * l2(weights) + 0.25 * l2(weights)", ("stem", "dense_2")),
        ("cross_entropy + 16/(2*batch_size/2) * l2(weights(stem, dense_2))", ("stem", "dense_2")),
        ("cross_entropy + 32/examples * l2(weights)", ("stem", "dense_2")),
    ):
        made = experiment(training(model, loss), schema)
        starts = {each.path: evaluate(each.initial, Run(1, 3), ["value"])["value"] for each in made.weights}
        wanted = 0.5 * sum(float((starts[f"m/{part}/w"] ** 2).sum()) for part in parts)
        leaves: dict[tuple[str, str], Array] = {("weight", name): each for name, each in starts.items()}
        leaves |= {("state", name): each for name, each in starts.items()}
        scalars = {"examples": 64.0, "training": 0.0}
        found = evaluate(made.graph, Run(1, scalars=scalars, leaves=leaves), ["penalty"])["penalty"]
        np.testing.assert_allclose(found, wanted)


def test_a_formula_can_stand_for_a_loss() -> None:
    made = experiment(training("= x -> dense(2)", "sum((m - y)^2) / 2"), problem(number("y", 2)))
    y = DRAW.normal(size=(4, 2))
    found = run(made, y=y)
    np.testing.assert_allclose(found["loss"], ((found["output/m"] - y) ** 2).sum(1) / 2)
    assert made.outputs[0].field == "y"


def test_metrics_of_an_example_and_of_a_whole_part() -> None:
    text = classifier(
        PLAIN, metrics="(right = accuracy, table = confusion, cost = mse, score = f1(mlp, label))"
    )
    made = experiment(text)
    assert [(each.name, each.kind, each.better, each.shape) for each in made.figures] == [
        ("right", "example", "higher", ()),
        ("table", "whole", "neither", (10, 10)),
        ("cost", "example", "lower", ()),
        ("score", "whole", "higher", ()),
    ]
    assert made.whole is not None
    assert set(made.whole.outputs) == {"figure/table", "figure/score"}
    assert set(made.whole.leaves("input")) == {"mlp", "label"}


def test_a_metric_says_which_way_it_gets_better() -> None:
    before = "metric wrong(p, t; better = lower in [lower, higher]) = argmax(p) != argmax(t)"
    made = experiment(classifier(PLAIN, before=before, metrics="wrong"))
    assert made.figures[0].better == "lower"


def test_metrics_use_losses_and_each_other() -> None:
    before = """
metric root(p, t) = sqrt(mean(mse(p, t), over=examples))
metric wrong(p, t) = 1 - accuracy(p, t)
"""
    made = experiment(classifier(PLAIN, before=before, metrics="[root, wrong]"))
    assert [(each.name, each.kind) for each in made.figures] == [("root", "whole"), ("wrong", "example")]


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        ("accuracy", "E0607"),
        ("relu", "E0607"),
        ("l1", "E0607"),
        ("l1(weights)", "E0607"),
        ("cross_entropy * cross_entropy + l1(weights) * l1(weights)", "E0607"),
        ("cross_entropy + l1(weights(heads))", "E0608"),
        ("cross_entropy(mlp)", "E0202"),
        ("cross_entropy(mlp, image)", "E0306"),
        ("cross_entropy(mlp, labels)", "E0101"),
        ("huber(0.5)", "E0204"),
        ("huber(mlp, label, 0.5)", "E0204"),
        ("mlp", "E0307"),
    ],
)
def test_a_mistake_in_the_loss_is_told_and_only_that(loss: str, code: str) -> None:
    assert codes(classifier(PLAIN, loss=loss)) == [code]


def test_what_is_compared_must_be_named_where_it_is_not_clear() -> None:
    two = problem(number("a"), number("b"))
    assert codes(training("= x -> dense(1)", "mse"), two) == ["E0607"]
    assert codes(training("= x -> dense(1)", "mse(m, a)"), two) == []
    pair = "{\nreturn (p = x -> dense(1), q = x -> dense(1))\n}"
    assert codes(training(pair, "mse"), problem(number("a"))) == ["E0607"]


def test_prediction_and_target_never_broadcast() -> None:
    assert codes(training("= x -> dense(3)", "mse"), problem(number("y"))) == ["E0306"]
    assert codes(training("= x -> dense(1)", "mse"), problem(number("y"))) == []
    assert codes(training("= x -> dense(1)", "mse"), problem(number("y", 3))) == ["E0306"]


def test_a_network_on_one_number_cannot_tell_named_classes_apart() -> None:
    assert codes(training("= x -> dense(1)", "mse"), problem(classes("kind", *"abc"))) == ["E0306"]


@pytest.mark.parametrize(
    ("metrics", "code"),
    [
        ("[accuracy, accuracy]", "E0606"),
        ("relu", "E0606"),
        ("(loss = mse)", "E0606"),
        ("l1", "E0606"),
        ("[argmax(mlp)]", "E0606"),
        ("mine", "E0307"),
        ("mixed", "E0307"),
    ],
)
def test_a_mistake_in_a_metric_is_told(metrics: str, code: str) -> None:
    before = """
metric mine(p, t) = p - t
metric mixed(p, t) = sum(p) - mean(sum(t), over=examples)
"""
    assert codes(classifier(PLAIN, before=before, metrics=metrics), DIGITS) == [code]
