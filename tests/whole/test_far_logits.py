"""Scores of ten thousand and more through a softmax or sigmoid and its loss: finite, the right gradients."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import netdsl

Array = NDArray[np.float64]
SCORES = np.array(
    [[1, -1, 0], [-1, 1, 0.5], [0, 0, 0], [1e-4, 0, -1e-4], [-1, -1, -1], [3, -3, 2]], np.float32
)
LABELS = np.array([0, 0, 2, 1, 1, 1])
SIDES = np.array([0, 1, 1, 0, 1, 0])
TARGETS = {"label": LABELS, "side": SIDES}
FAR = 1e4
RATE = 1e-6
OWN = {
    "label": "layer own(z) = exp(z) / sum(exp(z), over=last)\nloss own_loss(p, t) = -sum(t * log(p))\n",
    "side": "layer own(z) = 1 / (1 + exp(-z))\n"
    "loss own_loss(p, t) = -mean(t * log(p) + (1 - t) * log(1 - p))\n",
}
"""The same as the library's, written by a user in the way of the lectures."""


def net_text(end: str, loss: str, label: str, width: int) -> str:
    return f"""{OWN[label]}
layer far(x: [c]) {{
    g = gain([c])
    return {FAR:g} * g * x
}}
data given {{
    source = npz("given.npz", label={label})
}}
model net(x: [{width}]) = x -> far as scores -> {end}
train {{
    model     = net
    data      = given
    loss      = {loss}
    optimizer = sgd({RATE})
    batch     = all
    epochs    = 1
}}
"""


def step(folder: Path, end: str, loss: str, label: str, x: NDArray[np.float32]) -> tuple[float, Array]:
    """Take one step on the CPU; return the loss, and the gradient by the gains."""
    np.savez(folder / "given.npz", allow_pickle=False, x=x, **{label: TARGETS[label]})
    path = folder / "far.net"
    path.write_text(net_text(end, loss, label, x.shape[1]))
    run = netdsl.train(path, run_dir=None, style="quiet")
    train = run.history[0]["train"]
    assert isinstance(train, dict)
    moved = np.asarray(run.weights["net/scores/g"], np.float64)
    run.close()
    return float(train["loss"]), (1 - moved) / RATE


@pytest.mark.parametrize(
    ("end", "loss"),
    [
        ("softmax", "cross_entropy"),
        ("own", "cross_entropy"),
        ("softmax", "kl_divergence"),
        ("softmax", "own_loss"),
    ],
)
def test_softmax_and_cross_entropy(end: str, loss: str, tmp_path: Path) -> None:
    z = FAR * SCORES.astype(np.float64)
    lowered = z - z.max(1, keepdims=True)
    logs = lowered - np.log(np.exp(lowered).sum(1, keepdims=True))
    wanted = -logs[np.arange(len(z)), LABELS].mean()
    gradient = ((np.exp(logs) - np.eye(3)[LABELS]) * z).mean(0)
    found, told = step(tmp_path, end, loss, "label", SCORES)
    assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(told, gradient, rtol=1e-3, atol=0.2)


@pytest.mark.parametrize(
    ("end", "loss"),
    [("sigmoid", "binary_cross_entropy"), ("own", "binary_cross_entropy"), ("sigmoid", "own_loss")],
)
def test_sigmoid_and_binary_cross_entropy(end: str, loss: str, tmp_path: Path) -> None:
    z = FAR * SCORES[:, 0].astype(np.float64)
    wanted = (np.maximum(z, 0) - z * SIDES + np.log1p(np.exp(-np.abs(z)))).mean()
    p = 1 / (1 + np.exp(-np.clip(z, -700, 700)))
    gradient = ((p - SIDES) * z).mean()
    found, told = step(tmp_path, end, loss, "side", SCORES[:, :1])
    assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(told, [gradient], rtol=1e-3, atol=0.2)
