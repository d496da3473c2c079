"""The networks of the workloads as PyTorch's tutorials write them, with netdsl's initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

Arrays = Mapping[str, Any]


def network(name: str, start: Arrays, rate: float) -> nn.Module:
    """Return the network of a workload; it ends with scores, where netdsl's ends with probabilities."""
    return NETWORKS[name](start, rate)


def filled(parameter: Tensor, values: Any) -> None:
    """Write values into a parameter."""
    with torch.no_grad():
        parameter.copy_(torch.tensor(np.ascontiguousarray(values)))


def dense(start: Arrays, path: str, image: tuple[int, int, int] | None = None) -> nn.Linear:
    """Return a dense layer; behind a flattened image [height, width, channels] its rows are in PyTorch's
    order, channels first."""
    w = np.asarray(start[f"{path}/w"])
    if image is not None:
        w = w.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(len(w), -1)
    layer = nn.Linear(*w.shape, bias=f"{path}/b" in start)
    filled(layer.weight, w.T)
    if layer.bias is not None:
        filled(layer.bias, start[f"{path}/b"])
    return layer


def conv(start: Arrays, path: str, pad: int = 0, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution."""
    kernel = np.asarray(start[f"{path}/k"]).transpose(3, 2, 0, 1)
    outputs, inputs, size, _ = kernel.shape
    has_offset = f"{path}/b" in start
    layer = nn.Conv2d(inputs * groups, outputs, size, stride, pad, groups=groups, bias=has_offset)
    filled(layer.weight, kernel)
    if layer.bias is not None:
        filled(layer.bias, start[f"{path}/b"])
    return layer


def normed(start: Arrays, path: str, pad: int = 0, stride: int = 1) -> nn.Sequential:
    """Return a convolution and its batch norm."""
    layer = conv(start, path, pad, stride)
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels))


def perceptron(start: Arrays, rate: float, act: type[nn.Module]) -> nn.Sequential:
    """Return dense layers with an activation and dropout between them."""
    count = sum(name.endswith("/w") for name in start)
    layers: list[nn.Module] = [nn.Flatten()]
    for number in range(1, count):
        layers += [dense(start, f"mlp/dense_{number}"), act()]
        layers += [nn.Dropout(rate)] if rate else []
    return nn.Sequential(*layers, dense(start, f"mlp/dense_{count}"))


def lenet(start: Arrays, rate: float) -> nn.Sequential:
    return nn.Sequential(
        conv(start, "lenet/conv_1", 2), nn.ReLU(), nn.MaxPool2d(2),
        conv(start, "lenet/conv_2"), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        dense(start, "lenet/dense_1", (5, 5, 16)), nn.ReLU(),
        dense(start, "lenet/dense_2"), nn.ReLU(), dense(start, "lenet/dense_3"),
    )  # fmt: skip


def stages(start: Arrays, rate: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in (1, 2, 3, 4):
        layers += [normed(start, f"cnn/unit_{number}/conv_1", 1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if number % 2 == 0 else []
    behind = dense(start, "cnn/dense_1", (8, 8, 64)), nn.ReLU(), dense(start, "cnn/dense_2")
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(rate), *behind)


class Residual(nn.Module):
    """A residual block."""

    def __init__(self, start: Arrays, path: str, stride: int) -> None:
        super().__init__()
        self.one = normed(start, f"{path}/conv_1", 1, stride)
        self.two = normed(start, f"{path}/conv_2", 1)
        self.short = normed(start, f"{path}/conv_3", 0, stride) if f"{path}/conv_3/k" in start else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.two(F.relu(self.one(x)))
        return F.relu(y + (x if self.short is None else self.short(x)))


def resnet(start: Arrays, rate: float) -> nn.Sequential:
    strides = [2 if number in (4, 7) else 1 for number in range(1, 10)]
    blocks = [Residual(start, f"resnet/block_{k}", stride) for k, stride in enumerate(strides, 1)]
    stem = normed(start, "resnet/conv_1", 1), nn.ReLU()
    return nn.Sequential(
        *stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense(start, "resnet/dense_1")
    )


def separable(start: Arrays, rate: float) -> nn.Sequential:
    layers: list[nn.Module] = [normed(start, "cnn/conv_1", 1), nn.ReLU()]
    for number in range(1, 7):
        path = f"cnn/block_{number}/separable_conv_1"
        layers += [conv(start, f"{path}/depthwise_conv_1/conv_1", 1, groups=64)]
        layers += [normed(start, f"{path}/conv_1"), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense(start, "cnn/dense_1"))


class Block(nn.Module):
    """A block of a transformer, the norm before each part."""

    def __init__(self, start: Arrays, path: str, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (
            dense(start, f"{path}/attention/{name}") for name in ("q", "k", "v", "out")
        )
        self.norm1, self.norm2 = nn.LayerNorm(64), nn.LayerNorm(64)
        self.wide, self.narrow = dense(start, f"{path}/pointwise_1"), dense(start, f"{path}/pointwise_2")

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        h = self.norm1(x)
        q, k, v = (
            each(h).view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for each in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x))))


class Transformer(nn.Module):
    """Embeddings, two blocks, a norm and scores."""

    def __init__(self, start: Arrays, rate: float) -> None:
        super().__init__()
        table = np.asarray(start["transformer/embedding_1/table"])
        self.embedding = nn.Embedding(*table.shape)
        filled(self.embedding.weight, table)
        self.positions = nn.Parameter(torch.tensor(start["transformer/position_embedding_1/table"]))
        self.blocks = nn.Sequential(
            *(Block(start, f"transformer/transformer_block_{number}", 4) for number in (1, 2))
        )
        self.norm = nn.LayerNorm(64)
        self.scores = dense(start, "transformer/pointwise_1")

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.norm(self.blocks(self.embedding(x) + self.positions)))


class Writer(nn.Module):
    """An LSTM over one-hot characters, with scores at each place. netdsl's one offset is the sum of PyTorch's
    two, of which the second is left at 0; its forget gate is opened by 1 beforehand."""

    def __init__(self, start: Arrays, rate: float) -> None:
        super().__init__()
        w, u, b = (np.asarray(start[f"writer/lstm_1/cell/{name}"]) for name in "wub")
        self.letters, units = w.shape[0], u.shape[0]
        self.lstm = nn.LSTM(self.letters, units, batch_first=True)
        opened = b.copy()
        opened[units : 2 * units] += 1
        for parameter, values in (
            (self.lstm.weight_ih_l0, w.T), (self.lstm.weight_hh_l0, u.T),
            (self.lstm.bias_ih_l0, opened), (self.lstm.bias_hh_l0, 0 * b),
        ):  # fmt: skip
            filled(parameter, values)
        self.lstm.bias_hh_l0.requires_grad_(False)
        self.scores = dense(start, "writer/pointwise_1")

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.lstm(F.one_hot(x.long(), self.letters).float())[0])


class Ripple(nn.Module):
    """The activation of `w11.net`."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (1 + x.abs()) + torch.tanh(3 * x) * torch.exp(-0.1 * x**2)


NETWORKS = {
    "w1": lambda start, rate: perceptron(start, rate, nn.ReLU),
    "w2": lambda start, rate: nn.Sequential(perceptron(start, rate, nn.Sigmoid), nn.Sigmoid()),
    "w3": lambda start, rate: perceptron(start, rate, nn.Tanh),
    "w4": lambda start, rate: perceptron(start, rate, nn.Tanh),
    "w5": lenet, "w6": stages, "w7": resnet, "w8": Transformer, "w9": Writer, "w10": separable,
    "w11": lambda start, rate: perceptron(start, rate, Ripple),
}  # fmt: skip
