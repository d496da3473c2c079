"""Optimizers and schedules: the rule of each weight, rates by part, schedules with and without memory."""

from collections.abc import Mapping
from math import cos, pi

import numpy as np
import pytest

from netdsl.graph import Graph, Run
from netdsl.graph.evaluate import evaluate, evaluate_updates
from netdsl.semantics.experiment import Experiment
from tests.semantics.bench import classifier, codes, experiment

BODY = """
    h = image -> flatten -> dense(12) as stem -> relu -> dense(12) as middle -> relu
    return h -> dense(10) as head -> softmax
"""
CLOCK = {"step": 0.0, "t": 1.0, "epoch": 0.0, "steps": 100.0, "epochs": 10.0, "examples": 1000.0}


def made(optimizer: str, before: str = "", **fields: str) -> Experiment:
    return experiment(classifier(BODY, before=before, optimizer=optimizer, **fields))


def moved(rule: Graph, shape: tuple[int, ...], **clock: float) -> float:
    """Return by how much a rule moves a weight of ones whose gradient is all ones, at one element."""
    leaves = {("weight", "w"): np.ones(shape), ("input", "g"): np.ones(shape)}
    leaves |= {("state", name): np.zeros(shape) for name in rule.leaves("state")}
    run = Run(1, 0, 0, {**CLOCK, **clock}, leaves)
    change = evaluate_updates(rule, run)["w"] - 1.0
    assert np.ptp(change) == 0
    return float(change.flat[0])


def steps(found: Experiment, **clock: float) -> Mapping[str, float]:
    shapes = {each.path: each.shape for each in found.weights}
    return {
        path.removeprefix("mlp/"): moved(rule.graph, shapes[path], **clock)
        for path, rule in found.rules.items()
    }


def rate(found: Experiment, **clock: float) -> float:
    assert found.rate is not None
    return float(evaluate(found.rate, Run(1, 0, 0, {**CLOCK, **clock}), ["value"])["value"])


def test_each_trained_weight_has_a_rule_and_equal_ones_share_it() -> None:
    found = made("momentum(0.1)")
    assert set(steps(found)) == {f"{part}/{each}" for part in ("stem", "middle", "head") for each in "wb"}
    assert found.rules["mlp/stem/b"] is found.rules["mlp/middle/b"]
    assert dict(found.rules["mlp/stem/w"].states) == {"v": 0.0}
    assert set(found.rules["mlp/stem/w"].graph.updates) == {"w", "v"}


def test_a_setting_may_differ_by_part() -> None:
    found = made("sgd(lr=(stem=0.1 * lr, head=fixed(0.5), rest=lr))", "param lr = 0.2")
    assert steps(found) == pytest.approx(
        {
            "stem/w": -0.02,
            "stem/b": -0.02,
            "middle/w": -0.2,
            "middle/b": -0.2,
            "head/w": -0.5,
            "head/b": -0.5,
        }
    )
    assert rate(found) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("optimizer", "code"),
    [
        ("sgd(lr=(stam=0.1, rest=1))", "E0608"),
        ("sgd(lr=(stem=0.1, head=0.2))", "E0608"),
        ("sgd(lr=2 epochs)", "E0205"),
        ("sgd(lr=cosine)", "E0202"),
        ("sgd(lr=now)", "E0207"),
        ("sgd(lr=[1, 2])", "E0205"),
        ("sgd(lr=mse)", "E0205"),
        ("sgd(rate=1)", "E0201"),
        ("0.1 * sgd", "E0211"),
        ("cosine(0.1)", "E0609"),
        ("step_decay(0.1)", "E0609"),
    ],
)
def test_a_mistake_in_an_optimizer_is_told_once(optimizer: str, code: str) -> None:
    assert codes(classifier(BODY, optimizer=optimizer)) == [code]


def test_schedules_are_scalars_of_the_graph() -> None:
    found = made("sgd(lr=0.5 * cosine(0.2) + 0.01)")
    wanted = 0.5 * 0.2 * (1 + cos(pi * 0.3)) / 2 + 0.01
    assert rate(found, step=30.0) == pytest.approx(wanted)
    assert steps(found, step=30.0)["head/w"] == pytest.approx(-wanted)


def test_now_is_the_epoch_or_the_step_by_the_unit_it_meets() -> None:
    by_epoch = made("sgd(step_decay(0.8, every=2 epochs))")
    by_step = made("sgd(step_decay(0.8, every=20 steps))")
    assert rate(by_epoch, epoch=5.0, step=999.0) == pytest.approx(0.2)
    assert rate(by_step, epoch=999.0, step=50.0) == pytest.approx(0.2)


def test_a_unit_must_be_clear() -> None:
    before = "schedule mine(base; every = 3) = base * now / every"
    assert codes(classifier(BODY, before=before, optimizer="sgd(mine(0.1))")) == ["E0207"]
    both = "schedule mine(base) = base * (now / 3 epochs + now / 5 steps) * (2 steps + 1 epochs)"
    assert codes(classifier(BODY, before=both, optimizer="sgd(mine(0.1))")) == ["E0207"]


def test_schedules_nest_and_may_be_params() -> None:
    before = "param top = 0.4\nschedule rising(base; over = 5 epochs) = base * min(1, (now + 1) / over)"
    found = made("sgd(lr=rising(top, over=10 steps))", before)
    assert rate(found, step=4.0) == pytest.approx(0.4 * 0.5)
    nested = made("sgd(lr=rising(cosine(top), over=10 steps))", before)
    assert rate(nested, step=4.0) == pytest.approx(0.2 * (1 + cos(pi * 0.04)) / 2)
    param = made("sgd(rule)", "param rule = cosine(0.4)")
    assert rate(param, step=50.0) == pytest.approx(0.2)


def test_a_schedule_with_memory_is_worked_out_at_the_end_of_an_epoch() -> None:
    found = made("sgd(lr=(head=plateau(0.4, factor=0.5, patience=1), rest=0.1))")
    (state,) = found.schedules
    assert (state.name, state.start) == ("plateau", 0.4)
    states, values = dict(state.states), []
    for loss in (1.0, 0.5, 0.6, 0.7, 0.8, 0.4):
        known = {**states, "valid.loss": loss, **CLOCK}
        run = Run(1, scalars=known)
        values.append(float(evaluate(state.graph, run, ["value"])["value"]))
        states = {name: float(each) for name, each in evaluate_updates(state.graph, run).items()}
    assert values == pytest.approx([0.4, 0.4, 0.4, 0.2, 0.2, 0.2])
    assert steps(found, plateau=0.3)["head/w"] == pytest.approx(-0.3)
    assert steps(found, plateau=0.3)["stem/w"] == pytest.approx(-0.1)


def test_a_schedule_in_a_schedule_with_memory() -> None:
    found = made("sgd(plateau(cosine(0.4)))")
    (state,) = found.schedules
    assert state.start == pytest.approx(0.4)
    known = {**state.states, "valid.loss": 1.0, **CLOCK, "step": 50.0}
    assert evaluate(state.graph, Run(1, scalars=known), ["value"])["value"] == pytest.approx(0.2)


def test_two_schedules_with_memory_have_their_own_names() -> None:
    found = made("sgd(lr=(head=plateau(0.4), stem=plateau(0.2), rest=0.1))")
    assert [each.name for each in found.schedules] == ["plateau", "plateau_2"]


def test_a_figure_that_a_schedule_asks_for_must_be_there() -> None:
    before = "schedule follow(base) {\nstate s = 1\ns := s * logged(valid.acuracy)\nreturn base * s\n}"
    text = classifier(BODY, before=before, optimizer="sgd(follow(0.1))", metrics="accuracy")
    assert codes(text) == ["E0605"]


def test_an_optimizer_of_ones_own_sees_the_weight_the_gradient_and_the_step() -> None:
    before = """
optimizer mine(weight_value, slope; lr = 0.1, k = 2.0) {
    state count = 3
    count := count + 1
    half = slope / k
    weight_value := weight_value - lr * half * t - 0 * count
}
optimizer bare(; lr = 0.5) { w := w - lr * g }
"""
    found = made("mine(0.1)", before)
    assert dict(found.rules["mlp/head/w"].states) == {"count": 3.0}
    assert steps(found, t=4.0)["head/w"] == pytest.approx(-0.1 * 0.5 * 4)
    assert steps(made("bare", before))["head/w"] == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("optimizer", "code"),
    [
        ("optimizer mine(w) { w := w }", "E0609"),
        ("optimizer mine(w, g) { state v = 0\n v := g }", "E0609"),
        ("optimizer mine(w, g) { v := g\n w := w - v }", "E0101"),
        ("optimizer mine(w, g) { g := w\n w := w - g }", "E0110"),
        ("optimizer mine(w, g) { state v = g\n w := w - v }", "E0209"),
        ("optimizer mine(w, g) { w := sum(g, over=0) @ g }", "E0302"),
        ("optimizer mine(w, g) { w := w - fan_in * g }", "E0111"),
        ("layer mine(x) { state v = 0\n return x }", "E0111"),
    ],
)
def test_a_mistake_in_an_optimizer_of_ones_own_is_told(optimizer: str, code: str) -> None:
    body = BODY.replace("-> softmax", "-> mine -> softmax") if optimizer.startswith("layer") else BODY
    name = "adam" if optimizer.startswith("layer") else "mine"
    assert code in codes(classifier(body, before=optimizer, optimizer=name))
