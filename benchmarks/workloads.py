"""The networks that `steps.py` times, each as netdsl has it and as PyTorch's tutorials write it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Arrays = Mapping[str, Any]
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Workload:
    """A file, its parameter that takes dropout away (None where there is none), and the same network in
    PyTorch, made from the same start. `penalty` is the weight of the L1 norm of its matrices; `pictures`
    tells whether its data are drawn."""

    title: str
    file: str
    peer: Callable[[Arrays, float], nn.Sequential]
    rate: float | None = None
    penalty: float = 0.0
    pictures: bool = False

    def path(self, folder: Path) -> Path:
        """Return the file to be opened: a copy beside its pictures, where these are drawn."""
        if not self.pictures:
            return FOLDER / self.file
        draw = np.random.default_rng(0)
        images = draw.normal(size=(4000, 32, 32, 3)).astype(np.float32)
        np.savez(folder / "w6.npz", image=images, label=draw.integers(0, 10, len(images)).astype(np.int32))
        return Path(shutil.copy(FOLDER / self.file, folder))


def _dense(start: Arrays, path: str, image: tuple[int, int, int] | None = None) -> nn.Linear:
    """Return a dense layer; behind a flattened image [height, width, channels] its rows are in PyTorch's
    order, channels first."""
    w = np.asarray(start[f"{path}/w"])
    if image is not None:
        w = w.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(len(w), -1)
    layer = nn.Linear(*w.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(w.T.copy()))
        layer.bias.copy_(torch.tensor(start[f"{path}/b"]))
    return layer


def _conv(start: Arrays, path: str, pad: int) -> nn.Conv2d:
    kernel = np.asarray(start[f"{path}/k"]).transpose(3, 2, 0, 1)
    outputs, inputs, size, _ = kernel.shape
    layer = nn.Conv2d(inputs, outputs, size, padding=pad, bias=f"{path}/b" in start)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(kernel.copy()))
        if layer.bias is not None:
            layer.bias.copy_(torch.tensor(start[f"{path}/b"]))
    return layer


def _perceptron(start: Arrays, rate: float) -> nn.Sequential:
    one, two, three = (_dense(start, f"mlp/dense_{number}") for number in (1, 2, 3))
    drop = nn.Dropout(rate)
    return nn.Sequential(nn.Flatten(), one, nn.ReLU(), drop, two, nn.ReLU(), drop, three)


def _lenet(start: Arrays, rate: float) -> nn.Sequential:
    return nn.Sequential(
        _conv(start, "lenet/conv_1", 2), nn.ReLU(), nn.MaxPool2d(2),
        _conv(start, "lenet/conv_2", 0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        _dense(start, "lenet/dense_1", (5, 5, 16)), nn.ReLU(),
        _dense(start, "lenet/dense_2"), nn.ReLU(), _dense(start, "lenet/dense_3"),
    )  # fmt: skip


def _cnn(start: Arrays, rate: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in (1, 2, 3, 4):
        conv = _conv(start, f"cnn/unit_{number}/conv_1", 1)
        layers += [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if number % 2 == 0 else []
    dense = _dense(start, "cnn/dense_1", (8, 8, 64)), nn.ReLU(), _dense(start, "cnn/dense_2")
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(rate), *dense)


WORKLOADS = {
    "w1": Workload("784-512-256-10", "w1.net", _perceptron, 0.1, 1e-5),
    "w5": Workload("LeNet on 28x28", "w5.net", _lenet),
    "w6": Workload("four 3x3 convolutions with batch norm on 32x32x3", "w6.net", _cnn, 0.25, pictures=True),
}
