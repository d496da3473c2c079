"""Losses and layers beside PyTorch's: 100 steps from the same weights on the same examples."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch.optim import SGD

import netdsl
from tests.parity.training import (
    CLASSES,
    CLASSIFIER,
    TOLERANCE,
    Activation,
    Case,
    Loss,
    Weights,
    check,
    dense,
    loss_of,
    losses,
    two_layers,
)

pytestmark = pytest.mark.parity


def mean_of_sums(values: torch.Tensor) -> torch.Tensor:
    return values.sum(dim=1).mean()


def signs(t: torch.Tensor) -> torch.Tensor:
    return 2 * F.one_hot(t, CLASSES).float() - 1


NUMBER_LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "l1_loss": lambda y, t: mean_of_sums((y - t).abs()),
    "l2_loss": lambda y, t: mean_of_sums((y - t) ** 2),
    "huber": F.huber_loss,
    "huber(delta=0.3)": partial(F.huber_loss, delta=0.3),
    "smooth_l1": F.smooth_l1_loss,
    "log_cosh": lambda y, t: torch.log(torch.cosh(y - t)).mean(),
}


@pytest.mark.parametrize("name", NUMBER_LOSSES)
def test_losses_of_numbers(name: str, tmp_path: Path) -> None:
    rate = "sgd(0.02)" if "l2" in name else "sgd(0.1)"
    case = Case(
        "dense(16) -> tanh -> dense(3)", name, two_layers(), NUMBER_LOSSES[name],
        rate, partial(SGD, lr=0.02 if "l2" in name else 0.1), target="number", scale=0.5,
    )  # fmt: skip
    check(case, tmp_path)


def test_poisson_of_counts(tmp_path: Path) -> None:
    case = Case(
        "dense(16) -> tanh -> dense(3)", "poisson", two_layers(), F.poisson_nll_loss,
        target="number", scale=0.5,
    )  # fmt: skip
    check(case, tmp_path)


LABEL_LOSSES: dict[str, Loss] = {
    "hinge": lambda y, t: torch.clamp(1 - signs(t) * y, min=0).mean(),
    "squared_hinge": lambda y, t: (torch.clamp(1 - signs(t) * y, min=0) ** 2).mean(),
    "perceptron_loss": lambda y, t: torch.clamp(-signs(t) * y, min=0).mean(),
    "multiclass_hinge": lambda y, t: CLASSES * F.multi_margin_loss(y, t),
}


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_losses_of_scores(name: str, tmp_path: Path) -> None:
    check(
        Case("dense(16) -> tanh -> dense(5)", name, two_layers(), LABEL_LOSSES[name]),
        tmp_path,
    )


def test_kl_divergence_of_a_softmax(tmp_path: Path) -> None:
    def peer(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.kl_div(F.log_softmax(y, dim=1), F.one_hot(t, CLASSES).float(), reduction="batchmean")

    check(Case(CLASSIFIER, "kl_divergence", two_layers(), peer), tmp_path)


CLASS_WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])


def weighted(y: torch.Tensor, t: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """PyTorch's own mean divides by the sum of the weights, so it is taken here."""
    return F.cross_entropy(y, t, CLASS_WEIGHTS, reduction="none", label_smoothing=smoothing).mean()


def balanced(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    counts = torch.bincount(t, minlength=CLASSES)
    return F.cross_entropy(y, t, len(t) / (CLASSES * counts.float()), reduction="none").mean()


def focal(y: torch.Tensor, t: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
    cost = F.cross_entropy(y, t, reduction="none")
    return ((1 - torch.exp(-cost)) ** gamma * cost).mean()


CLASS_LOSSES: dict[str, Loss] = {
    "cross_entropy(smoothing=10%)": partial(F.cross_entropy, label_smoothing=0.1),
    "cross_entropy(class_weights=[1, 2, 0.5, 3, 1])": weighted,
    "cross_entropy(smoothing=20%, class_weights=[1, 2, 0.5, 3, 1])": partial(weighted, smoothing=0.2),
    "cross_entropy(class_weights=balanced)": balanced,
    "focal": focal,
    "focal(gamma=0.5)": partial(focal, gamma=0.5),
}


@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_losses_of_classes(name: str, tmp_path: Path) -> None:
    check(Case(CLASSIFIER, name, two_layers(), CLASS_LOSSES[name]), tmp_path)


def of_logits(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(y[:, 0], t.float())


def more_for_yes(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(y[:, 0], t.float(), pos_weight=torch.tensor(3.0))


def binary_focal(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    cost = F.binary_cross_entropy_with_logits(y[:, 0], t.float(), reduction="none")
    return ((1 - torch.exp(-cost)) ** 2 * cost).mean()


BINARY_LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": of_logits,
    "binary_cross_entropy(smoothing=10%)": lambda y, t: of_logits(y, 0.9 * t + 0.05),
    "binary_cross_entropy(yes_weight=3)": more_for_yes,
    "binary_focal": binary_focal,
}


@pytest.mark.parametrize("name", BINARY_LOSSES)
def test_losses_of_yes_or_no(name: str, tmp_path: Path) -> None:
    layers = "dense(16) -> tanh -> dense(1) -> sigmoid"
    check(Case(layers, name, two_layers(), BINARY_LOSSES[name], target="yes"), tmp_path)


def pinball(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.maximum(0.9 * (t - y), -0.1 * (t - y)).mean()


OTHER_LOSSES: dict[str, Loss] = {
    "cosine_distance": lambda y, t: F.cosine_embedding_loss(y, t, torch.ones(len(y))),
    "quantile(share=90%)": pinball,
}


@pytest.mark.parametrize("name", OTHER_LOSSES)
def test_losses_of_vectors(name: str, tmp_path: Path) -> None:
    layers = "dense(16) -> tanh -> dense(3)"
    slow = partial(SGD, lr=0.03)  # 1 less a cosine loses digits near 0
    case = Case(layers, name, two_layers(), OTHER_LOSSES[name], "sgd(0.03)", slow, target="number")
    check(case, tmp_path)


def test_penalties(tmp_path: Path) -> None:
    weights: list[torch.Tensor] = []

    def forward(given: Weights, x: torch.Tensor) -> torch.Tensor:
        weights[:] = [value for name, value in given.items() if name.endswith("/w")]
        return dense(given, 2, torch.tanh(dense(given, 1, x)))

    plain: list[float] = []

    def peer(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(y, t)
        plain.append(loss.item())
        return loss + sum(0.002 * w.abs().sum() + 0.01 * (w**2).sum() for w in weights)

    loss = "cross_entropy + 0.002 * l1(weights) + 0.01 * l2(weights)"
    ours, theirs = losses(Case(CLASSIFIER, loss, forward, peer), tmp_path)
    np.testing.assert_allclose(ours, plain, rtol=TOLERANCE)
    assert np.all(theirs > plain)


ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": F.leaky_relu,
    "leaky_relu(slope=0.1)": partial(F.leaky_relu, negative_slope=0.1),
    "elu": F.elu,
    "elu(alpha=0.5)": partial(F.elu, alpha=0.5),
    "selu": F.selu,
    "softplus": F.softplus,
    "swish": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "hard_sigmoid": F.hardsigmoid,
    "hard_tanh": F.hardtanh,
    "softsign": F.softsign,
    "softmax": partial(F.softmax, dim=1),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, tmp_path: Path) -> None:
    layers = f"dense(16) -> {name} -> dense(5) -> softmax"
    check(Case(layers, "cross_entropy", two_layers(ACTIVATIONS[name]), F.cross_entropy), tmp_path)


def test_prelu(tmp_path: Path) -> None:
    def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
        return dense(weights, 2, F.prelu(dense(weights, 1, x), weights["prelu_1/slope"]))

    check(
        Case("dense(16) -> prelu -> dense(5) -> softmax", "cross_entropy", forward, F.cross_entropy), tmp_path
    )


def test_maxout(tmp_path: Path) -> None:
    def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
        hidden = x @ weights["maxout_1/dense_1/w"] + weights["maxout_1/dense_1/b"]
        return dense(weights, 1, hidden.reshape(-1, 8, 3).max(dim=2).values)

    layers = "maxout(8, pieces=3) -> dense(5) -> softmax"
    check(Case(layers, "cross_entropy", forward, F.cross_entropy), tmp_path)


def test_layer_normalization(tmp_path: Path) -> None:
    def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
        hidden = dense(weights, 1, x)
        gamma, beta = weights["layernorm_1/gamma"], weights["layernorm_1/beta"]
        return dense(weights, 2, torch.relu(F.layer_norm(hidden, (16,), gamma, beta)))

    layers = "dense(16) -> layernorm -> relu -> dense(5) -> softmax"
    check(Case(layers, "cross_entropy", forward, F.cross_entropy), tmp_path)


def test_batch_normalization(tmp_path: Path) -> None:
    def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
        hidden = dense(weights, 1, x)
        gamma, beta = weights["batchnorm_1/gamma"], weights["batchnorm_1/beta"]
        normal = F.batch_norm(hidden, None, None, gamma, beta, training=True)
        return dense(weights, 2, torch.relu(normal))

    layers = "dense(16) -> batchnorm -> relu -> dense(5) -> softmax"
    check(Case(layers, "cross_entropy", forward, F.cross_entropy), tmp_path)


def of_codes(loss: str, folder: Path, **codes: NDArray[np.float32]) -> float:
    """Return the mean of a loss of several codes, which a model of gains hands on."""
    inputs = ", ".join(f"{name}: [6]" for name in codes if name != "same")
    outputs = ", ".join(f"{name}_code={name} * g" for name in codes if name != "same")
    kept = {name: each.astype(np.int64) if name == "same" else each for name, each in codes.items()}
    np.savez(folder / "codes.npz", allow_pickle=False, **kept)
    role = ", label=same" if "same" in codes else ""
    file = folder / "codes.net"
    file.write_text(f"""
data given {{
    source = npz("codes.npz"{role})
}}
model net({inputs}) {{
    g = gain([6])
    return ({outputs})
}}
train {{
    model     = net
    data      = given
    loss      = {loss}
    optimizer = sgd(0.1)
    batch     = all
    epochs    = 1
}}
""")
    run = netdsl.train(file, run_dir=None, style="quiet")
    return loss_of(run.history[0])


DRAW = np.random.default_rng(8)
A, B, C = (torch.tensor(DRAW.normal(size=(20, 6)).astype(np.float32)) for _ in range(3))
SAME = torch.tensor(DRAW.integers(0, 2, 20))


def test_codes_of_pairs_by_their_angle(tmp_path: Path) -> None:
    found = of_codes(
        "cosine_embedding(a_code, b_code, same, margin=0.2)",
        tmp_path,
        a=A.numpy(),
        b=B.numpy(),
        same=SAME.numpy(),
    )
    wanted = F.cosine_embedding_loss(A, B, 2 * SAME - 1, margin=0.2)
    assert found == pytest.approx(wanted.item(), rel=1e-5)


def test_triplets_of_codes(tmp_path: Path) -> None:
    found = of_codes(
        "triplet(a_code, b_code, c_code, margin=2)", tmp_path, a=A.numpy(), b=B.numpy(), c=C.numpy()
    )
    wanted = F.triplet_margin_with_distance_loss(
        A, B, C, distance_function=lambda u, v: ((u - v) ** 2).sum(1), margin=2.0
    )
    assert found == pytest.approx(wanted.item(), rel=1e-5)
