"""Trains a small network twice, by netdsl and by PyTorch, from the same weights on the same batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

import netdsl
from netdsl.training.records import Record

Weights: TypeAlias = Mapping[str, torch.Tensor]
Forward: TypeAlias = Callable[[Weights, torch.Tensor], torch.Tensor]
Activation: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Stepper(Protocol):
    """What is asked of an optimizer of PyTorch's."""

    def zero_grad(self) -> None: ...

    def step(self) -> None: ...


Optimizer: TypeAlias = Callable[[list[torch.Tensor]], Stepper]

ROWS, INPUTS, CLASSES = 48, 12, 5
STEPS = 100
TOLERANCE = 1e-4
CLASSIFIER = "dense(16) -> tanh -> dense(5) -> softmax"


@dataclass(frozen=True)
class Case:
    """One training: its layers and loss in the language, and the same in PyTorch.

    `target` is what is predicted: "label" (a class), "yes" (a class of two) or "number" (three numbers).
    """

    layers: str
    loss: str
    forward: Forward
    peer_loss: Loss
    optimizer: str = "sgd(0.1)"
    peer_optimizer: Optimizer = lambda weights: torch.optim.SGD(weights, lr=0.1)
    target: str = "label"
    scale: float = 1.0
    """What the targets that are numbers are multiplied by."""


def losses(
    case: Case, folder: Path, rates: list[float] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the loss at each of 100 steps, by netdsl and by PyTorch; `rates` is given netdsl's rates."""
    fields = examples(case)
    np.savez(folder / "data.npz", allow_pickle=False, **fields)
    file = folder / "case.net"
    file.write_text(model_text(case))
    start = netdsl.compile(file)
    run = netdsl.train(file, run_dir=None, style="quiet")
    ours = np.array([loss_of(record) for record in run.history])
    if rates is not None:
        rates.extend(float(str(record["lr"])) for record in run.history)
    return ours, peer_losses(case, fields, start.weights)


def check(case: Case, folder: Path) -> None:
    """Check that both trainings have the same loss at each step."""
    ours, theirs = losses(case, folder)
    assert np.all(np.isfinite(theirs))
    assert abs(theirs[-1] - theirs[0]) > 1e-3 * abs(theirs[0]), "the peer's loss must move"
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=1e-6)


def loss_of(record: Record) -> float:
    """Return the train loss of an epoch."""
    train = record["train"]
    assert isinstance(train, dict)
    return float(train["loss"])


def examples(case: Case) -> dict[str, NDArray[Any]]:
    """Make examples that a small network can learn, but not at once."""
    draw = np.random.default_rng(3)
    x = draw.standard_normal((ROWS, INPUTS)).astype(np.float32)
    score = x @ draw.standard_normal((INPUTS, CLASSES)) + 0.3 * draw.standard_normal((ROWS, CLASSES))
    if case.target == "label":
        return {"x": x, "t": score.argmax(axis=1)}
    if case.target == "yes":
        return {"x": x, "t": (score[:, 0] > 0).astype(np.int64)}
    return {"x": x, "t": (case.scale * score[:, :3]).astype(np.float32)}


def model_text(case: Case) -> str:
    """Write the model file. The whole data set is one batch, so both see the same rows at each step."""
    role = "target" if case.target == "number" else "label"
    return f"""
data given {{
    source = npz("data.npz", {role}=t)
}}

model net(x: [{INPUTS}]) = x -> {case.layers}

train {{
    model     = net
    data      = given
    loss      = {case.loss}
    optimizer = {case.optimizer}
    batch     = all
    epochs    = {STEPS}
    seed      = 5
}}
"""


def peer_losses(
    case: Case, fields: Mapping[str, NDArray[Any]], start: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """Train in PyTorch from the weights that netdsl starts with."""
    weights = {
        name.removeprefix("net/"): torch.tensor(np.array(value), requires_grad=True)
        for name, value in start.items()
    }
    x, t = torch.tensor(fields["x"]), torch.tensor(fields["t"])
    optimizer = case.peer_optimizer(list(weights.values()))
    found: list[float] = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = case.peer_loss(case.forward(weights, x), t)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


def dense(weights: Weights, number: int, x: torch.Tensor) -> torch.Tensor:
    """Apply the dense layer of that number."""
    return x @ weights[f"dense_{number}/w"] + weights[f"dense_{number}/b"]


def two_layers(activation: Activation = torch.tanh) -> Forward:
    """Return a network of two dense layers."""

    def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
        return dense(weights, 2, activation(dense(weights, 1, x)))

    return forward
