"""NumPy: the perceptrons with their gradients written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.workloads import Workload

WORKLOADS = "w1", "w2", "w3", "w4", "w11"

Activated = tuple[np.ndarray, Callable[[], np.ndarray]]
"""An activation, and what computes its slope, which training alone needs."""


class Peer:
    """A perceptron's training by matrix products; float32 throughout, results in place where they can be."""

    def __init__(
        self, form: str, workload: Workload, start: Mapping[str, Any], rows: Mapping[str, Any], rate: float,
        threads: int,
    ) -> None:  # fmt: skip
        self.workload, self.rate = workload, rate
        self.x = rows["x"].reshape(len(rows["x"]), -1)
        self.t = rows["t"]
        if workload.cost == "mse":
            self.t = np.eye(10, dtype=np.float32)[self.t]
        elif workload.cost == "binary_cross_entropy":
            self.t = self.t.astype(np.float32)[:, None]
        count = sum(name.endswith("/w") for name in start)
        names = [f"mlp/dense_{number}/{part}" for number in range(1, count + 1) for part in "wb"]
        self.parameters = [np.array(start[name], np.float32) for name in names]
        self.m = [np.zeros_like(each) for each in self.parameters]
        self.v = [np.zeros_like(each) for each in self.parameters]
        self.draw = np.random.default_rng(0)
        self.act = {"w1": relu, "w2": sigmoid, "w3": tanh, "w4": tanh, "w11": ripple}[workload.name]
        self.last = LAST[workload.cost]
        self.step = 0

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        batches = order.reshape(-1, self.workload.batch)
        return np.asarray([self._step(self.x[batch], self.t[batch]) for batch in batches], np.float32)

    def infer(self, order: np.ndarray, batch: int) -> np.ndarray:
        """Return the outputs of rows, so many at a time."""
        found = []
        for at in range(0, len(order), batch):
            y = self.x[order[at : at + batch]]
            for k in range(0, len(self.parameters) - 2, 2):
                y = self.act(y @ self.parameters[k] + self.parameters[k + 1])[0]
            found.append(self.last(y @ self.parameters[-2] + self.parameters[-1]))
        return np.concatenate(found)

    def _step(self, x: np.ndarray, t: np.ndarray) -> float:
        inputs, slopes = [x], []
        for k in range(0, len(self.parameters) - 2, 2):
            y, slope_of = self.act(inputs[-1] @ self.parameters[k] + self.parameters[k + 1])
            slope = slope_of()
            if self.rate:
                kept = (self.draw.random(y.shape, np.float32) >= self.rate) * np.float32(1 / (1 - self.rate))
                y, slope = y * kept, slope * kept
            inputs.append(y)
            slopes.append(slope)
        loss, d = self._cost(inputs[-1] @ self.parameters[-2] + self.parameters[-1], t)
        self.step += 1
        for k in range(len(slopes), -1, -1):
            w = self.parameters[2 * k]
            to_w, to_b = inputs[k].T @ d, d.sum(0)
            if k:
                d = (d @ w.T) * slopes[k - 1]
            if self.workload.l1:
                to_w += np.float32(self.workload.l1) * np.sign(w)
            self._move(2 * k, to_w)
            self._move(2 * k + 1, to_b)
        return loss

    def _cost(self, y: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient with respect to the scores."""
        rows = len(y)
        if self.workload.cost == "cross_entropy":
            p = softmax(y)
            at = np.arange(rows), t
            loss = -np.log(p[at]).mean()
            p[at] -= 1
            return float(loss), p / np.float32(rows)
        if self.workload.cost == "binary_cross_entropy":
            loss = (np.logaddexp(0, y) - t * y).mean()
            return float(loss), (expit(y) - t) / np.float32(rows)
        if self.workload.cost == "mse":
            p, slope_of = sigmoid(y)
            r = p - t
            return float((r * r).mean()), r * slope_of() * np.float32(2 / r.size)
        r = y - t
        q, far = r * r, 1 + np.abs(r)
        near = np.tanh(q / far)
        loss = (np.log1p(q) + 0.5 * near).mean()
        d = 2 * r / (1 + q) + 0.5 * (1 - near * near) * (2 * r / far - q * np.sign(r) / (far * far))
        return float(loss), d / np.float32(r.size)

    def _move(self, k: int, g: np.ndarray) -> None:
        w, lr = self.parameters[k], np.float32(self.workload.lr)
        if self.workload.optimizer == "sgd":
            g *= lr
            w -= g
        elif self.workload.optimizer == "momentum":
            g *= lr
            self.m[k] *= np.float32(0.9)
            self.m[k] -= g
            w += self.m[k]
        else:
            m, v, t = self.m[k], self.v[k], self.step
            m *= np.float32(0.9)
            m += np.float32(0.1) * g
            v *= np.float32(0.999)
            g *= g
            v += np.float32(0.001) * g
            np.sqrt(v, out=g)
            g *= np.float32(1 / np.sqrt(1 - 0.999**t))
            g += np.float32(1e-8)
            np.divide(m, g, out=g)
            g *= np.float32(lr / (1 - 0.9**t))
            w -= g


def softmax(y: np.ndarray) -> np.ndarray:
    p: np.ndarray = np.exp(y - y.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p


def expit(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = 1 / (1 + np.exp(-x))
    return y


def relu(x: np.ndarray) -> Activated:
    return np.maximum(x, 0), lambda: x > 0


def sigmoid(x: np.ndarray) -> Activated:
    y = expit(x)
    return y, lambda: y * (1 - y)


def tanh(x: np.ndarray) -> Activated:
    y = np.tanh(x)
    return y, lambda: 1 - y * y


def ripple(x: np.ndarray) -> Activated:
    far = 1 + np.abs(x)
    wave, fade = np.tanh(3 * x), np.exp(np.float32(-0.1) * x * x)
    return (
        x / far + wave * fade,
        lambda: 1 / (far * far) + fade * (3 * (1 - wave * wave) - np.float32(0.2) * x * wave),
    )


LAST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "cross_entropy": softmax, "mse": expit, "binary_cross_entropy": expit, "patient": np.asarray,
}  # fmt: skip
"""What makes the outputs of the last layer's scores."""
