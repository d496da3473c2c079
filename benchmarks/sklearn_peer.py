"""scikit-learn: its perceptron, for the workloads that it can train as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.workloads import Workload

WORKLOADS = "w3", "w4"
"""Only these: it has no dropout, L1 penalty, convolution, nor a squared error behind a sigmoid."""


class Peer:
    """A perceptron's training by `partial_fit`, which takes its rows in batches, in their order."""

    def __init__(
        self, form: str, workload: Workload, start: Mapping[str, Any], rows: Mapping[str, Any], rate: float,
        threads: int,
    ) -> None:  # fmt: skip
        self.x, self.t = rows["x"].reshape(len(rows["x"]), -1), rows["t"]
        count = sum(name.endswith("/w") for name in start)
        w, b = ([np.array(start[f"mlp/dense_{k}/{part}"]) for k in range(1, count + 1)] for part in "wb")
        self.classes = np.unique(self.t)
        self.model = MLPClassifier(
            [len(each) for each in b[:-1]], activation="tanh", solver="sgd", alpha=0.0, momentum=0.0,
            batch_size=workload.batch, learning_rate_init=workload.lr, shuffle=False,
        )  # fmt: skip
        self.model.partial_fit(self.x[: workload.batch], self.t[: workload.batch], classes=self.classes)
        for mine, theirs in zip(w + b, self.model.coefs_ + self.model.intercepts_, strict=True):
            theirs[...] = mine
        self.batch = workload.batch

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows one by one; return their losses."""
        found = []
        for batch in order.reshape(-1, self.batch):
            self.model.partial_fit(self.x[batch], self.t[batch])
            found.append(self.model.loss_)
        return np.asarray(found, np.float32)

    def timed(self, order: np.ndarray) -> None:
        """Take all steps in one call."""
        self.model.partial_fit(self.x[order], self.t[order])
