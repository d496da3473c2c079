"""The networks of the workloads as functions of their weights, which have netdsl's names and layout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax, nn

Weights = dict[str, Array]
Network = Callable[[Weights, Array, Array | None, float], Array]
"""Scores from weights, inputs, a key for dropout (None where none is) and its rate."""


def dense(w: Weights, path: str, x: Array) -> Array:
    return x @ w[f"{path}/w"] + w[f"{path}/b"]


def conv(w: Weights, path: str, x: Array, pad: int = 0, stride: int = 1, groups: int = 1) -> Array:
    y = lax.conv_general_dilated(
        x, w[f"{path}/k"], (stride, stride), [(pad, pad)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
    )  # fmt: skip
    return y + w[f"{path}/b"] if f"{path}/b" in w else y


def batchnorm(w: Weights, path: str, x: Array) -> Array:
    """Normalize by the batch, or by what inference is given; a training keeps nothing for it."""
    if f"{path}/mu" in w:
        mean, var = w[f"{path}/mu"], w[f"{path}/var"]
    else:
        mean = x.mean((0, 1, 2))
        var = jnp.maximum((x * x).mean((0, 1, 2)) - mean * mean, 0)
    return w[f"{path}/gamma"] * (x - mean) * lax.rsqrt(var + 1e-5) + w[f"{path}/beta"]


def layernorm(w: Weights, path: str, x: Array) -> Array:
    x = x - x.mean(-1, keepdims=True)
    return w[f"{path}/gamma"] * x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) + w[f"{path}/beta"]


def maxpool(x: Array) -> Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def dropped(x: Array, key: Array | None, rate: float) -> Array:
    if key is None or not rate:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def perceptron(act: Callable[[Array], Array], w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    count = sum(name.endswith("/w") for name in w)
    x = x.reshape(len(x), -1)
    for number in range(1, count):
        own = None if key is None else jax.random.fold_in(key, number)
        x = dropped(act(dense(w, f"mlp/dense_{number}", x)), own, rate)
    return dense(w, f"mlp/dense_{count}", x)


def lenet(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    x = maxpool(nn.relu(conv(w, "lenet/conv_1", x, 2)))
    x = maxpool(nn.relu(conv(w, "lenet/conv_2", x))).reshape(len(x), -1)
    for number in (1, 2):
        x = nn.relu(dense(w, f"lenet/dense_{number}", x))
    return dense(w, "lenet/dense_3", x)


def stages(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    for number in (1, 2, 3, 4):
        path = f"cnn/unit_{number}"
        x = nn.relu(batchnorm(w, f"{path}/batchnorm_1", conv(w, f"{path}/conv_1", x, 1)))
        x = maxpool(x) if number % 2 == 0 else x
    x = dropped(x.reshape(len(x), -1), key, rate)
    return dense(w, "cnn/dense_2", nn.relu(dense(w, "cnn/dense_1", x)))


def resnet(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    x = nn.relu(batchnorm(w, "resnet/batchnorm_1", conv(w, "resnet/conv_1", x, 1)))
    for number in range(1, 10):
        path, stride = f"resnet/block_{number}", 2 if number in (4, 7) else 1
        y = nn.relu(batchnorm(w, f"{path}/batchnorm_1", conv(w, f"{path}/conv_1", x, 1, stride)))
        y = batchnorm(w, f"{path}/batchnorm_2", conv(w, f"{path}/conv_2", y, 1))
        if stride > 1:
            x = batchnorm(w, f"{path}/batchnorm_3", conv(w, f"{path}/conv_3", x, 0, stride))
        x = nn.relu(x + y)
    return dense(w, "resnet/dense_1", x.mean((1, 2)))


def separable(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    x = nn.relu(batchnorm(w, "cnn/batchnorm_1", conv(w, "cnn/conv_1", x, 1)))
    for number in range(1, 7):
        path = f"cnn/block_{number}"
        x = conv(w, f"{path}/separable_conv_1/depthwise_conv_1/conv_1", x, 1, groups=64)
        x = conv(w, f"{path}/separable_conv_1/conv_1", x)
        x = nn.relu(batchnorm(w, f"{path}/batchnorm_1", x))
    return dense(w, "cnn/dense_1", x.mean((1, 2)))


def transformer(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    y = w["transformer/embedding_1/table"][x] + w["transformer/position_embedding_1/table"]
    b, t, c = y.shape
    for number in (1, 2):
        path = f"transformer/transformer_block_{number}"
        at = f"{path}/attention"
        h = layernorm(w, f"{path}/layernorm_1", y)
        q, k, v = dense(w, f"{at}/q", h), h @ w[f"{at}/k/w"], dense(w, f"{at}/v", h)
        q, k, v = (each.reshape(b, t, 4, c // 4) for each in (q, k, v))
        y = y + dense(w, f"{at}/out", nn.dot_product_attention(q, k, v, is_causal=True).reshape(b, t, c))
        h = layernorm(w, f"{path}/layernorm_2", y)
        h = nn.gelu(dense(w, f"{path}/pointwise_1", h), approximate=False)
        y = y + dense(w, f"{path}/pointwise_2", h)
    return dense(w, "transformer/pointwise_1", layernorm(w, "transformer/layernorm_1", y))


def writer(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    path = "writer/lstm_1/cell"
    u = w[f"{path}/u"]
    units = len(u)
    given = w[f"{path}/w"][x].swapaxes(0, 1) + w[f"{path}/b"]

    def cell(state: tuple[Array, Array], now: Array) -> tuple[tuple[Array, Array], Array]:
        h, c = state
        i, f, g, o = jnp.split(now + h @ u, 4, axis=-1)
        c = nn.sigmoid(f + 1) * c + nn.sigmoid(i) * jnp.tanh(g)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((len(x), units))
    _, h = lax.scan(cell, (zero, zero), given)
    return dense(w, "writer/pointwise_1", h.swapaxes(0, 1))


def ripple(x: Array) -> Array:
    return x / (1 + jnp.abs(x)) + jnp.tanh(3 * x) * jnp.exp(-0.1 * x**2)


def squashed(w: Weights, x: Array, key: Array | None, rate: float) -> Array:
    return nn.sigmoid(perceptron(nn.sigmoid, w, x, key, rate))


NETWORKS: dict[str, Network] = {
    "w1": partial(perceptron, nn.relu), "w2": squashed, "w3": partial(perceptron, jnp.tanh),
    "w4": partial(perceptron, jnp.tanh), "w5": lenet, "w6": stages, "w7": resnet, "w8": transformer,
    "w9": writer, "w10": separable, "w11": partial(perceptron, ripple),
}  # fmt: skip
