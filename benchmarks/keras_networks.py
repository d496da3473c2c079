"""The networks of the workloads in Keras, with netdsl's initial weights. The backend is chosen before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.workloads import Workload

Arrays = Mapping[str, Any]
Laid = list[tuple[Any, list[Any]]]


class Builder:
    """Makes layers and remembers the weights that each begins with."""

    def __init__(self, start: Arrays, rate: float) -> None:
        self.start, self.rate = start, rate
        self.laid: Laid = []

    def add(self, layer: Any, x: Any, *weights: Any) -> Any:
        """Apply a layer, which is to begin with weights."""
        self.laid.append((layer, list(weights)))
        return layer(x)

    def dense(self, path: str, x: Any, penalty: float = 0.0) -> Any:
        w, b = self.start[f"{path}/w"], self.start.get(f"{path}/b")
        regularizer = keras.regularizers.L1(penalty) if penalty else None
        layer = layers.Dense(w.shape[1], use_bias=b is not None, kernel_regularizer=regularizer)
        return self.add(layer, x, w, *([] if b is None else [b]))

    def conv(self, path: str, x: Any, pad: str = "valid", stride: int = 1) -> Any:
        k, b = self.start[f"{path}/k"], self.start.get(f"{path}/b")
        if stride > 1 and pad == "same":
            x, pad = layers.ZeroPadding2D(1)(x), "valid"
        layer = layers.Conv2D(k.shape[3], k.shape[0], stride, pad, use_bias=b is not None)
        return self.add(layer, x, k, *([] if b is None else [b]))

    def normed(self, path: str, number: int, x: Any, pad: str = "valid", stride: int = 1) -> Any:
        y = self.conv(f"{path}/conv_{number}", x, pad, stride)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(y)


def network(workload: Workload, shape: tuple[int, ...], start: Arrays, rate: float) -> Any:
    """Return the model of a workload; it ends with scores, where netdsl's ends with probabilities."""
    build = Builder(start, rate)
    x = keras.Input(shape, dtype="int32" if workload.name in ("w8", "w9") else "float32")
    model = keras.Model(x, NETWORKS[workload.name](build, x, workload))
    for layer, weights in build.laid:
        layer.set_weights([np.asarray(each) for each in weights])
    return model


def perceptron(act: Callable[[Any], Any]) -> Callable[[Builder, Any, Workload], Any]:
    def made(build: Builder, x: Any, workload: Workload) -> Any:
        count = sum(name.endswith("/w") for name in build.start)
        x = layers.Flatten()(x)
        for number in range(1, count):
            x = layers.Activation(act)(build.dense(f"mlp/dense_{number}", x, workload.l1))
            x = layers.Dropout(build.rate)(x) if build.rate else x
        y = build.dense(f"mlp/dense_{count}", x, workload.l1)
        return layers.Activation("sigmoid")(y) if workload.cost == "mse" else y

    return made


def lenet(build: Builder, x: Any, workload: Workload) -> Any:
    for number, pad in ((1, "same"), (2, "valid")):
        x = layers.MaxPooling2D(2)(layers.ReLU()(build.conv(f"lenet/conv_{number}", x, pad)))
    x = layers.Flatten()(x)
    for number in (1, 2):
        x = layers.ReLU()(build.dense(f"lenet/dense_{number}", x))
    return build.dense("lenet/dense_3", x)


def stages(build: Builder, x: Any, workload: Workload) -> Any:
    for number in (1, 2, 3, 4):
        x = layers.ReLU()(build.normed(f"cnn/unit_{number}", 1, x, "same"))
        x = layers.MaxPooling2D(2)(x) if number % 2 == 0 else x
    x = layers.Dropout(build.rate)(layers.Flatten()(x))
    return build.dense("cnn/dense_2", layers.ReLU()(build.dense("cnn/dense_1", x)))


def resnet(build: Builder, x: Any, workload: Workload) -> Any:
    x = layers.ReLU()(build.normed("resnet", 1, x, "same"))
    for number in range(1, 10):
        path, stride = f"resnet/block_{number}", 2 if number in (4, 7) else 1
        y = layers.ReLU()(build.normed(path, 1, x, "same", stride))
        y = build.normed(path, 2, y, "same")
        x = build.normed(path, 3, x, "valid", stride) if stride > 1 else x
        x = layers.ReLU()(layers.Add()([x, y]))
    return build.dense("resnet/dense_1", layers.GlobalAveragePooling2D()(x))


def separable(build: Builder, x: Any, workload: Workload) -> Any:
    x = layers.ReLU()(build.normed("cnn", 1, x, "same"))
    for number in range(1, 7):
        path = f"cnn/block_{number}/separable_conv_1"
        deep = np.asarray(build.start[f"{path}/depthwise_conv_1/conv_1/k"]).transpose(0, 1, 3, 2)
        layer = layers.SeparableConv2D(64, 3, padding="same", use_bias=False)
        x = build.add(layer, x, deep, build.start[f"{path}/conv_1/k"])
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    return build.dense("cnn/dense_1", layers.GlobalAveragePooling2D()(x))


class Positions(layers.Layer):
    """Adds a learned vector for each position."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


def transformer(build: Builder, x: Any, workload: Workload) -> Any:
    table = np.asarray(build.start["transformer/embedding_1/table"])
    y = build.add(layers.Embedding(*table.shape), x, table)
    y = build.add(Positions(), y, build.start["transformer/position_embedding_1/table"])
    for number in (1, 2):
        path = f"transformer/transformer_block_{number}"
        h = layers.LayerNormalization(epsilon=1e-5)(y)
        y = layers.Add()([y, attention(build, f"{path}/attention", h)])
        h = build.dense(f"{path}/pointwise_1", layers.LayerNormalization(epsilon=1e-5)(y))
        h = layers.Activation(lambda z: keras.activations.gelu(z, approximate=False))(h)
        y = layers.Add()([y, build.dense(f"{path}/pointwise_2", h)])
    return build.dense("transformer/pointwise_1", layers.LayerNormalization(epsilon=1e-5)(y))


def attention(build: Builder, path: str, h: Any) -> Any:
    t, c, heads = h.shape[1], h.shape[2], 4
    q, k, v = (
        layers.Reshape((t, heads, c // heads))(build.dense(f"{path}/{name}", h)) for name in ("q", "k", "v")
    )
    y = layers.Lambda(lambda qkv: ops.dot_product_attention(*qkv, is_causal=True))([q, k, v])
    return build.dense(f"{path}/out", layers.Reshape((t, c))(y))


def writer(build: Builder, x: Any, workload: Workload) -> Any:
    w, u, b = (np.asarray(build.start[f"writer/lstm_1/cell/{name}"]) for name in "wub")
    opened = b.copy()
    opened[u.shape[0] : 2 * u.shape[0]] += 1
    one_hot = layers.Lambda(lambda z: ops.one_hot(z, w.shape[0]))(x)
    y = build.add(layers.LSTM(u.shape[0], return_sequences=True), one_hot, w, u, opened)
    return build.dense("writer/pointwise_1", y)


def ripple(x: Any) -> Any:
    return x / (1 + ops.abs(x)) + ops.tanh(3 * x) * ops.exp(-0.1 * x**2)


NETWORKS = {
    "w1": perceptron(ops.relu), "w2": perceptron(ops.sigmoid), "w3": perceptron(ops.tanh),
    "w4": perceptron(ops.tanh), "w5": lenet, "w6": stages, "w7": resnet, "w8": transformer, "w9": writer,
    "w10": separable, "w11": perceptron(ripple),
}  # fmt: skip
