"""Initializers beside PyTorch's: draws of the same distribution, by mean, deviation and bounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import init

import netdsl

pytestmark = pytest.mark.parity

IN, OUT = 300, 200

INITIALIZERS: dict[str, Callable[[torch.Tensor], object]] = {
    "zeros": init.zeros_,
    "ones": init.ones_,
    "constant(0.3)": partial(init.constant_, val=0.3),
    "normal(std=0.05)": partial(init.normal_, std=0.05),
    "truncated_normal(std=0.05)": partial(init.trunc_normal_, std=0.05, a=-0.1, b=0.1),
    "uniform(-0.2, 0.1)": partial(init.uniform_, a=-0.2, b=0.1),
    "xavier": init.xavier_normal_,
    "xavier_uniform": init.xavier_uniform_,
    "he": partial(init.kaiming_normal_, nonlinearity="relu"),
    "he_uniform": partial(init.kaiming_uniform_, nonlinearity="relu"),
    "lecun": partial(init.kaiming_normal_, nonlinearity="linear"),
    "lecun_uniform": partial(init.kaiming_uniform_, nonlinearity="linear"),
}


def drawn(name: str, folder: Path) -> NDArray[np.float32]:
    file = folder / "net.net"
    file.write_text(
        f"""
data points {{
    source = moons(n=8)
}}
model net(x: [2]) = x -> dense({IN}) -> relu -> dense({OUT}, init={name}) -> relu -> dense(2) -> softmax
train {{
    model     = net
    data      = points
    loss      = cross_entropy
    optimizer = sgd(0.1)
    epochs    = 1
}}
"""
    )
    return np.asarray(netdsl.compile(file).weights["net/dense_2/w"])


@pytest.mark.parametrize("name", INITIALIZERS)
def test_distribution(name: str, tmp_path: Path) -> None:
    ours = drawn(name, tmp_path)
    torch.manual_seed(0)
    peer = torch.empty(OUT, IN)  # PyTorch keeps a dense weight as [out, in]
    INITIALIZERS[name](peer)
    theirs = peer.numpy()
    deviation = float(theirs.std())
    assert ours.shape == (IN, OUT)
    # The mean of 60,000 draws is off by 0.004 deviations, the deviation by 0.3 %: bounds are at 5 of these.
    assert abs(ours.mean() - theirs.mean()) <= 0.03 * deviation
    assert ours.std() == pytest.approx(deviation, rel=0.03)
    if "uniform" in name or "truncated" in name:
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


def test_orthogonal(tmp_path: Path) -> None:
    w = drawn("orthogonal(1)", tmp_path)
    np.testing.assert_allclose(w.T @ w, np.eye(OUT), atol=1e-5)
