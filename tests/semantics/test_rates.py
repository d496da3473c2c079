"""Settings of an optimizer that differ by part."""

from math import cos, pi

import pytest

from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate_updates
from netdsl.semantics.experiment import Experiment
from tests.semantics.bench import classifier, experiment, told
from tests.semantics.test_rules import moved, rate, steps

BLOCK = "param lr = 0.2\nlayer two(x) = x -> dense(4) -> relu -> dense(5)"
BODY = """
    h = image -> flatten -> dense(12) as stem -> relu -> two as middle -> relu
    return h -> dense(10) as head -> softmax
"""


def text(optimizer: str, **fields: str) -> str:
    return classifier(BODY, before=BLOCK, optimizer=optimizer, **fields)


def rates(optimizer: str, overrides: dict[str, str] | None = None, **fields: str) -> dict[str, float]:
    """Return the rate of each matrix."""
    found = experiment(text(optimizer, **fields), overrides=overrides)
    return {path.removesuffix("/w"): -each for path, each in steps(found).items() if path.endswith("/w")}


def by(stem: float, first: float, second: float, head: float) -> object:
    return pytest.approx({"stem": stem, "middle/dense_1": first, "middle/dense_2": second, "head": head})


def test_the_rest_is_not_needed_where_all_is_said() -> None:
    assert rates("sgd(lr=(stem=0.1 * lr, middle=3, head=lr))") == by(0.02, 3, 3, 0.2)


def test_the_whole_model_is_a_part() -> None:
    assert rates("sgd(lr=(mlp=0.3))") == by(0.3, 0.3, 0.3, 0.3)


def test_a_part_may_be_cut_further() -> None:
    assert rates("sgd(lr=(middle=(dense_1=2, rest=3), rest=1))") == by(1, 2, 3, 1)
    assert rates(
        "sgd(lr=(mlp=(middle=(dense_2=2), rest=3)))".replace("(dense_2=2)", "(dense_2=2, rest=4)")
    ) == by(3, 4, 2, 3)


def test_a_schedule_in_a_part() -> None:
    found = experiment(text("sgd(lr=(stem=cosine(0.4), rest=lr))"))
    assert steps(found, step=30.0)["stem/w"] == pytest.approx(-0.2 * (1 + cos(pi * 0.3)))
    assert steps(found, step=30.0)["head/w"] == pytest.approx(-0.2)
    assert rate(found, step=30.0) == pytest.approx(0.2)


def test_any_setting_may_differ() -> None:
    found = experiment(text("momentum(1, mu=(head=0, rest=0.5))"))
    assert dict(found.rules["mlp/head/w"].states) == {"v": 0.0}
    assert after_two_steps(found, "mlp/head/w") == pytest.approx(-2)
    assert after_two_steps(found, "mlp/stem/w") == pytest.approx(-2.5)


def after_two_steps(found: Experiment, path: str) -> float:
    """Return how far momentum moves a weight in two steps along a gradient of 1."""
    import numpy as np

    rule = found.rules[path].graph
    shape = rule[rule.updates["w"]].shape
    w, v = np.zeros(shape), np.zeros(shape)
    for step in range(2):
        leaves = {("weight", "w"): w, ("input", "g"): np.ones(shape), ("state", "v"): v}
        new = evaluate_updates(rule, Run(1, 0, step, {"t": step + 1.0}, leaves))
        w, v = new["w"], new["v"]
    return float(w.flat[0])


def test_the_rate_that_is_told_is_that_of_the_rest_or_of_the_last_part() -> None:
    assert rate(experiment(text("sgd(lr=(stem=0.1, rest=lr))"))) == pytest.approx(0.2)
    assert rate(experiment(text("sgd(lr=(stem=0.1, middle=0.3, head=0.4))"))) == pytest.approx(0.4)


def test_parts_are_set_from_the_command_line() -> None:
    parts = "sgd(lr=(stem=0.1, rest=lr))"
    assert rates(parts, {"lr": "0.5"}) == by(0.1, 0.5, 0.5, 0.5)
    assert rates(parts, {"train.optimizer.lr": "0.7"}) == by(0.7, 0.7, 0.7, 0.7)
    assert rates(parts, {"train.optimizer.lr.stem": "0.7"}) == by(0.7, 0.2, 0.2, 0.2)
    assert rates(parts, {"train.optimizer.lr.head": "0.7"}) == by(0.1, 0.2, 0.2, 0.7)
    assert rates(parts, {"train.optimizer.lr": "(head=1, rest=0)"}) == by(0, 0, 0, 1)
    assert rates("sgd(lr)", {"train.optimizer.lr": "(head=1, rest=0)"}) == by(0, 0, 0, 1)


def test_parts_of_a_param() -> None:
    before = BLOCK.replace("param lr = 0.2", "param lr = (stem=0.5, rest=1)")
    found = experiment(classifier(BODY, before=before, optimizer="sgd(lr)"))
    assert steps(found)["stem/w"] == pytest.approx(-0.5)


def test_weights_that_are_frozen_need_no_rate() -> None:
    found = experiment(text("sgd(lr=(middle=1, head=2))", freeze="[stem]"))
    assert set(found.rules) == {
        f"mlp/{part}/{each}" for part in ("middle/dense_1", "middle/dense_2", "head") for each in "wb"
    }
    shape = next(each.shape for each in found.weights if each.path == "mlp/head/w")
    assert moved(found.rules["mlp/head/w"].graph, shape) == pytest.approx(-2)


@pytest.mark.parametrize(
    ("optimizer", "code", "words", "help"),
    [
        ("sgd(lr=(stam=0.1, rest=1))", "E0608", "no part `stam`", "did you mean `stem`?"),
        ("sgd(lr=(stem=0.1, rset=1))", "E0608", "no part `rset`", "did you mean `rest`?"),
        (
            "sgd(lr=(middle=(dense_3=1, rest=1), rest=1))", "E0608", "`middle/dense_3`",
            "did you mean `middle/dense_1`?",
        ),
        ("sgd(lr=(stem=0.1, head=0.2))", "E0608", "nothing for `mlp/middle/dense_1/w`", "add `rest=…`"),
        ("sgd(lr=(stem=1, middle=(dense_1=1), rest=2))", "E0608", "`mlp/middle/dense_2/w`", "add `rest=…`"),
        ("sgd(lr=(stem=0.1, stem=0.2, rest=1))", "E0203", "`stem` is given twice", ""),
        ("sgd(lr=(stem=0.1, mlp=0.2))", "E0612", "in `stem` and in `mlp`", "write `(stem=…, rest=…)`"),
        ("sgd(lr=(mlp=0.1, head=0.2))", "E0612", "in `mlp` and in `head`", "write `(head=…, rest=…)`"),
        ("sgd(lr=(stem=-1, rest=1))", "E0206", "-1 for `stem`", ""),
        ("sgd(lr=(stem=2 epochs, rest=1))", "E0205", "", ""),
        ("sgd(lr=(stem=relu, rest=1))", "E0205", "", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_cure(optimizer: str, code: str, words: str, help: str) -> None:
    (found,) = told(text(optimizer))
    assert found.code == code
    assert words in found.message
    assert help in (found.help or "")


def test_both_places_are_shown() -> None:
    (found,) = told(text("sgd(lr=(stem=0.1, mlp=0.2))"))
    assert found.primary is not None
    assert found.primary.span.text == "mlp"
    assert [each.span.text for each in found.secondary] == ["stem"]
