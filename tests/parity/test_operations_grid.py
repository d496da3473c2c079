"""Layers and losses beside PyTorch's over a grid of shapes and settings: values and gradients, in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from netdsl.graph import Builder, Graph, Run, Value, evaluate
from netdsl.operations import REGISTRY
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize
from tests.library.bench import Bench, bench, experiment, layer, number
from tests.lowering.running import compare
from tests.parity.operations_grid import CASES, LOSSES, ROWS, Case, LossCase, targets_of

pytestmark = pytest.mark.parity

Arrays = dict[str, NDArray[np.float64]]


def test_the_grid_is_large_enough() -> None:
    assert len(CASES) + len(LOSSES) >= 500
    names = [str(case) for case in (*CASES, *LOSSES)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case: Case) -> None:
    x = np.random.default_rng(1).uniform(case.low, case.high, (ROWS, *case.shape))
    made = on_the_bench(case)
    weights = drawn(made)
    ours = measured(Bench(made.experiment, weights), x)
    peer_x = torch.tensor(x, requires_grad=True)
    peers = {name: torch.tensor(value, requires_grad=True) for name, value in short(weights).items()}
    y = case.peer(peer_x, peers)
    assert tuple(y.shape) == ours["y"].shape
    (y * torch.tensor(ours["shares"])).sum().backward()
    np.testing.assert_allclose(ours["y"], y.detach().numpy(), rtol=1e-9, atol=1e-11)
    assert peer_x.grad is not None
    np.testing.assert_allclose(ours["x"], peer_x.grad.numpy(), rtol=1e-8, atol=1e-10)
    for path, name in zip(weights, short(weights), strict=True):
        gradient = peers[name].grad
        if gradient is not None:
            np.testing.assert_allclose(ours[path], gradient.numpy(), rtol=1e-8, atol=1e-10, err_msg=path)


def on_the_bench(case: Case) -> Bench:
    chain = case.chain
    if chain.startswith("unpooled"):
        size = chain.removeprefix("unpooled")[1:-1]
        chain = f"pooled_and_back({size})"
        return layer_with(
            "layer pooled_and_back(x; size) = max_unpool(max_pool(x, size), x, size)", chain, case
        )
    return layer(chain, case.shape)


def layer_with(definition: str, chain: str, case: Case) -> Bench:
    """Put a layer of one's own on the bench."""
    text = f"""
{definition}
data d {{ source = npz("d.npz") }}
loss total(y) = sum(y)
model m(x: {list(case.shape)}) {{ return (out = x -> {chain}) }}
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    return bench(experiment(text, [number("x", *case.shape)]))


def drawn(made: Bench) -> Arrays:
    """Draw all weights; what moves is left where it starts."""
    random = np.random.default_rng(2)
    kinds = {each.path: each.kind for each in made.experiment.weights}
    return {
        path: value if kinds[path] == "running" else random.uniform(0.2, 1, np.shape(value))
        for path, value in made.weights.items()
    }


def short(weights: Arrays) -> Arrays:
    """Name weights by their path in the layer: its own by their last step."""
    steps = {path: path.split("/")[2:] for path in weights}
    single = all(len(each) == 1 for each in steps.values()) and len({p.split("/")[1] for p in weights}) == 1
    if single or all(len(each) > 1 for each in steps.values()):
        return {"/".join(steps[path]): value for path, value in weights.items()}
    return {path.split("/", 1)[1]: value for path, value in weights.items()}


def measured(made: Bench, x: NDArray[np.float64]) -> Arrays:
    """Return the output, the shares in which it is summed up, and the gradients by x and the weights."""
    graph, shape = with_gradients(made)
    shares = np.random.default_rng(3).uniform(0.5, 1.5, (len(x), *shape[1:]))
    run = made.run({"x": x, "shares": shares}, training=True)
    return evaluate(graph, run) | {"shares": shares}


def with_gradients(made: Bench) -> tuple[Graph, tuple[int, ...]]:
    source = made.experiment.graph
    builder = Builder(REGISTRY)
    values = builder.copy(source, {})
    y = values[source.outputs["output/out"]]
    shares = builder.apply("input", name="shares", shape=y.shape, dtype="float")
    total = (y * shares).sum(range(len(y.shape))).reshape(())
    builder.outputs["y"] = y
    leaves = {"x": source.leaves("input")["x"], **source.leaves("weight")}
    for name, index in leaves.items():
        builder.outputs[name] = builder.apply("gradient_of", total, values[index])
    return differentiate(builder.finish(unused=False)), y.shape


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_losses(case: LossCase) -> None:
    random = np.random.default_rng(4)
    y, t = random.normal(size=(ROWS, *case.shape)), targets_of(case)
    ours = losses_of(case, y, t)
    peer_y = torch.tensor(y, requires_grad=True)
    losses = case.peer(peer_y, torch.tensor(t))
    losses.sum().backward()
    np.testing.assert_allclose(ours["loss"], losses.detach().numpy(), rtol=1e-9)
    assert peer_y.grad is not None
    np.testing.assert_allclose(ours["y"], peer_y.grad.numpy(), rtol=1e-8, atol=1e-12)


def losses_of(case: LossCase, y: NDArray[np.float64], t: NDArray[np.float64]) -> Arrays:
    """Return the loss of each example and the gradient of their sum by the outputs."""
    text = f"""
data d {{ source = npz("d.npz") }}
model m(y: {list(case.shape)}) = y -> {case.outputs or "identity"}
train {{
    model = m
    data = d
    loss = {case.call}
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    made = experiment(text, [number("y", *case.shape), number("t", *case.shape, target=True)])
    builder = Builder(REGISTRY)
    values = builder.copy(made.graph, {})
    loss = values[made.graph.outputs["loss"]]
    builder.outputs["loss"] = loss
    total = loss.sum([0]).reshape(())
    builder.outputs["y"] = builder.apply("gradient_of", total, values[made.graph.leaves("input")["y"]])
    run = Run(ROWS, leaves={("input", "y"): y, ("input", "t"): t})
    return evaluate(differentiate(builder.finish(unused=False)), run)


# ---- on the CPU, in float32 -------------------------------------------------------------------

CHUNK = 8
SAMPLE = CASES[::3]


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(SAMPLE), CHUNK))
def test_the_kernels_compute_the_same(start: int) -> None:
    """What the oracle computes is held against PyTorch above; here the kernels against the oracle."""
    builder = Builder(REGISTRY)
    fields: dict[str, NDArray[np.float32]] = {}
    kept: dict[str, NDArray[np.float32]] = {}
    for place, case in enumerate(SAMPLE[start : start + CHUNK]):
        made = on_the_bench(case)
        graph, shape = with_gradients(made)
        random = np.random.default_rng(place)
        fields[f"{place}/x"] = random.uniform(case.low, case.high, (ROWS, *case.shape)).astype(np.float32)
        fields[f"{place}/shares"] = random.uniform(0.5, 1.5, (ROWS, *shape[1:])).astype(np.float32)
        kept |= {f"{place}/{name}": value.astype(np.float32) for name, value in drawn(made).items()}
        add(specialize(graph, {"training": 1.0}), f"{place}/", builder)
    whole = simplify(builder.finish(unused=False), differentiated=True)
    compare(whole, fields, ROWS, kept=kept, tolerance=2e-5)


def add(graph: Graph, prefix: str, builder: Builder) -> None:
    """Add a graph beside others, its leaves and outputs by names of their own."""
    values: dict[int, Value] = {}
    for index in graph:
        node = graph[index]
        settings = dict(node.settings)
        if node.operation.name in {"input", "weight", "state"}:
            settings["name"] = prefix + settings["name"]
        operands = [values[each] for each in graph.operands(index)]
        values[index] = builder.add(replace(node, settings=tuple(sorted(settings.items()))), operands)
    for name, index in graph.outputs.items():
        builder.outputs[prefix + name] = values[index]
