"""Values with places: rows of a matrix that products, sums and lanes go along, against the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import with_objective
from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.operations import REGISTRY
from netdsl.passes.choose_kernels import choose_kernels
from netdsl.passes.differentiate import differentiate
from netdsl.passes.fuse import fuse
from netdsl.passes.legalize import legalize
from netdsl.passes.prune import prune
from netdsl.passes.simplify import simplify
from netdsl.program import Choice, Examples
from tests.lowering.running import compare

Layer = Callable[["Net", Value], Value]


class Net:
    """A graph that is built: weights have names in order."""

    def __init__(self) -> None:
        self.builder = Builder(REGISTRY)
        self.number = 0

    def weight(self, *shape: int) -> Value:
        self.number += 1
        return self.builder.apply("weight", name=f"w{self.number}", shape=shape)

    def draw(self, like: Value) -> Value:
        self.number += 1
        return self.builder.apply("uniform", shape=like.shape, stream=f"drop{self.number}")


def dense(units: int) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        last = len(x.shape) - 1
        w = net.weight(x.shape[-1], units)
        return x.apply("matmul", w, contract=((last, 0),), align=()) + net.weight(units)

    return layer


def normalized(net: Net, x: Value) -> Value:
    axes = tuple(range(len(x.shape) - 1))
    rows = net.builder.apply("scalar", name="rows") * float(np.prod(x.shape[1:-1]))
    centered = x - x.sum(axes) / rows
    spread = (centered * centered).sum(axes) / rows
    return net.weight(x.shape[-1]) * centered / (spread + 1e-2).apply("sqrt") + net.weight(x.shape[-1])


def layer_normalized(net: Net, x: Value) -> Value:
    last = len(x.shape) - 1
    centered = x - x.sum((last,)) / float(x.shape[-1])
    spread = (centered * centered).sum((last,)) / float(x.shape[-1])
    return centered / (spread + 1e-2).apply("sqrt") * net.weight(x.shape[-1])


def relu(net: Net, x: Value) -> Value:
    return x.pointwise("maximum", 0.0)


def tanh(net: Net, x: Value) -> Value:
    return x.apply("tanh")


def dropout(net: Net, x: Value) -> Value:
    return x * net.draw(x).pointwise("less", 0.8).apply("cast", dtype="float") / 0.8


def placed(net: Net, x: Value) -> Value:
    return x + net.weight(*x.shape[1:]).broadcast(x.shape)


def squeezed(net: Net, x: Value) -> Value:
    """Weigh channels by what all places of an example say: squeeze and excitation."""
    mean = x.sum(range(1, len(x.shape) - 1)) / float(np.prod(x.shape[1:-1]))
    return x * mean.apply("sigmoid").broadcast(x.shape)


def scaled_by_example(net: Net, x: Value) -> Value:
    mean = x.sum(range(1, len(x.shape)))
    return x * mean.apply("tanh").broadcast(x.shape)


def softmax(net: Net, x: Value) -> Value:
    return x.apply("softmax", axis=len(x.shape) - 1)


def flat(net: Net, x: Value) -> Value:
    return x.reshape((BATCH, int(np.prod(x.shape[1:]))))


def image(height: int, width: int) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        return x.reshape((BATCH, height, width, int(np.prod(x.shape[1:])) // (height * width)))

    return layer


def averaged(net: Net, x: Value) -> Value:
    return x.sum(range(1, len(x.shape) - 1)) / float(np.prod(x.shape[1:-1]))


def residual(net: Net, x: Value) -> Value:
    return x + tanh(net, dense(x.shape[-1])(net, relu(net, x)))


NETS: dict[str, tuple[tuple[int, ...], tuple[Layer, ...]]] = {
    "sequence": ((12, 20), (dense(40), relu, dense(17), tanh)),
    "aligned": ((8, 16), (dense(64), relu, dropout, dense(32), tanh)),
    "long": ((70, 5), (dense(24), relu, dense(6), tanh)),
    "norms": ((4, 6, 8), (dense(20), normalized, relu, dense(6), normalized, tanh)),
    "layernorm": ((9, 10), (dense(33), layer_normalized, relu, dense(10), softmax)),
    "residual": ((5, 16), (dense(32), residual, residual, layer_normalized)),
    "positions": ((6, 18), (placed, dense(18), placed, tanh)),
    "squeezed": ((3, 5, 12), (dense(20), relu, squeezed, dense(7), scaled_by_example)),
    "flat": ((4, 4, 6), (dense(16), relu, flat, dropout, dense(20), relu, image(2, 2), dense(8), tanh)),
    "flat by six": ((3, 3, 6), (dense(6), relu, flat, dense(20), relu)),
    "averaged": ((6, 6, 3), (dense(24), relu, averaged, flat, dense(10))),
    "narrow": ((7, 4), (dense(3), tanh, dense(2), tanh, flat, dense(5))),
    "input flat": ((4, 4, 16), (flat, dense(20), tanh)),
}


def training(shape: tuple[int, ...], layers: tuple[Layer, ...]) -> Graph:
    """Build a network's loss, its gradients and its updates by them."""
    net = Net()
    h = net.builder.apply("input", name="x", shape=(BATCH, *shape), dtype="float")
    for layer in layers:
        h = layer(net, h)
    net.builder.outputs["y"] = h
    net.builder.outputs["loss"] = (h * h).sum(range(1, len(h.shape))).reshape((BATCH,))
    graph = with_objective(net.builder.finish())
    graph = differentiate(simplify(graph), "objective", list(graph.leaves("weight")))
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    for name, index in graph.leaves("weight").items():
        builder.updates[name] = values[index] - 0.1 * values[graph.outputs[f"gradient/{name}"]]
    builder.outputs = {name: values[graph.outputs[name]] for name in ("y", "loss")}
    return simplify(prune(builder.finish()), differentiated=True)


def kept_of(graph: Graph) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(7)
    shapes = {name: graph[index].shape for name, index in graph.leaves("weight").items()}
    return {name: (rng.normal(size=s) / s[0] ** 0.5).astype(np.float32) for name, s in shapes.items()}


@pytest.mark.parametrize("rows", [1, 5, 33])
@pytest.mark.parametrize("name", NETS)
def test_steps_of_networks_with_places(name: str, rows: int) -> None:
    shape, layers = NETS[name]
    graph = training(shape, layers)
    fields = {"x": np.random.default_rng(rows).normal(size=(rows, *shape)).astype(np.float32)}
    bits: dict[str, NDArray[Any]] = {}
    for threads in (1, 2, 3):
        executable = compare(
            graph, fields, rows, kept=kept_of(graph), threads=threads, tolerance=3e-5, step=2, seed=5
        )
        assert executable.intruded() == ()
        for each in executable.names():
            value = executable.read(each)
            np.testing.assert_array_equal(bits.setdefault(each, value), value, err_msg=each)


def _chosen(graph: Graph) -> Choice:
    return choose_kernels(fuse(legalize(graph)))


def test_a_layer_of_places_is_one_unit_of_examples() -> None:
    net = Net()
    x = net.builder.apply("input", name="x", shape=(BATCH, 16, 20), dtype="float")
    net.builder.outputs["y"] = tanh(net, dense(64)(net, x))
    (unit,) = _chosen(net.builder.finish()).units
    assert [part.template for part in unit.parts] == ["product", "lanes"]
    assert unit.cut == Examples(4)


def test_nothing_of_a_normalized_network_is_loops_of_its_own() -> None:
    choice = _chosen(training((8, 8, 8), (dense(32), normalized, relu, averaged, flat, dense(16))))
    templates = {part.template for unit in choice.units for part in unit.parts if part.group.stores}
    wide = [
        unit for unit in choice.units if any(len(choice.graph[index].shape) > 2 for index in unit.stores())
    ]
    assert {"product", "back", "gradient", "lanes", "sums", "columns"} <= templates
    assert not [unit for unit in wide if unit.parts[0].template == "loops"]


@pytest.mark.parametrize(("shape", "threads"), [((32,), 1), ((40,), 3), ((2, 20), 2)])
def test_rows_in_panels_added_to_a_table(shape: tuple[int, ...], threads: int) -> None:
    builder = Builder(REGISTRY)
    label = builder.apply("input", name="label", shape=(BATCH, 5), dtype="int")
    x = builder.apply("input", name="x", shape=(BATCH, 5, *shape[:-1], 8), dtype="float")
    w = builder.apply("weight", name="w", shape=(8, shape[-1]))
    made = x.apply("matmul", w, contract=((len(shape) + 1, 0),), align=())
    builder.outputs["table"] = label.apply("scatter_add", made.apply("tanh"), extent=7)
    rng = np.random.default_rng(5)
    fields = {
        "label": rng.integers(0, 7, (9, 5)).astype(np.int32),
        "x": rng.normal(size=(9, 5, *shape[:-1], 8)).astype(np.float32),
    }
    executable = compare(builder.finish(), fields, 9, threads=threads)
    assert executable.intruded() == ()
    kernels = "".join(executable.program.kernels)
    assert ("add_panels" in kernels) == (len(shape) == 1)
