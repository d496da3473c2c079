"""What is made again on the way back: which values, and that all keep theirs."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph, Run, Value, evaluate_updates, verify
from netdsl.operations import REGISTRY
from netdsl.passes.choose_kernels import choose_kernels
from netdsl.passes.differentiate import differentiate
from netdsl.passes.fuse import fuse
from netdsl.passes.legalize import legalize
from netdsl.passes.recompute import recompute

STEADY = {"strides": (1, 1), "before": (1, 1), "after": (1, 1), "dilation": (1, 1)}
POINTS = STEADY | {"before": (0, 0), "after": (0, 0)}


def normalized(x: Value) -> Value:
    shares = 1.0 / x.builder.apply("scalar", name="rows") * (1 / 64)
    mean = (x.sum([0, 1, 2]).reshape((x.shape[-1],)) * shares).broadcast(x.shape)
    variance = ((x - mean) * (x - mean)).sum([0, 1, 2]).reshape((x.shape[-1],)) * shares
    return (x - mean) / (variance + 1e-3).apply("sqrt").broadcast(x.shape)


def separable(*, has_skip: bool = False) -> Graph:
    """Return a step of two depthwise-separable blocks; with a skip, the first one's result is added again."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 8, 8, 16))
    names: list[str] = []

    def weight(*shape: int) -> Value:
        names.append(f"w{len(names)}")
        return builder.apply("weight", name=names[-1], shape=shape)

    def block(x: Value) -> Value:
        h = x.apply("convolve", weight(3, 3, 1, 16), groups=16, **STEADY)
        h = h.apply("convolve", weight(1, 1, 16, 16), groups=1, **POINTS)
        return normalized(h).pointwise("maximum", 0.0)

    first = block(x)
    last = block(first)
    total = (last + first) if has_skip else last
    builder.outputs["objective"] = (total * total * total).sum([0, 1, 2, 3]).reshape(())
    graph = differentiate(builder.finish(), "objective", names)
    again = Builder(REGISTRY)
    values = again.copy(graph, {})
    again.outputs = {"objective": values[graph.outputs["objective"]]}
    leaves = graph.leaves("weight")
    again.updates = {
        name: values[leaves[name]] - values[graph.outputs[f"gradient/{name}"]] * 0.01 for name in names
    }
    return legalize(again.finish())


def run_of(graph: Graph) -> Run:
    random = np.random.default_rng(0)
    given = {
        ("weight", name): random.normal(size=graph[i].shape) for name, i in graph.leaves("weight").items()
    }
    given["input", "x"] = random.normal(size=(4, 8, 8, 16))
    return Run(4, scalars={"rows": 4.0}, leaves=given)


@pytest.mark.parametrize("has_skip", [False, True])
def test_values_stay(has_skip: bool) -> None:
    graph = separable(has_skip=has_skip)
    made = recompute(graph)
    verify(made)
    before, after = (evaluate_updates(each, run_of(graph)) for each in (graph, made))
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])


def test_a_normalized_value_and_its_depthwise_convolution_are_made_again() -> None:
    graph = separable()
    made = recompute(graph)
    names = [graph[index].operation.name for index in graph]
    again = [made[index].operation.name for index in made]
    # The first block reads the input, which is there; of the second both operands are made again.
    assert again.count("convolve") - names.count("convolve") == 1
    assert again.count("maximum") - names.count("maximum") == 1


def test_they_are_not_stored() -> None:
    graph = recompute(separable())
    choice = choose_kernels(fuse(graph))
    relus = {
        index
        for index in graph
        if graph[index].operation.name == "maximum"
        and any(graph[user].operation.name.startswith("convolve") for user in graph.users(index))
    }
    stored = {index for unit in choice.units for index in unit.stores()}
    assert len(relus & stored) == 2
    assert relus & stored <= choice.passing


def test_what_is_asked_for_elsewhere_is_kept() -> None:
    graph = separable(has_skip=True)
    assert recompute(graph) is graph
