"""JAX: a compiled step called from Python, and many steps in one call by `lax.scan`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, nn

from benchmarks.jax_networks import NETWORKS, Weights
from benchmarks.workloads import Workload

State = tuple[Weights, Weights, Weights, Array]
"""Weights, two states of the optimizer for each, and the step from 0."""


PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32", "bf16": "bfloat16"}
"""What JAX calls what factors of products and convolutions are rounded to."""


class Peer:
    """A workload's training, as JAX runs it."""

    def __init__(
        self, form: str, workload: Workload, start: Mapping[str, Any], rows: Mapping[str, Any], rate: float,
        threads: int, device: str = "cpu", precision: str = "float32",
    ) -> None:  # fmt: skip
        if device != "cpu":
            # TF32 is the default on a device.
            jax.config.update("jax_default_matmul_precision", PRECISIONS[precision])
            jax.config.update("jax_default_device", first_device(device))
        self.workload, self.form, self.rate = workload, form, rate
        self.x, self.t = jnp.asarray(rows["x"]), jnp.asarray(rows["t"])
        trained = ("/w", "/b", "/u", "/k", "/gamma", "/beta", "/table")
        weights = {name: jnp.asarray(each) for name, each in start.items() if name.endswith(trained)}
        zeros = {name: jnp.zeros_like(each) for name, each in weights.items()}
        copies = jax.tree.map(jnp.copy, zeros)
        self.state: State = (weights, zeros, copies, jnp.zeros((), jnp.int32))
        self.key = jax.random.key(0)
        self.network = NETWORKS[workload.name]
        self.one = jax.jit(self._step, donate_argnums=0)
        self.many = jax.jit(self._steps, donate_argnums=0)
        self.given = {name: jnp.asarray(each) for name, each in start.items()}
        self.answer = jax.jit(lambda w, x: nn.softmax(self.network(w, x, None, 0.0)))

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        batches = order.reshape(-1, self.workload.batch).astype(np.int32)
        if self.form == "scan":
            self.state, losses = self.many(self.state, self.x, self.t, self.key, batches)
            return np.asarray(losses)
        found = []
        for batch in batches:
            self.state, loss = self.one(self.state, self.x, self.t, self.key, batch)
            found.append(loss)
        return np.asarray(jnp.stack(found))

    def infer(self, order: np.ndarray, batch: int) -> np.ndarray:
        """Return the outputs of rows, so many at a time."""
        rows = np.asarray(self.x)  # a view: training holds its rows once
        found = [self.answer(self.given, rows[order[at : at + batch]]) for at in range(0, len(order), batch)]
        return np.concatenate([np.asarray(each) for each in found])

    def _steps(self, state: State, x: Array, t: Array, key: Array, batches: Array) -> tuple[State, Array]:
        return lax.scan(lambda now, batch: self._step(now, x, t, key, batch), state, batches)

    def _step(self, state: State, x: Array, t: Array, key: Array, batch: Array) -> tuple[State, Array]:
        weights, m, v, step = state
        own = jax.random.fold_in(key, step) if self.rate else None
        gradient = jax.grad(self._objective, has_aux=True)
        slopes, loss = gradient(weights, x[batch], t[batch], own)
        move = partial(MOVES[self.workload.optimizer], lr=self.workload.lr, t=step + 1)
        moved = {name: move(weights[name], slopes[name], m[name], v[name]) for name in weights}
        parts = tuple({name: each[k] for name, each in moved.items()} for k in range(3))
        return (parts[0], parts[1], parts[2], step + 1), loss

    def _objective(self, weights: Weights, x: Array, t: Array, key: Array | None) -> tuple[Array, Array]:
        y = self.network(weights, x, key, self.rate)
        loss = cost(self.workload.cost, y, t)
        if not self.workload.l1:
            return loss, loss
        penalty = sum(jnp.abs(each).sum() for name, each in weights.items() if name.endswith("/w"))
        return loss + self.workload.l1 * penalty, loss


def first_device(platform: str) -> Any:
    """Return the first device of a platform.

    Errors: RuntimeError where JAX has none.
    """
    try:
        return jax.devices(platform)[0]
    except (AssertionError, RuntimeError) as problem:
        raise RuntimeError(f"this JAX has no {platform} device: pip install 'jax[cuda13]'") from problem


def cost(kind: str, y: Array, t: Array) -> Array:
    """Return the mean loss of a batch."""
    if kind == "cross_entropy":
        return -jnp.take_along_axis(nn.log_softmax(y), t[..., None], -1).mean()
    if kind == "mse":
        return ((y - nn.one_hot(t, 10)) ** 2).mean()
    if kind == "binary_cross_entropy":
        return (nn.softplus(y[:, 0]) - t * y[:, 0]).mean()
    r = y - t
    q = r**2
    return (jnp.log(1 + q) + 0.5 * jnp.tanh(q / (1 + jnp.abs(r)))).mean()


def adam(w: Array, g: Array, m: Array, v: Array, lr: float, t: Array) -> tuple[Array, Array, Array]:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return w - lr * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


def momentum(w: Array, g: Array, m: Array, v: Array, lr: float, t: Array) -> tuple[Array, Array, Array]:
    m = 0.9 * m - lr * g
    return w + m, m, v


def sgd(w: Array, g: Array, m: Array, v: Array, lr: float, t: Array) -> tuple[Array, Array, Array]:
    return w - lr * g, m, v


MOVES = {"adam": adam, "momentum": momentum, "sgd": sgd}
