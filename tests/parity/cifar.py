"""`models/cifar_cnn.net` beside the same network in PyTorch: same start, same batches, same optimizer.

    python -m tests.parity.cifar [SEED ...]

trains both for each seed and prints the accuracy of the test part.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray

import netdsl
from netdsl.data.batches import order
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import start_values
from netdsl.semantics.schema import PartName

FILE = Path(__file__).resolve().parents[2] / "models" / "cifar_cnn.net"
RATE, MOMENTUM, PENALTY = 0.01, 0.9, 1e-4  # as the file has them
UNITS = 6
SMALL_RATE = 0.002
"""At the file's rate and momentum the first steps are chaotic: PyTorch in float32 is then farther from itself
in float64 than 0.001. At this rate, without momentum, it stays within 0.0002 over 100 steps."""

Images = NDArray[np.uint8]
Rate = Callable[[int], float]


@dataclass
class Peer:
    """The network and its optimizer in PyTorch, from weights by netdsl's names."""

    start: Mapping[str, NDArray[Any]]
    drop: float = 0.0
    momentum: float = MOMENTUM
    weights: dict[str, torch.Tensor] = field(init=False)
    moving: dict[str, torch.Tensor] = field(init=False)
    velocity: dict[str, torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        kept = {name: value for name, value in self.start.items() if "@" not in name}
        named = {name: torch.tensor(np.array(value)) for name, value in kept.items()}
        ours = {name.removeprefix("cnn/"): each for name, each in named.items() if name.startswith("cnn/")}
        self.moving = {name: each.flatten() for name, each in ours.items() if name.endswith(("/mu", "/var"))}
        self.weights = {name: each.requires_grad_() for name, each in ours.items() if name not in self.moving}
        self.velocity = {name: torch.zeros_like(each) for name, each in self.weights.items()}
        self.center, self.spread = (named[f"cifar/image/{name}"] for name in ("center", "spread"))

    def scores(self, images: Images, *, training: bool) -> torch.Tensor:
        """Return the scores before the softmax. Shape: (rows, 10)."""
        h = ((torch.tensor(images).float() - self.center) / self.spread).permute(0, 3, 1, 2)
        for number in range(1, UNITS + 1):
            name = f"unit_{number}"
            h = F.conv2d(h, self.weights[f"{name}/conv_1/k"].permute(3, 2, 0, 1), padding=1)
            h = torch.relu(self._normalized(h, f"{name}/batchnorm_1", training=training))
            if number % 2 == 0:
                h = F.max_pool2d(h, 2)
        flat = h.permute(0, 2, 3, 1).flatten(1)
        dropped = F.dropout(flat, self.drop, training=training)
        return dropped @ self.weights["dense_1/w"] + self.weights["dense_1/b"]

    def step(self, images: Images, labels: NDArray[np.int32], rate: float) -> float:
        """Take one step; return the loss without the penalty."""
        loss = F.cross_entropy(self.scores(images, training=True), torch.tensor(labels).long())
        penalized = (each for name, each in self.weights.items() if name.endswith(("/k", "/w")))
        penalty = PENALTY * torch.stack([(each**2).sum() for each in penalized]).sum()
        gradients = torch.autograd.grad(loss + penalty, list(self.weights.values()))
        with torch.no_grad():
            for (name, weight), gradient in zip(self.weights.items(), gradients, strict=True):
                velocity = self.velocity[name].mul_(self.momentum).sub_(rate * gradient)
                weight.add_(velocity)
        return float(loss.item())

    def accuracy(self, images: Images, labels: NDArray[np.int32]) -> float:
        """Return the share of images whose class is told right."""
        with torch.no_grad():
            pieces = [self.scores(images[n : n + 500], training=False) for n in range(0, len(images), 500)]
        return float((torch.cat(pieces).argmax(1).numpy() == labels).mean())

    def _normalized(self, h: torch.Tensor, name: str, *, training: bool) -> torch.Tensor:
        moving = self.moving[f"{name}/mu"], self.moving[f"{name}/var"]
        gamma, beta = self.weights[f"{name}/gamma"], self.weights[f"{name}/beta"]
        return F.batch_norm(h, *moving, gamma, beta, training=training, momentum=0.1, eps=1e-5)


def batches(rows: int, batch: int, seed: int, steps: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each step, as netdsl draws them."""
    per_epoch = math.ceil(rows / batch)
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        yield order(rows, seed, epoch)[place * batch : (place + 1) * batch]


def losses(steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the loss at each of some steps by plain descent, by netdsl and by PyTorch, without dropout."""
    given = {"drop": "0", "train.optimizer": f"sgd({SMALL_RATE})"}
    opened = open_file(FILE, Options(given))
    dataset, plan = opened.dataset, opened.experiment.training
    assert dataset is not None
    assert plan.batch is not None
    part = dataset.part("train")
    rows = len(part["label"])
    with Engine(opened.experiment, None) as engine:
        start = start_values(opened, {"train": part})
        rows_of = engine.part(dataset, "train", start)
        program = engine.load("training", start)
        program.bind(rows_of.prepared)
        peer = Peer(start, momentum=0)
        ours, theirs = [], []
        for step, chosen in enumerate(batches(rows, plan.batch, plan.seed, steps)):
            told = program.run(chosen, len(chosen), step=step, seed=plan.seed, scalars=_scalars(rows))
            ours.append(float(told["loss"][0]))
            theirs.append(peer.step(part["image"][chosen], part["label"][chosen], SMALL_RATE))
    return np.array(ours), np.array(theirs)


def _scalars(rows: int) -> dict[str, float]:
    return {"epoch": 0.0, "steps": 1.0, "epochs": 1.0, "examples": float(rows)}


def accuracies(seed: int, epochs: int = 15) -> dict[str, float]:
    """Return the accuracy of the test part, by netdsl and by PyTorch, both trained as the file says."""
    run = netdsl.train(FILE, run_dir=None, style="quiet", seed=seed, overrides={"train.epochs": epochs})
    opened = open_file(FILE, Options({"train.seed": str(seed), "train.epochs": str(epochs)}))
    assert opened.dataset is not None
    names: tuple[PartName, PartName] = ("train", "test")
    train, test = (opened.dataset.part(name) for name in names)
    peer = Peer(start_values(opened, {"train": train}), drop=0.5)
    rows = len(train["label"])
    steps = epochs * math.ceil(rows / 64)
    torch.manual_seed(seed)
    for step, chosen in enumerate(batches(rows, 64, seed, steps)):
        rate = RATE * (1 + math.cos(math.pi * step / steps)) / 2
        peer.step(train["image"][chosen], train["label"][chosen], rate)
    ours = run.figures["test"]["accuracy"]
    assert isinstance(ours, float)
    return {"netdsl": ours, "PyTorch": peer.accuracy(test["image"], test["label"])}


def main() -> None:
    """Print the accuracies of some seeds."""
    for seed in [int(each) for each in sys.argv[1:]] or [1, 2, 3]:
        found = accuracies(seed)
        print(
            f"seed {seed}: " + ", ".join(f"{name} {share:.1%}" for name, share in found.items()), flush=True
        )


if __name__ == "__main__":
    main()
