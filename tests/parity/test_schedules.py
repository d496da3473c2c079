"""Schedules beside PyTorch's, over a whole training: the rate and the loss of each of 100 steps.

PyTorch's OneCycleLR ends its rise and fall on steps, netdsl's on shares of the training: its rise is over
after `pct_start * total_steps - 1` steps, and its last step has the least rate, which netdsl's would have
one step later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch.optim import SGD
from torch.optim import lr_scheduler as peers

import netdsl
from tests.parity.training import CLASSIFIER, STEPS, TOLERANCE, Case, losses, two_layers

pytestmark = pytest.mark.parity

Schedule = Callable[[SGD], peers.LRScheduler]
BASE = 0.5


class Scheduled:
    """Gradient descent under a schedule of PyTorch's; keeps the rates it used."""

    def __init__(self, weights: list[torch.Tensor], schedule: Schedule) -> None:
        self.inner = SGD(weights, lr=BASE)
        self.schedule = schedule(self.inner)
        self.zero_grad = self.inner.zero_grad
        self.rates: list[float] = []

    def step(self) -> None:
        self.rates.append(self.inner.param_groups[0]["lr"])
        self.inner.step()
        self.schedule.step()


def one_cycle(inner: SGD) -> peers.LRScheduler:
    share = (0.3 * STEPS + 1) / (STEPS + 1)
    return peers.OneCycleLR(inner, BASE, total_steps=STEPS + 1, pct_start=share, cycle_momentum=False)


def warm(inner: SGD) -> peers.LRScheduler:
    return peers.LinearLR(inner, start_factor=0.1, total_iters=20)


def warm_cosine(inner: SGD) -> peers.LRScheduler:
    return peers.ChainedScheduler([peers.CosineAnnealingLR(inner, T_max=STEPS), warm(inner)])


def pieces(inner: SGD) -> peers.LRScheduler:
    return peers.LambdaLR(inner, lambda e: 1 if e < 20 else 0.4 if e < 70 else 0.02)


SCHEDULES: dict[str, Schedule] = {
    "fixed(0.5)": lambda inner: peers.ConstantLR(inner, factor=1),
    "step_decay(0.5, every=10 epochs, factor=0.5)": lambda inner: peers.StepLR(inner, 10, gamma=0.5),
    "multistep_decay(0.5, at=[30 epochs, 60 epochs])": lambda inner: peers.MultiStepLR(inner, [30, 60]),
    "piecewise(0.5, changes=[[20 epochs, 0.2], [70 steps, 0.01]])": pieces,
    "exponential_decay(0.5, every=1 epochs, factor=0.97)": lambda inner: peers.ExponentialLR(inner, 0.97),
    "inverse_time(0.5, rate=0.1)": lambda inner: peers.LambdaLR(inner, lambda e: 1 / (1 + 0.1 * e)),
    "linear_decay(0.5, low=0.1)": lambda inner: peers.LinearLR(inner, 1.0, 0.2, total_iters=STEPS),
    "polynomial_decay(0.5, power=2)": lambda inner: peers.PolynomialLR(inner, STEPS, power=2),
    "cosine(0.5, low=0.05)": lambda inner: peers.CosineAnnealingLR(inner, STEPS, eta_min=0.05),
    "cosine_restarts(0.5, every=10 epochs)": lambda inner: peers.CosineAnnealingWarmRestarts(inner, 10),
    "cosine_restarts(0.5, every=7 steps, growth=2, low=0.01)": lambda inner: (
        peers.CosineAnnealingWarmRestarts(inner, 7, 2, eta_min=0.01)
    ),
    "one_cycle(0.5)": one_cycle,
    "warmup(0.5, over=20 epochs)": warm,
    "warmup(cosine(0.5), over=20 epochs)": warm_cosine,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str, tmp_path: Path) -> None:
    made: list[Scheduled] = []

    def peer(weights: list[torch.Tensor]) -> Scheduled:
        made.append(Scheduled(weights, SCHEDULES[name]))
        return made[0]

    rates: list[float] = []
    case = Case(CLASSIFIER, "cross_entropy", two_layers(), F.cross_entropy, f"sgd({name})", peer)
    ours, theirs = losses(case, tmp_path, rates)
    np.testing.assert_allclose(rates, made[0].rates, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=1e-6)


@pytest.mark.parametrize(("patience", "factor", "low"), [(0, 0.5, 0.0), (2, 0.1, 0.02), (5, 0.7, 0.1)])
def test_plateau(patience: int, factor: float, low: float, tmp_path: Path) -> None:
    """The rates follow from the valid losses that netdsl had: a noisy net on few rows."""
    text = """
data d {
    source = moons(n=60, noise=0.4)
    split  = (train=50%, valid=50%)
}
model net(x: [2]) = x -> dense(32) -> relu -> dense(2) -> softmax
train {
    model     = net
    data      = d
    loss      = cross_entropy
    optimizer = sgd(plateau(0.5, patience=PATIENCE, factor=FACTOR, low=LOW))
    batch     = 8
    epochs    = 60
}
"""
    file = tmp_path / "plateau.net"
    for name, value in (("PATIENCE", patience), ("FACTOR", factor), ("LOW", low)):
        text = text.replace(name, str(value))
    file.write_text(text)
    history = netdsl.train(file, run_dir=None, style="quiet").history
    inner = SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    peer = peers.ReduceLROnPlateau(inner, factor=factor, patience=patience, threshold=0, min_lr=low, eps=0)
    wanted: list[float] = []
    for record in history:
        wanted.append(inner.param_groups[0]["lr"])
        valid = record["valid"]
        assert isinstance(valid, dict)
        peer.step(valid["loss"])
    assert len(set(wanted)) > 1, "the rate must fall"
    rates = [float(str(record["lr"])) for record in history]
    np.testing.assert_allclose(np.array(rates), np.array(wanted), rtol=1e-6)
