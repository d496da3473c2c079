"""Attention and transformer blocks beside PyTorch's with the same weights: values, gradients, training."""

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
from tests.library.bench import Bench, experiment, layer, number
from tests.parity.training import loss_of

pytestmark = pytest.mark.parity

Array = NDArray[Any]
Weights = Mapping[str, Array]

PLACES, COLUMNS, HEADS = 7, 12, 3
RANDOM = np.random.default_rng(19)
X = RANDOM.normal(size=(4, PLACES, COLUMNS))
T = RANDOM.normal(size=X.shape)


# ---- the peer's modules, given our weights ------------------------------------------------------


def give(parameter: torch.Tensor, value: Array) -> None:
    with torch.no_grad():
        parameter.copy_(torch.tensor(np.array(value)))


def give_attention(module: nn.MultiheadAttention, weights: Weights, path: str) -> None:
    """The peer keeps the three projections as one, units first; its offsets of keys change nothing."""
    give(module.in_proj_weight, np.concatenate([weights[f"{path}/{each}/w"].T for each in "qkv"]))
    give(module.in_proj_bias, offsets(weights, path))
    give(module.out_proj.weight, weights[f"{path}/out/w"].T)
    give(module.out_proj.bias, weights[f"{path}/out/b"])


def offsets(weights: Weights, path: str) -> Array:
    q, v = (weights[f"{path}/{each}/b"] for each in "qv")
    return np.concatenate([q, np.zeros_like(q), v])


def attention_gradients(module: nn.MultiheadAttention, path: str) -> dict[str, Array]:
    found: dict[str, Array] = {}
    assert module.in_proj_weight.grad is not None
    assert module.in_proj_bias.grad is not None
    for place, each in enumerate("qkv"):
        part = slice(place * COLUMNS, (place + 1) * COLUMNS)
        found[f"{path}/{each}/w"] = module.in_proj_weight.grad[part].numpy().T
        if each != "k":
            found[f"{path}/{each}/b"] = module.in_proj_bias.grad[part].numpy()
    return found | linear_gradients(module.out_proj, f"{path}/out")


def give_linear(module: nn.Linear, weights: Weights, path: str) -> None:
    give(module.weight, weights[f"{path}/w"].T)
    give(module.bias, weights[f"{path}/b"])


def linear_gradients(module: nn.Linear, path: str) -> dict[str, Array]:
    assert module.weight.grad is not None
    assert module.bias.grad is not None
    return {f"{path}/w": module.weight.grad.numpy().T, f"{path}/b": module.bias.grad.numpy()}


def give_norm(module: nn.LayerNorm, weights: Weights, path: str) -> None:
    give(module.weight, weights[f"{path}/gamma"])
    give(module.bias, weights[f"{path}/beta"])


def norm_gradients(module: nn.LayerNorm, path: str) -> dict[str, Array]:
    assert module.weight.grad is not None
    assert module.bias.grad is not None
    return {f"{path}/gamma": module.weight.grad.numpy(), f"{path}/beta": module.bias.grad.numpy()}


def block_of(weights: Weights, path: str, columns: int, heads: int) -> nn.TransformerEncoderLayer:
    """Return the peer's block with the weights of ours, of the same kind of float."""
    kind = torch.float64 if weights[f"{path}/attention/q/w"].dtype == np.float64 else torch.float32
    block = nn.TransformerEncoderLayer(
        columns, heads, 4 * columns, 0.0, "gelu", batch_first=True, norm_first=True, dtype=kind
    )
    give_attention(block.self_attn, weights, f"{path}/attention")
    give_linear(block.linear1, weights, f"{path}/pointwise_1")
    give_linear(block.linear2, weights, f"{path}/pointwise_2")
    give_norm(block.norm1, weights, f"{path}/layernorm_1")
    give_norm(block.norm2, weights, f"{path}/layernorm_2")
    return block


def block_gradients(block: nn.TransformerEncoderLayer, path: str) -> dict[str, Array]:
    return {
        **attention_gradients(block.self_attn, f"{path}/attention"),
        **linear_gradients(block.linear1, f"{path}/pointwise_1"),
        **linear_gradients(block.linear2, f"{path}/pointwise_2"),
        **norm_gradients(block.norm1, f"{path}/layernorm_1"),
        **norm_gradients(block.norm2, f"{path}/layernorm_2"),
    }


def later(places: int) -> torch.Tensor:
    """Return the mask that hides the places that come later."""
    return torch.ones(places, places, dtype=torch.bool).triu(1)


# ---- values and gradients in float64 ------------------------------------------------------------


def ours(chain: str) -> tuple[Bench, dict[str, Array]]:
    """Return a model of squared error with random weights, and its gradients."""
    text = f"""
data d {{ source = npz("d.npz") }}
model m(x: [{PLACES}, {COLUMNS}]) {{ return (out = x -> {chain}) }}
train {{
    model = m
    data = d
    loss = mse(out, t)
    optimizer = sgd(0.1)
    epochs = 1
}}
"""
    fields = [number("x", PLACES, COLUMNS), number("t", PLACES, COLUMNS, target=True)]
    made = experiment(text, fields)
    draw = np.random.default_rng(2)
    weights = {each.path: draw.normal(size=each.shape) / 2 for each in made.weights}
    graph = compile_experiment(made).graphs["differentiated"]
    leaves = {("input", "x"): X, ("input", "t"): T}
    leaves |= {("weight", path): value for path, value in weights.items()}
    found = evaluate(graph, Run(len(X), leaves=leaves))
    gradients = {path: found[f"gradient/{path}"] for path in weights}
    return Bench(made, weights), gradients


def compare(made: Bench, gradients: Weights, theirs: torch.Tensor, their_gradients: Weights) -> None:
    np.testing.assert_allclose(
        made.output("output/out", x=X, t=T), theirs.detach().numpy(), rtol=1e-9, atol=1e-12
    )
    assert set(gradients) == set(their_gradients)
    for path, value in gradients.items():
        np.testing.assert_allclose(value, their_gradients[path], rtol=1e-8, atol=1e-12, err_msg=path)


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention(causal: bool) -> None:
    made, gradients = ours(f"self_attention({HEADS}, causal={'yes' if causal else 'no'})")
    path = "m/self_attention_1"
    module = nn.MultiheadAttention(COLUMNS, HEADS, batch_first=True, dtype=torch.float64)
    give_attention(module, made.weights, path)
    x = torch.tensor(X)
    theirs, _ = module(x, x, x, attn_mask=later(PLACES) if causal else None, need_weights=False)
    F.mse_loss(theirs, torch.tensor(T)).backward()
    compare(made, gradients, theirs, attention_gradients(module, path))


@pytest.mark.parametrize("causal", [False, True])
def test_a_transformer_block(causal: bool) -> None:
    made, gradients = ours(f"transformer_block({HEADS}, causal={'yes' if causal else 'no'})")
    path = "m/transformer_block_1"
    block = block_of(made.weights, path, COLUMNS, HEADS)
    theirs = block(torch.tensor(X), src_mask=later(PLACES) if causal else None)
    F.mse_loss(theirs, torch.tensor(T)).backward()
    compare(made, gradients, theirs, block_gradients(block, path))


def test_cross_attention_has_the_peers_values() -> None:
    made = layer("cross_attention(x -> pointwise(5, bias=no) as other, 3)", X.shape[1:])
    weights = {path: RANDOM.normal(size=value.shape) for path, value in made.weights.items()}
    path = "m/cross_attention_1"
    memory = X @ weights["m/other/w"]
    module = nn.MultiheadAttention(COLUMNS, HEADS, kdim=5, vdim=5, batch_first=True, dtype=torch.float64)
    for name, parameter in zip(
        "qkv", (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight), strict=True
    ):
        give(parameter, weights[f"{path}/{name}/w"].T)
    give(module.in_proj_bias, offsets(weights, path))
    give_linear(module.out_proj, weights, f"{path}/out")
    theirs, _ = module(torch.tensor(X), torch.tensor(memory), torch.tensor(memory), need_weights=False)
    have = Bench(made.experiment, weights).output("output/out", x=X)
    np.testing.assert_allclose(have, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


# ---- a whole training in float32 ----------------------------------------------------------------

WORDS = "ababcdabc acbd. "
LENGTH, WIDTH, STEPS = 16, 24, 20


def text_of(optimizer: str) -> str:
    return f"""
data given {{
    source = text("given.txt", length={LENGTH})
}}

model net(characters: [{LENGTH}, classes]) =
    characters
        -> embedding({WIDTH}, init=normal(0.5))
        -> position_embedding
        -> repeat 2 {{ transformer_block(4, causal=yes) }}
        -> layernorm
        -> pointwise(classes)
        -> softmax

train {{
    model     = net
    data      = given
    loss      = cross_entropy
    optimizer = {optimizer}
    batch     = all
    epochs    = {STEPS}
    metrics   = [accuracy]
}}
"""


class Peer(nn.Module):  # type: ignore[misc]
    """The same network in PyTorch."""

    def __init__(self, weights: Weights, classes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(classes, WIDTH)
        give(self.table.weight, weights["net/embedding_1/table"])
        self.places = nn.Parameter(torch.tensor(np.array(weights["net/position_embedding_1/table"])))
        self.blocks = nn.ModuleList(
            block_of(weights, f"net/transformer_block_{number}", WIDTH, 4) for number in (1, 2)
        )
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, classes)
        give_norm(self.norm, weights, "net/layernorm_1")
        give_linear(self.head, weights, "net/pointwise_1")

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        x = self.table(characters) + self.places
        for block in self.blocks:
            x = block(x, src_mask=later(LENGTH))
        scores: torch.Tensor = self.head(self.norm(x))
        return scores


@pytest.mark.parametrize("optimizer", ["sgd(0.3)", "adam(0.003)"])
def test_a_small_transformer_learns_like_the_peer(optimizer: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    text = "".join(draw.choice(list(WORDS), 300)) + WORDS * 20
    (tmp_path / "given.txt").write_text(text, encoding="utf-8")
    file = tmp_path / "net.net"
    file.write_text(text_of(optimizer), encoding="utf-8")
    start = netdsl.compile(file)
    have = [loss_of(record) for record in netdsl.train(file, run_dir=None, style="quiet").history]
    classes = {each: code for code, each in enumerate(sorted(set(text)))}
    codes = torch.tensor([classes[each] for each in text])
    windows = codes.unfold(0, LENGTH + 1, LENGTH)
    peer = Peer(start.weights, len(classes))
    rate = float(optimizer[:-1].split("(")[1])
    moves = (torch.optim.Adam if "adam" in optimizer else torch.optim.SGD)(peer.parameters(), lr=rate)
    want = []
    for _ in range(STEPS):
        moves.zero_grad()
        loss = F.cross_entropy(peer(windows[:, :-1]).transpose(1, 2), windows[:, 1:])
        loss.backward()
        moves.step()
        want.append(loss.item())
    assert want[-1] < 0.8 * want[0], "the peer must learn"
    np.testing.assert_allclose(have, want, rtol=1e-4)
