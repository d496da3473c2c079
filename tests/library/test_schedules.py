"""Schedules against their formulas."""

import math

import numpy as np
import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate, evaluate_updates
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import FieldSchema
from tests.library.bench import experiment, number

STEPS, EPOCHS = 100, 20


def with_rate(call: str) -> Experiment:
    return experiment(f"""
model m() {{
    w = weight([1], zeros)
    return sum(w^2)
}}
train {{
    model = m
    loss = m
    optimizer = sgd({call})
    steps = {STEPS}
}}
""")


def rate(call: str, step: int, epoch: int = 0) -> float:
    """Return the learning rate by what a step of size 1 does."""
    rule = with_rate(call).rules["m/w"].graph
    leaves = {("weight", "w"): np.zeros(1), ("input", "g"): np.ones(1)}
    scalars = {"epoch": float(epoch), "steps": float(STEPS), "epochs": float(EPOCHS), "t": step + 1.0}
    return float(-evaluate_updates(rule, Run(1, 0, step, scalars, leaves))["w"][0])


@pytest.mark.parametrize("step", [0, 1, 49, 99])
def test_a_share_of_all_steps(step: int) -> None:
    progress = step / STEPS
    assert rate("fixed(0.5)", step) == 0.5
    assert rate("linear_decay(0.5, low=0.1)", step) == pytest.approx(0.5 - 0.4 * progress)
    assert rate("polynomial_decay(0.5, power=3, low=0.1)", step) == pytest.approx(
        0.1 + 0.4 * (1 - progress) ** 3
    )
    assert rate("cosine(0.5, low=0.1)", step) == pytest.approx(0.1 + 0.2 * (1 + math.cos(math.pi * progress)))


@pytest.mark.parametrize("now", [0, 1, 9, 10, 19])
def test_now_is_the_epoch_or_the_step_by_the_unit_it_meets(now: int) -> None:
    for unit, at in (("epochs", {"step": 7, "epoch": now}), ("steps", {"step": now, "epoch": 3})):
        assert rate(f"step_decay(0.5, every=10 {unit})", **at) == pytest.approx(0.5 * 0.5 ** (now // 10))
        expected = 0.5 * 0.9 ** (now / 10)
        assert rate(f"exponential_decay(0.5, every=10 {unit}, factor=0.9)", **at) == pytest.approx(expected)
        assert rate(f"inverse_time(0.5, every=10 {unit}, rate=2)", **at) == pytest.approx(
            0.5 / (1 + 0.2 * now)
        )
        assert rate(f"warmup(0.5, over=10 {unit})", **at) == pytest.approx(0.5 * min(1, 0.1 + 0.09 * now))


@pytest.mark.parametrize("now", [0, 29, 30, 59, 60, 99])
def test_at_times_of_ones_own(now: int) -> None:
    assert rate("drop_at(0.5, at=30 steps)", now) == pytest.approx(0.5 if now < 30 else 0.05)
    assert rate("change_at(0.5, at=30 steps, to=0.7)", now) == (0.5 if now < 30 else 0.7)
    expected = 0.5 * 0.2 ** ((now >= 30) + (now >= 60))
    assert rate("multistep_decay(0.5, at=[30 steps, 60 steps], factor=0.2)", now) == pytest.approx(expected)
    pieces = "piecewise(0.5, changes=[[30 steps, 0.1], [60 steps, linear_decay(1.0)]])"
    assert rate(pieces, now) == pytest.approx(0.5 if now < 30 else 0.1 if now < 60 else 1 - now / STEPS)


@pytest.mark.parametrize(
    ("call", "now", "share"),
    [
        ("cosine_restarts(0.5, every=10 epochs)", 0, 0),
        ("cosine_restarts(0.5, every=10 epochs)", 9, 0.9),
        ("cosine_restarts(0.5, every=10 epochs)", 10, 0),
        ("cosine_restarts(0.5, every=10 epochs)", 14, 0.4),
        ("cosine_restarts(0.5, every=1 epochs, growth=2)", 6, 3 / 4),
        ("cosine_restarts(0.5, every=1 epochs, growth=2)", 7, 0),
        ("cosine_restarts(0.5, every=1 epochs, growth=5)", 31, 0),
        ("cosine_restarts(0.5, every=1 epochs, growth=10)", 111, 0),
        ("cosine_restarts(0.5, every=1 epochs, growth=10)", 110, 99 / 100),
    ],
)
def test_a_cosine_that_begins_again(call: str, now: int, share: float) -> None:
    assert rate(call, 0, now) == pytest.approx(0.25 * (1 + math.cos(math.pi * share)))


@pytest.mark.parametrize(
    ("step", "share_of_base"),
    [(0, 0.04), (15, 0.52), (30, 1.0), (65, (1 + 4e-6) / 2), (100, 4e-6)],
)
def test_one_cycle_rises_and_falls(step: int, share_of_base: float) -> None:
    assert rate("one_cycle(0.5)", step) == pytest.approx(0.5 * share_of_base, rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        "piecewise(0.5, changes=[[30, 0.1]])",
        "piecewise(0.5, changes=[30 epochs, 0.1])",
        "piecewise(0.5, changes=[[30 epochs, 0.1, 2]])",
        "multistep_decay(0.5, at=[30, 60])",
    ],
)
def test_times_have_units(call: str) -> None:
    with pytest.raises(DiagnosticError, match="E0205"):
        rate(call, 0)


def test_schedules_nest() -> None:
    assert rate("warmup(cosine(0.5), over=50 steps)", 24) == pytest.approx(
        0.25 * (1 + math.cos(math.pi * 0.24)) * (0.1 + 0.9 * 24 / 50)
    )


def plateau_rates(call: str, losses: list[float]) -> list[float]:
    """Return what a schedule with memory says after each of some losses."""
    made = experiment(
        f"""
data d {{
    source = npz("d.npz")
    split = (train=50%, valid=50%)
}}
model m(x: [2]) = x -> dense(1)
train {{
    model = m
    data = d
    loss = mse
    optimizer = sgd({call})
    batch = 4
    epochs = 5
}}
""",
        fields_of_a_regression(),
    )
    (schedule,) = made.schedules
    memory = dict(schedule.states)
    rates = []
    for epoch, loss in enumerate(losses):
        scalars = {"valid.loss": loss, "epoch": float(epoch), "epochs": 5.0, "steps": 10.0, **memory}
        run = Run(1, 0, epoch, scalars)
        rates.append(float(evaluate(schedule.graph, run, ["value"])["value"]))
        new = evaluate_updates(schedule.graph, run)
        memory = {name: float(new[name]) for name in memory}
    return rates


def fields_of_a_regression() -> list[FieldSchema]:

    return [number("x", 2), number("t", 1, target=True)]


def test_a_plateau_lowers_the_rate_when_the_loss_stays() -> None:
    losses = [1.0, 0.9, 0.9, 0.95, 0.9, 0.8, 0.8]
    rates = plateau_rates("plateau(1.0, patience=2)", losses)
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 0.1, 0.1, 0.1])


def test_a_plateau_does_not_go_below_its_least() -> None:
    rates = plateau_rates("plateau(1.0, factor=0.5, patience=0, low=0.2)", [1.0] * 5)
    np.testing.assert_allclose(rates, [1, 0.5, 0.25, 0.2, 0.2])


def test_a_plateau_begins_at_its_base() -> None:
    (schedule,) = experiment(
        """
data d {
    source = npz("d.npz")
    split = (train=50%, valid=50%)
}
model m(x: [2]) = x -> dense(1)
train {
    model = m
    data = d
    loss = mse
    optimizer = sgd(plateau(0.3))
    batch = 4
    epochs = 5
}
""",
        fields_of_a_regression(),
    ).schedules
    assert schedule.start == pytest.approx(0.3)
