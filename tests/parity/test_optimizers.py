"""Optimizers and clipping beside PyTorch's: 100 steps from the same weights on the same examples.

Where the two differ is in the settings that are given here: PyTorch's Adagrad has an eps of 1e-10, its
RMSprop a decay of 0.99; a weight decay is a penalty in netdsl but for AdamW and Lion. All put eps outside
of the root, as the papers do. PyTorch's momentum multiplies by the rate what netdsl's has multiplied
already (v = mu v - lr g, as the lectures have it): a difference only while the rate changes. PyTorch has no
Lion; the one here is written after the paper.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch.optim import SGD

from tests.parity.training import CLASSIFIER, Case, Optimizer, Stepper, check, two_layers

pytestmark = pytest.mark.parity


class Lion:
    """The optimizer of Chen et al. 2023, algorithm 2."""

    def __init__(self, weights: list[torch.Tensor], lr: float, decay: float) -> None:
        self.weights, self.lr, self.decay = weights, lr, decay
        self.momenta = [torch.zeros_like(w) for w in weights]
        self.zero_grad = SGD(weights, lr=lr).zero_grad

    def step(self) -> None:
        with torch.no_grad():
            for w, m in zip(self.weights, self.momenta, strict=True):
                assert w.grad is not None
                direction = torch.sign(0.9 * m + 0.1 * w.grad)
                w -= self.lr * (direction + self.decay * w)
                m.mul_(0.99).add_(0.01 * w.grad)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd(0.1)": partial(SGD, lr=0.1),
    "momentum(0.05, mu=0.9)": partial(SGD, lr=0.05, momentum=0.9),
    "nesterov(0.05, mu=0.9)": partial(SGD, lr=0.05, momentum=0.9, nesterov=True),
    "adagrad(0.05)": partial(torch.optim.Adagrad, lr=0.05, eps=1e-8),
    "rmsprop(0.005, decay=0.9)": partial(torch.optim.RMSprop, lr=0.005, alpha=0.9, eps=1e-8),
    "adadelta": partial(torch.optim.Adadelta, lr=1.0, rho=0.9, eps=1e-6),
    "adam(0.01)": partial(torch.optim.Adam, lr=0.01),
    "adam(0.01, beta1=0.8, beta2=0.99)": partial(torch.optim.Adam, lr=0.01, betas=(0.8, 0.99)),
    "adamw(0.01, decay=0.1)": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
    "adamax(0.01)": partial(torch.optim.Adamax, lr=0.01),
    "nadam(0.01)": partial(torch.optim.NAdam, lr=0.01),
    "nadam(0.01, beta1=0.8, warming=0.1)": partial(
        torch.optim.NAdam, lr=0.01, betas=(0.8, 0.999), momentum_decay=0.1
    ),
    "lion(0.003, decay=0.1)": partial(Lion, lr=0.003, decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str, tmp_path: Path) -> None:
    case = Case(CLASSIFIER, "cross_entropy", two_layers(), F.cross_entropy, name, OPTIMIZERS[name])
    check(case, tmp_path)


class Clipped:
    """An optimizer that is given clipped gradients, its rate perhaps on a schedule."""

    def __init__(self, weights: list[torch.Tensor], inner: Optimizer, norm: float, value: float) -> None:
        self.weights, self.norm, self.value = weights, norm, value
        self.inner: Stepper = inner(weights)
        self.zero_grad = self.inner.zero_grad
        self.changed = 0

    def step(self) -> None:
        before = [w.grad.clone() for w in self.weights if w.grad is not None]
        if self.norm:
            torch.nn.utils.clip_grad_norm_(self.weights, self.norm)
        if self.value:
            torch.nn.utils.clip_grad_value_(self.weights, self.value)
        after = [w.grad for w in self.weights if w.grad is not None]
        self.changed += any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
        self.inner.step()


class Falling:
    """Adam under a cosine."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.inner = torch.optim.Adam(weights, lr=0.02)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.inner, T_max=100)
        self.zero_grad = self.inner.zero_grad

    def step(self) -> None:
        self.inner.step()
        self.schedule.step()


INNER: dict[str, Optimizer] = {
    "sgd(0.5)": partial(SGD, lr=0.5),
    "adam(0.01)": partial(torch.optim.Adam, lr=0.01),
    "adam(cosine(0.02))": Falling,
}


@pytest.mark.parametrize("optimizer", INNER)
@pytest.mark.parametrize(("norm", "value"), [(0.05, 0.0), (0.3, 0.0), (0.0, 0.01)])
def test_clipping(norm: float, value: float, optimizer: str, tmp_path: Path) -> None:
    made: list[Clipped] = []

    def peer(weights: list[torch.Tensor]) -> Stepper:
        made.append(Clipped(weights, INNER[optimizer], norm, value))
        return made[0]

    clip = f"norm({norm})" if norm else f"value({value})"
    text = f"{optimizer}\n    clip      = {clip}"
    check(Case(CLASSIFIER, "cross_entropy", two_layers(), F.cross_entropy, text, peer), tmp_path)
    assert made[0].changed > 10, "the gradients must be clipped"
