"""Settings and params: the type that default and domain give, what fits, what the command line says."""

import pytest

from netdsl.semantics import resolved_text
from tests.semantics.bench import DIGITS, PLAIN, classifier, codes, experiment, files_of, told

LAYERS = """
layer scaled(x; by = 2) = by * x
layer counted(x; n = 2 in 1 .. 8) = x -> repeat n { tanh }
layer flagged(x; on = yes) = if on then x else 0 * x
layer sized(x; sides = 3x3) = x -> reshape([8, 8]) -> flatten
layer listed(x; sizes = [1, 2]) = x -> repeat k in sizes { scaled(k) }
layer worded(x; pad = same in [same, valid, 0 .. 1k]) = if pad == same then x else 2 * x
layer acting(x; act = relu) = x -> act
layer needing(x; k) = k * x
layer named(x; kind = one in [one, two]) = if kind == two then x else 2 * x
layer chained(x; a = 2, b = a + 1) = b * x
"""


def chain(stage: str) -> str:
    return classifier(PLAIN.replace("flatten ->", f"flatten -> {stage} ->"), before=LAYERS)


@pytest.mark.parametrize(
    "stage",
    [
        "scaled",
        "scaled(3)",
        "scaled(0.5)",
        "scaled(by=3)",
        "counted(3)",
        "counted(n=8)",
        "counted(4/2)",
        "flagged(no)",
        "sized(3)",
        "sized(5x5)",
        "listed([3])",
        "listed(sizes=[])",
        "worded(valid)",
        "worded(pad=same)",
        "worded(3)",
        "acting(tanh)",
        "acting(sigmoid)",
        "acting(leaky_relu(0.1))",
        "acting(act=leaky_relu(slope=0.1))",
        "needing(2)",
        "named(two)",
        "chained(5)",
        "chained(b=1)",
    ],
)
def test_a_value_of_the_type_is_taken(stage: str) -> None:
    assert codes(chain(stage)) == []


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ("scaled(yes)", "E0205"),
        ("scaled(relu)", "E0205"),
        ("scaled(by=2 epochs)", "E0205"),
        ("scaled(1, 2)", "E0204"),
        ("scaled(1, by=2)", "E0203"),
        ("scaled(times=2)", "E0201"),
        ("counted(2.5)", "E0205"),
        ("counted(9)", "E0206"),
        ("flagged(1)", "E0205"),
        ("sized(2.5)", "E0205"),
        ("listed(3)", "E0205"),
        ("listed([0.5])", "E0205"),
        ("worded(vallid)", "E0206"),
        ("worded(2k)", "E0206"),
        ("acting(mse)", "E0205"),
        ("acting(3)", "E0205"),
        ("acting(dense)", "E0202"),
        ("needing", "E0202"),
        ("named(three)", "E0206"),
        ("xavier", "E0105"),
        ("mse", "E0105"),
    ],
)
def test_a_value_of_another_type_is_told(stage: str, code: str) -> None:
    assert codes(chain(stage)) == [code]


def test_an_initializer_stands_for_itself_or_takes_settings() -> None:
    for init in (
        "he",
        "normal(0.1)",
        "normal(std=0.1)",
        "uniform(-0.1, 0.1)",
        "gaussian(0, 0.1)",
        "orthogonal",
    ):
        assert codes(classifier(PLAIN.replace("10", f"10, init={init}"))) == []
    for init in ("relu", "tanh", "3x3", "adam"):
        assert codes(classifier(PLAIN.replace("10", f"10, init={init}"))) == ["E0205"]


# ---- params -------------------------------------------------------------------------------------

PARAMS = """
param lr    = 0.01 in 1e-4 .. 1e-1 log
param depth = 2 in 1 .. 5
param rates = [0.1, 0.2]
param act   = relu in [relu, tanh]
param fast  = no
param twice = 2 * depth
"""
DEEP = """
    h = image -> flatten -> repeat depth { dense(20) -> act } -> repeat r in rates { dropout(r) }
    return (if fast then h else h -> repeat twice { tanh }) -> dense(10) -> softmax
"""
FULL = classifier(DEEP, before=PARAMS, optimizer="adam(lr)")


def test_params_stand_for_their_values() -> None:
    made = experiment(FULL)
    assert [each.path for each in made.weights if each.kind == "weight"] == [
        "mlp/dense_1/w",
        "mlp/dense_2/w",
        "mlp/dense_3/w",
    ]
    assert {each.name: each.value for each in made.resolved}["twice"] == "2 * depth"


def test_the_command_line_overrides_params_and_fields() -> None:
    overrides = {
        "depth": "1",
        "lr": "0.02",
        "act": "tanh",
        "rates": "[0.5]",
        "fast": "yes",
        "train.batch": "all",
        "train.epochs": "7",
        "train.seed": "3",
        "train.optimizer.beta1": "0.8",
        "train.optimizer.lr": "0.05",
    }
    made = experiment(FULL, overrides=overrides)
    assert len([each for each in made.weights if each.kind == "weight"]) == 2
    assert made.training.batch is None
    assert (made.training.length, made.training.seed) == (7, 3)
    assert {each.name for each in made.resolved if each.overridden} == set(overrides)
    again = experiment(resolved_text(files_of(FULL), overrides))
    assert again.graph.outputs == made.graph.outputs
    assert (again.training.length, again.training.batch, again.training.seed) == (7, None, 3)
    assert again.optimizer == "adam(0.05, beta1=0.8)"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("lr", "0.5", "E0206"),
        ("lr", "yes", "E0205"),
        ("lr", "relu", "E0205"),
        ("lr", "", "E0213"),
        ("lr", "0.1 in 0 .. 1", "E0213"),
        ("lr", "0.1\nparam x = 1", "E0213"),
        ("act", "sigmoid", "E0206"),
        ("depth", "2.5", "E0205"),
        ("rates", "0.3", "E0205"),
        ("rate", "0.3", "E0210"),
        ("train.epoch", "3", "E0210"),
        ("train.epochs", "0", "E0206"),
        ("train.epochs", "many", "E0101"),
        ("tain.epochs", "3", "E0210"),
        ("train.loss.delta", "3", "E0201"),
        ("train.epochs.more", "3", "E0210"),
    ],
)
def test_an_override_is_checked_as_if_it_stood_in_the_file(name: str, value: str, code: str) -> None:
    assert codes(FULL, DIGITS, {name: value}) == [code]


def test_an_override_that_does_not_fit_is_shown_as_it_was_given() -> None:
    (message,) = told(FULL, DIGITS, {"lr": "0.5"})
    assert message.primary is not None
    assert message.primary.span.source.name == "command line"
    assert message.primary.span.text == "0.5"


def test_a_block_is_overridden_by_its_name_where_there_are_several() -> None:
    text = FULL.replace("train {", "train first {") + FULL[FULL.index("train {") :].replace(
        "train {", "train second {"
    )
    assert experiment(text, overrides={"second.epochs": "9"}, train="second").training.length == 9
    assert experiment(text, overrides={"second.epochs": "9"}, train="first").training.length == 3
    with pytest.raises(Exception, match="E0210"):
        experiment(text, overrides={"train.epochs": "9"}, train="first")


def test_a_domain_that_says_nothing_is_told() -> None:
    for domain in ("3 .. 1", "7"):
        assert codes(classifier(PLAIN, before=f"param a = 2 in {domain}", batch="a")) == ["E0212"]


def test_a_log_scale_starts_above_zero() -> None:
    assert codes(classifier(PLAIN, before="param a = 1 in 0 .. 3 log", batch="a")) == ["E0212"]
    assert codes(classifier(PLAIN, before="param a = 1 in 1 .. 3 logg", batch="a")) == ["E0212"]
