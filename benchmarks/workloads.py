"""The workloads: what each is called, and what a peer has to know to do the same work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).resolve().parent

Cost = Literal["cross_entropy", "mse", "binary_cross_entropy", "patient"]
Optimizer = Literal["adam", "momentum", "sgd"]


@dataclass(frozen=True, slots=True)
class Workload:
    """A `.net` file beside this module, and its training in the words of its peers.

    `dropout` is the file's `rate`, `l1` the weight of the sum of the magnitudes of all matrices.
    """

    name: str
    title: str
    batch: int
    cost: Cost
    optimizer: Optimizer
    lr: float
    dropout: float = 0.0
    l1: float = 0.0

    @property
    def file(self) -> Path:
        """Return the path of its file."""
        return FOLDER / f"{self.name}.net"


WORKLOADS = {
    each.name: each
    for each in (
        Workload("w1", "784-512-256-10, dropout, L1", 64, "cross_entropy", "adam", 0.001, 0.1, 1e-5),
        Workload("w2", "784-300-10, sigmoid, MSE", 64, "mse", "momentum", 0.1),
        Workload("w3", "784-2500-2000-1500-1000-500-10", 128, "cross_entropy", "sgd", 0.01),
        Workload("w4", "30-16-1", 32, "binary_cross_entropy", "sgd", 0.1),
        Workload("w5", "LeNet, 28x28", 64, "cross_entropy", "adam", 0.001),
        Workload("w6", "four 3x3 convolutions, batch norm", 64, "cross_entropy", "adam", 0.001, 0.25),
        Workload("w7", "ResNet-20, 32x32x3", 128, "cross_entropy", "momentum", 0.01),
        Workload("w8", "two transformer blocks", 32, "cross_entropy", "adam", 0.001),
        Workload("w9", "LSTM of 128, 50 steps", 64, "cross_entropy", "adam", 0.001),
        Workload("w10", "six depthwise-separable convolutions", 64, "cross_entropy", "adam", 0.001),
        Workload("w11", "formulas of ten operations", 128, "patient", "adam", 0.001),
    )
}  # fmt: skip
