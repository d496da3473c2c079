"""PyTensor: the perceptrons as a function of shared variables, compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks.workloads import Workload

WORKLOADS = "w1", "w2", "w3", "w4", "w11"


class Peer:
    """A perceptron's training, as PyTensor runs it."""

    def __init__(
        self, form: str, workload: Workload, start: Mapping[str, Any], rows: Mapping[str, Any], rate: float,
        threads: int,
    ) -> None:  # fmt: skip
        pytensor.config.floatX = "float32"
        self.workload, self.rate = workload, rate
        self.x = pytensor.shared(np.ascontiguousarray(rows["x"].reshape(len(rows["x"]), -1)), borrow=True)
        self.t = pytensor.shared(rows["t"], borrow=True)
        count = sum(name.endswith("/w") for name in start)
        names = [f"mlp/dense_{number}/{part}" for number in range(1, count + 1) for part in "wb"]
        self.parameters = [pytensor.shared(np.array(start[name]), name) for name in names]
        self.stream = pt.random.utils.RandomStream(0) if rate else None
        batch = pt.lvector("batch")
        loss, objective = self._costs(self.x[batch], self.t[batch])
        slopes = pytensor.gradient.grad(objective, self.parameters)
        self.step = pytensor.function([batch], loss, updates=self._moves(slopes))

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        return np.asarray([self.step(batch) for batch in order.reshape(-1, self.workload.batch)], np.float32)

    def _costs(self, x: Any, t: Any) -> tuple[Any, Any]:
        acts = {"w1": pt.nnet.relu if hasattr(pt, "nnet") else lambda z: pt.maximum(z, np.float32(0)),
                "w2": pt.sigmoid, "w3": pt.tanh, "w4": pt.tanh, "w11": ripple}  # fmt: skip
        y = x
        for k in range(0, len(self.parameters) - 2, 2):
            y = acts[self.workload.name](y @ self.parameters[k] + self.parameters[k + 1])
            if self.stream is not None:
                kept = self.stream.bernoulli(1 - self.rate, size=y.shape).astype("float32")
                y = y * kept * np.float32(1 / (1 - self.rate))
        loss = cost(self.workload.cost, y @ self.parameters[-2] + self.parameters[-1], t)
        if not self.workload.l1:
            return loss, loss
        return loss, loss + np.float32(self.workload.l1) * sum(abs(w).sum() for w in self.parameters[::2])

    def _moves(self, slopes: list[Any]) -> list[tuple[Any, Any]]:
        lr = np.float32(self.workload.lr)
        if self.workload.optimizer == "sgd":
            return [(w, w - lr * g) for w, g in zip(self.parameters, slopes, strict=True)]
        moves = []
        time = pytensor.shared(np.float32(0))
        now = time + np.float32(1)
        for w, g in zip(self.parameters, slopes, strict=True):
            m, v = (pytensor.shared(np.zeros_like(w.get_value())) for _ in range(2))
            if self.workload.optimizer == "momentum":
                moved = np.float32(0.9) * m - lr * g
                moves += [(m, moved), (w, w + moved)]
                continue
            m_new = np.float32(0.9) * m + np.float32(0.1) * g
            v_new = np.float32(0.999) * v + np.float32(0.001) * g * g
            first, second = (1 - pt.power(np.float32(beta), now) for beta in (0.9, 0.999))
            step = lr * (m_new / first) / (pt.sqrt(v_new / second) + np.float32(1e-8))
            moves += [(m, m_new), (v, v_new), (w, (w - step).astype("float32"))]
        return [*moves, (time, now)]


def cost(kind: str, y: Any, t: Any) -> Any:
    """Return the mean loss of a batch."""
    if kind == "cross_entropy":
        return -pt.special.log_softmax(y, axis=1)[pt.arange(t.shape[0]), t].mean(dtype="float32")
    if kind == "mse":
        one_hot = pt.eq(t[:, None], np.arange(10)[None, :]).astype("float32")
        return ((pt.sigmoid(y) - one_hot) ** 2).mean(dtype="float32")
    if kind == "binary_cross_entropy":
        return (pt.softplus(y[:, 0]) - t.astype("float32") * y[:, 0]).mean(dtype="float32")
    r = y - t
    q = r * r
    return (pt.log1p(q) + np.float32(0.5) * pt.tanh(q / (1 + abs(r)))).mean(dtype="float32")


def ripple(x: Any) -> Any:
    return x / (1 + abs(x)) + pt.tanh(np.float32(3) * x) * pt.exp(np.float32(-0.1) * x * x)
