"""Keras on JAX or on PyTorch: `fit` over batches that were laid out beforehand, not shuffled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.workloads import Workload

Arrays = Mapping[str, Any]


class Peer:
    """A workload's training, as Keras runs it."""

    def __init__(
        self, form: str, workload: Workload, start: Arrays, rows: Arrays, rate: float, threads: int
    ) -> None:
        os.environ["KERAS_BACKEND"] = form
        import keras

        from benchmarks.keras_networks import network

        if form == "torch":
            import torch

            torch.set_num_threads(threads)
        keras.utils.set_random_seed(0)
        self.workload, self.keras = workload, keras
        self.penalized = workload.l1 > 0
        self.x, self.t = rows["x"], rows["t"]
        if workload.cost == "mse":
            self.t = np.eye(10, dtype=np.float32)[self.t]
        elif workload.cost == "binary_cross_entropy":
            self.t = self.t.astype(np.float32)[:, None]
        self.model = network(workload, self.x.shape[1:], start, rate)
        self.model.compile(optimizer=self._optimizer(), loss=self._cost())
        self.laid: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]] = {}

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses; Keras tells their means so far."""
        x, t = self._rows(order)
        told = Told(self.keras)
        self.model.fit(
            x,
            t,
            batch_size=self.workload.batch,
            epochs=1,
            shuffle=False,
            verbose=0,
            callbacks=[told.callback],
        )
        return np.asarray(told.losses(), np.float32)

    def timed(self, order: np.ndarray) -> None:
        """Take steps without listening to each loss."""
        x, t = self._rows(order)
        self.model.fit(x, t, batch_size=self.workload.batch, epochs=1, shuffle=False, verbose=0)

    def infer(self, order: np.ndarray, batch: int) -> np.ndarray:
        """Return the outputs of rows, so many at a time."""
        x, _ = self._rows(order)
        scores = [self.model.predict_on_batch(x[at : at + batch]) for at in range(0, len(x), batch)]
        return np.asarray(self.keras.ops.softmax(np.concatenate(scores)))

    def _rows(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of an order, laid out once: gathering them is not what is timed."""
        key = (len(order), int(order[0]), int(order[-1]))
        if key not in self.laid:
            self.laid[key] = self.x[order], self.t[order]
        return self.laid[key]

    def _optimizer(self) -> Any:
        lr, kinds = self.workload.lr, self.keras.optimizers
        if self.workload.optimizer == "adam":
            return kinds.Adam(lr, epsilon=1e-8)
        return kinds.SGD(lr, momentum=0.9 if self.workload.optimizer == "momentum" else 0.0)

    def _cost(self) -> Any:
        ops, losses = self.keras.ops, self.keras.losses
        match self.workload.cost:
            case "cross_entropy":
                return losses.SparseCategoricalCrossentropy(from_logits=True)
            case "mse":
                return losses.MeanSquaredError()
            case "binary_cross_entropy":
                return losses.BinaryCrossentropy(from_logits=True)

        def patient(t: Any, y: Any) -> Any:
            r = y - t
            q = r**2
            return ops.mean(ops.log(1 + q) + 0.5 * ops.tanh(q / (1 + ops.abs(r))), -1)

        return patient


class Told:
    """What `fit` tells after each batch."""

    def __init__(self, keras: Any) -> None:
        self.means: list[float] = []
        self.callback = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self.means.append(float(logs["loss"]))
        )

    def losses(self) -> np.ndarray:
        """Return the loss of each batch from the running means."""
        sums = np.asarray(self.means) * np.arange(1, len(self.means) + 1)
        return np.diff(sums, prepend=0.0)
