"""What a train block says besides the graph."""

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.semantics.experiment import EarlyStop, TargetStop, TimeStop
from tests.semantics.bench import PLAIN, classifier, codes, experiment

RAVINE = """
model ravine() {
    w = weight([2], constant([-1.5, 2]))
    return w[0]^2 + 20 * w[1]^2
}
train {
    model     = ravine
    optimizer = momentum(0.01)
    steps     = 100
}
"""


def test_what_is_not_said_has_a_default() -> None:
    plan = experiment(classifier(PLAIN)).training
    assert (plan.name, plan.batch, plan.length, plan.measure, plan.seed) == ("train", 32, 3, "epochs", 1)
    assert plan.stops == ()
    assert plan.start is None
    assert plan.precision == "float32"


def test_every_field_is_read() -> None:
    made = experiment(
        classifier(
            PLAIN,
            batch="all",
            epochs="",
            steps="500",
            seed="7",
            start='"earlier.safetensors"',
            clip="norm(1.0)",
            precision="bf16",
            metrics="[accuracy]",
            stop="[early(valid.loss, patience=10 epochs, change=0.1, restore=last), "
            "target(valid.accuracy, 99%), time(2 h)]",
        )
    )
    plan = made.training
    assert (plan.batch, plan.length, plan.measure, plan.seed) == (None, 500, "steps", 7)
    assert plan.start == "earlier.safetensors"
    assert plan.precision == "bf16"
    assert plan.precision_span is not None
    assert plan.precision_span.text == "bf16"
    assert (made.clip, made.clip_at) == ("norm", 1.0)
    early, target, time = plan.stops
    assert isinstance(early, EarlyStop)
    assert (early.part, early.figure, early.patience) == ("valid", "loss", 10)
    assert (early.minimum_change, early.restore) == (0.1, "last")
    assert isinstance(target, TargetStop)
    assert (target.figure, target.value) == ("accuracy", 0.99)
    assert time == TimeStop(7200.0, time.span)


def test_the_only_model_and_the_only_data_need_not_be_named() -> None:
    assert experiment(classifier(PLAIN, model="", data="")).model == "mlp"


def test_precision_may_be_a_param_and_come_from_the_command_line() -> None:
    text = classifier(
        PLAIN, before="param arithmetic = tf32 in [float32, tf32, bf16]", precision="arithmetic"
    )
    assert experiment(text).training.precision == "tf32"
    assert experiment(text, overrides={"arithmetic": "bf16"}).training.precision == "bf16"
    assert experiment(classifier(PLAIN), overrides={"train.precision": "bf16"}).training.precision == "bf16"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"batch": "0"}, "E0206"),
        ({"batch": "2.5"}, "E0205"),
        ({"batch": "some"}, "E0101"),
        ({"epochs": ""}, "E0603"),
        ({"epochs": "0"}, "E0206"),
        ({"steps": "100"}, "E0604"),
        ({"seed": "-1"}, "E0206"),
        ({"start": "3"}, "E0205"),
        ({"clip": "norm(-1)"}, "E0205"),
        ({"clip": "3"}, "E0605"),
        ({"precision": "bfloat16"}, "E0206"),
        ({"precision": "16"}, "E0205"),
        ({"precision": "mlp"}, "E0205"),
        ({"mixed_precision": "bf16"}, "E0602"),
        ({"clip": "nrm(1)"}, "E0101"),
        ({"freeze": "[heads]"}, "E0608"),
        ({"freeze": "3"}, "E0608"),
        ({"model": "mlpp"}, "E0604"),
        ({"model": "relu"}, "E0105"),
        ({"data": "digit"}, "E0604"),
        ({"loss": ""}, "E0603"),
        ({"optimizer": ""}, "E0603"),
        ({"optimizer": "relu"}, "E0609"),
        ({"stop": "early(valid.loss)"}, "E0202"),
        ({"stop": "early(valid.loss, patience=3 steps)"}, "E0207"),
        ({"stop": "early(loss, patience=3 epochs)"}, "E0605"),
        ({"stop": "early(valid.accuracy, patience=3 epochs)"}, "E0605"),
        ({"stop": "early(valid.loss, patience=3 epochs, restore=first)"}, "E0206"),
        ({"stop": "time(3 epochs)"}, "E0207"),
        ({"stop": "target(valid.confusion, 3)", "metrics": "confusion"}, "E0605"),
        ({"augment": "[shift(2 px)]"}, "E0190"),
        ({"epoch": "3"}, "E0602"),
    ],
)
def test_a_mistake_in_a_field_is_told_and_only_that(fields: dict[str, str], code: str) -> None:
    assert codes(classifier(PLAIN, **fields)) == [code]


def test_the_train_block_to_run_is_named_where_there_are_several() -> None:
    text = RAVINE.replace("train {", "train slow {") + RAVINE[RAVINE.index("train {") :].replace(
        "train {", "train fast {"
    )
    assert experiment(text, None, train="fast").name == "fast"
    for name in (None, "medium"):
        with pytest.raises(DiagnosticError, match="E0601"):
            experiment(text, None, train=name)


def test_a_model_without_inputs_is_a_function_to_minimize() -> None:
    made = experiment(RAVINE, None)
    assert made.inputs == made.targets == ()
    assert made.graph[made.graph.outputs["loss"]].shape == ()
    assert (made.training.length, made.training.measure) == (100, "steps")
    assert made.schema is None
    assert made.data is None


def test_a_model_without_inputs_has_steps_and_no_epochs() -> None:
    assert codes(RAVINE.replace("steps     = 100", "epochs = 3"), None) == ["E0604"]
    assert codes(RAVINE.replace("steps     = 100\n", ""), None) == ["E0603"]


def test_a_model_with_inputs_needs_data() -> None:
    assert codes(RAVINE.replace("ravine()", "ravine(x: [3])"), None) == ["E0603"]


def test_search_and_evaluate_may_stand_in_a_file_that_is_trained() -> None:
    blocks = """
search random(trials=30) {
    over     = [train.batch]
    maximize = valid.accuracy
}
evaluate kfold(5) { metrics = [accuracy] }
"""
    assert codes(classifier(PLAIN) + blocks) == []
    assert codes(classifier(PLAIN) + blocks.replace("maximize", "maximise")) == ["E0602"]


def test_frozen_weights_have_no_rule_and_their_averages_stand_still() -> None:
    body = "    return image -> flatten -> dense(12) as stem -> batchnorm as norm -> dense(10) -> softmax"
    made = experiment(classifier(body, freeze="[stem, norm]"))
    frozen = {each.path for each in made.weights if each.frozen}
    assert frozen == {
        "mlp/stem/w",
        "mlp/stem/b",
        "mlp/norm/gamma",
        "mlp/norm/beta",
        "mlp/norm/mu",
        "mlp/norm/var",
    }
    assert set(made.rules) == {"mlp/dense_2/w", "mlp/dense_2/b"}
    assert made.graph.updates == {}
    assert set(experiment(classifier(body)).graph.updates) == {"mlp/norm/mu", "mlp/norm/var"}
