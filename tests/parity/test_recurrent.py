"""Recurrent layers beside PyTorch's with the same weights: values, gradients, a whole training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch import nn

import netdsl
from netdsl.compiler import compile_experiment
from netdsl.graph import Run, evaluate
from tests.library.bench import Bench, experiment, number
from tests.parity.training import loss_of

pytestmark = pytest.mark.parity

Array = NDArray[Any]
Weights = Mapping[str, Array]

STEPS, COLUMNS, UNITS = 7, 5, 16
RANDOM = np.random.default_rng(23)
X = RANDOM.normal(size=(4, STEPS, COLUMNS))


def give(parameter: torch.Tensor, value: Array) -> None:
    with torch.no_grad():
        parameter.copy_(torch.tensor(np.array(value)))


def peer(kind: str, weights: Weights, path: str) -> nn.RNNBase:
    """Return the peer's layer with our weights, of the same kind of float.

    It has two offsets where we have one, but for the second of the unit with gates and a reset.
    """
    w = weights[f"{path}/w"]
    dtype = torch.float64 if w.dtype == np.float64 else torch.float32
    makers = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    module: nn.RNNBase = makers[kind](w.shape[0], UNITS, batch_first=True, dtype=dtype)
    give(module.weight_ih_l0, w.T)
    give(module.weight_hh_l0, weights[f"{path}/u"].T)
    give(module.bias_ih_l0, weights[f"{path}/b"])
    second = weights[f"{path}/d"] if kind == "gru" else np.zeros_like(weights[f"{path}/b"])
    give(module.bias_hh_l0, second)
    module.bias_hh_l0.requires_grad_(kind == "gru")
    return module


def peer_gradients(kind: str, module: nn.RNNBase, path: str) -> dict[str, Array]:
    names = {"w": "weight_ih_l0", "u": "weight_hh_l0", "b": "bias_ih_l0"}
    if kind == "gru":
        names["d"] = "bias_hh_l0"
    return {f"{path}/{ours}": getattr(module, theirs).grad.numpy().T for ours, theirs in names.items()}


def ours(chain: str, shape: tuple[int, ...], t: Array) -> tuple[Bench, dict[str, Array]]:
    """Return a model of squared error with random weights, and its gradients."""
    text = f"""
data d {{ source = npz("d.npz") }}
model m(x: [{STEPS}, {COLUMNS}]) {{ return (out = x -> {chain}) }}
train {{
    model = m
    data = d
    loss = mse(out, t)
    optimizer = sgd(0.1)
    epochs = 1
}}
"""
    fields = [number("x", STEPS, COLUMNS), number("t", *shape, target=True)]
    made = experiment(text, fields)
    draw = np.random.default_rng(2)
    weights = {each.path: draw.normal(size=each.shape) / 2 for each in made.weights}
    graph = compile_experiment(made).graphs["differentiated"]
    leaves = {("input", "x"): X, ("input", "t"): t}
    leaves |= {("weight", path): value for path, value in weights.items()}
    found = evaluate(graph, Run(len(X), leaves=leaves))
    return Bench(made, weights), {path: found[f"gradient/{path}"] for path in weights}


@pytest.mark.parametrize("sequence", [False, True], ids=["last", "sequence"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_values_and_gradients(kind: str, reverse: bool, sequence: bool) -> None:
    shape = (STEPS, UNITS) if sequence else (UNITS,)
    t = np.random.default_rng(5).normal(size=(len(X), *shape))
    flags = {"sequence": sequence, "reverse": reverse}
    settings = ", ".join(f"{name}={'yes' if flag else 'no'}" for name, flag in flags.items())
    start = ", forget=0" if kind == "lstm" else ""
    made, gradients = ours(f"{kind}({UNITS}, {settings}{start})", shape, t)
    path = f"m/{kind}_1/cell"
    module = peer(kind, made.weights, path)
    x = torch.tensor(X)
    theirs, _ = module(x.flip(1) if reverse else x)
    every = theirs.flip(1) if reverse else theirs
    theirs = every if sequence else theirs[:, -1]
    F.mse_loss(theirs, torch.tensor(t)).backward()
    np.testing.assert_allclose(
        made.output("output/out", x=X, t=t), theirs.detach().numpy(), rtol=1e-9, atol=1e-12
    )
    expected = peer_gradients(kind, module, path)
    assert set(gradients) == set(expected)
    for name, value in gradients.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-8, atol=1e-12, err_msg=name)


ROWS, CLASSES, ROUNDS = 24, 4, 30

TRAINING = """
data given {{
    source = npz("data.npz", label=label)
}}

model net(x: [{steps}, {columns}]) =
    x -> {kind}({units}, sequence=yes{start}) -> {kind}({units}{start}) -> dense({classes}) -> softmax

train {{
    model     = net
    data      = given
    loss      = cross_entropy
    optimizer = {optimizer}
    clip      = norm(1.0)
    batch     = all
    epochs    = {rounds}
}}
"""


class Peer(nn.Module):  # type: ignore[misc]
    """The same network in PyTorch."""

    def __init__(self, kind: str, weights: Weights) -> None:
        super().__init__()
        self.layers = nn.ModuleList(peer(kind, weights, f"net/{kind}_{number}/cell") for number in (1, 2))
        self.head = nn.Linear(UNITS, CLASSES)
        give(self.head.weight, weights["net/dense_1/w"].T)
        give(self.head.bias, weights["net/dense_1/b"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x, _ = layer(x)
        scores: torch.Tensor = self.head(x[:, -1])
        return scores


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("optimizer", ["sgd(0.5)", "adam(0.01)"])
def test_a_training_has_the_peers_losses(kind: str, optimizer: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(11)
    x = draw.normal(size=(ROWS, STEPS, COLUMNS)).astype(np.float32)
    labels = (x[:, :, 0].cumsum(1)[:, -1] > 0) * 2 + (x[:, 0, 1] > 0)
    np.savez(tmp_path / "data.npz", x=x, label=labels.astype(np.int64))
    start = ", forget=0" if kind == "lstm" else ""
    file = tmp_path / "case.net"
    settings = {"steps": STEPS, "columns": COLUMNS, "units": UNITS, "classes": CLASSES, "rounds": ROUNDS}
    file.write_text(TRAINING.format(kind=kind, start=start, optimizer=optimizer, **settings))
    begin = netdsl.compile(file).weights
    run = netdsl.train(file, run_dir=None, style="quiet")
    have = [loss_of(record) for record in run.history]
    module = Peer(kind, begin)
    learning = [each for each in module.parameters() if each.requires_grad]
    steppers = {"sgd(0.5)": lambda: torch.optim.SGD(learning, lr=0.5)}
    steppers["adam(0.01)"] = lambda: torch.optim.Adam(learning, lr=0.01)
    stepper = steppers[optimizer]()
    want: list[float] = []
    for _ in range(ROUNDS):
        stepper.zero_grad()
        loss = F.cross_entropy(module(torch.tensor(x)), torch.tensor(labels, dtype=torch.int64))
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        stepper.step()
        want.append(loss.item())
    assert want[-1] < 0.9 * want[0], "the peer's loss must move"
    np.testing.assert_allclose(have, want, rtol=2e-4, atol=1e-6)
