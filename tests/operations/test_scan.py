"""`scan`: its meaning and its gradients against its steps written out and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from netdsl.graph import (
    BATCH,
    Builder,
    Graph,
    Run,
    Shape,
    Value,
    dump,
    evaluate,
    formula,
    read,
    sized,
    verify,
)
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import apply_scan, collected, cut
from netdsl.operations.through_time import ThroughTime, at_step, time_axis, with_time
from netdsl.passes.differentiate import differentiate
from tests.operations.test_gradients import finite_differences

ROWS = 3
Values = Sequence[Value]
Step = Callable[[Values, Values, Values], tuple[Values, Values]]
"""States, items and what is fixed; returns the new states and what is collected."""


@dataclass(frozen=True)
class Cell:
    """A step, and the shapes of what it takes; `kinds` where an item is not a number."""

    name: str
    step: Step
    states: tuple[Shape, ...]
    items: tuple[Shape, ...]
    fixed: tuple[Shape, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def product(x: Value, w: Value) -> Value:
    return x.apply("matmul", w, contract=((1, 0),), align=())


def elman(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    (h,), (x,), (w, u, b) = states, items, fixed
    new = (product(x, w) + product(h, u) + b).apply("tanh")
    return [new], [new]


def lstm(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    (h, c), (x,), (w, u, b) = states, items, fixed
    z = product(x, w) + product(h, u) + b
    n = h.shape[1]
    i, f, o, g = (
        z.apply("slice", starts=(0, k * n), stops=(BATCH, (k + 1) * n), steps=(1, 1)) for k in range(4)
    )
    new = f.apply("sigmoid") * c + i.apply("sigmoid") * g.apply("tanh")
    h = o.apply("sigmoid") * new.apply("tanh")
    return [h, new], [h]


def running(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    """A sum that all examples share in part: an item without a batch axis, and a fixed value with one."""
    (s,), (x, position), (scale, memory) = states, items, fixed
    new = s * scale.apply("sigmoid") + x * position + memory
    return [new], [new * x, new.sum((1,))]


def normalized(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    """A mean over the batch inside of a step."""
    (h,), (x,), (w,) = states, items, fixed
    mean = h.sum((0,)) * (1 / ROWS)
    new = (product(h - mean, w) + x).apply("tanh")
    return [new], [new]


def embedding(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    (h,), (token,), (table, u) = states, items, fixed
    new = (table.apply("gather", token) + product(h, u)).apply("tanh")
    return [new], [new]


def shared(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    """No batch at all."""
    (s,), (x,), (w,) = states, items, fixed
    new = (s * w + x).apply("sin")
    return [new], [new, s * s]


def relu(states: Values, items: Values, fixed: Values) -> tuple[Values, Values]:
    (h,), (x,), (u,) = states, items, fixed
    new = (x + product(h, u)).pointwise("maximum", 0.0)
    return [new], [new.apply("transpose", axes=(0, 1)), h]


CELLS = [
    Cell("elman", elman, ((BATCH, 3),), ((BATCH, 2),), ((2, 3), (3, 3), (3,))),
    Cell("lstm", lstm, ((BATCH, 2), (BATCH, 2)), ((BATCH, 3),), ((3, 8), (2, 8), (8,))),
    Cell("running", running, ((BATCH, 2),), ((BATCH, 2), (2,)), ((), (BATCH, 2))),
    Cell("normalized", normalized, ((BATCH, 2),), ((BATCH, 2),), ((2, 2),)),
    Cell("embedding", embedding, ((BATCH, 3),), ((BATCH,),), ((4, 3), (3, 3)), {"item0": "int"}),
    Cell("shared", shared, ((3,),), ((3,),), ((3,),)),
    Cell("relu", relu, ((BATCH, 2),), ((BATCH, 2),), ((2, 2),)),
]


def body_of(cell: Cell) -> tuple[Graph, Builder, list[int], list[int]]:
    """Cut the body out of a step; return it, where it was cut from, and what it reads as fixed, of the cell's
    fixed values."""
    source = Builder(REGISTRY)
    made = {
        kind: [
            source.apply("input", name=f"{kind}{n}", shape=shape, dtype=cell.kinds.get(f"{kind}{n}", "float"))
            for n, shape in enumerate(shapes)
        ]
        for kind, shapes in (("state", cell.states), ("item", cell.items), ("fixed", cell.fixed))
    }
    states, outs = cell.step(made["state"], made["item"], made["fixed"])
    body, items, fixed = cut(
        source,
        REGISTRY,
        [each.index for each in made["state"]],
        [each.index for each in made["item"]],
        [each.index for each in states],
        [each.index for each in outs],
    )
    assert items == [each.index for each in made["item"]]
    return body, source, fixed, [each.index for each in made["fixed"]]


def leaves_of(cell: Cell, builder: Builder, steps: int) -> dict[str, list[Value]]:
    """Add the operands: a state at the start, a sequence, or what is fixed."""
    shapes = {
        "state": cell.states,
        "item": tuple(with_time(shape, steps) for shape in cell.items),
        "fixed": cell.fixed,
    }
    return {
        kind: [
            builder.apply(
                "input", name=f"{kind}{n}", shape=shape, dtype=cell.kinds.get(f"{kind}{n}", "float")
            )
            for n, shape in enumerate(all_)
        ]
        for kind, all_ in shapes.items()
    }


def scanned(cell: Cell, builder: Builder, steps: int, reverse: bool) -> dict[str, Value]:
    """Add the scan; return its parts and its operands by name."""
    leaves = leaves_of(cell, builder, steps)
    body, source, read_fixed, given = body_of(cell)
    through = ThroughTime(builder, source, steps)
    for index, value in zip(given, leaves["fixed"], strict=True):
        through.begin(index, value, timed=False)
    outside = [through.value(index) for index in read_fixed]
    value = apply_scan(body, leaves["state"], leaves["item"], outside, steps=steps, reverse=reverse)
    parts = {f"out{n}": each for n, each in enumerate(collected(value))}
    return parts | {f"{kind}{n}": each for kind, all_ in leaves.items() for n, each in enumerate(all_)}


def unrolled(cell: Cell, builder: Builder, steps: int, reverse: bool) -> dict[str, Value]:
    """Add the same steps, written out one after the other."""
    leaves = leaves_of(cell, builder, steps)
    states: Sequence[Value] = leaves["state"]
    found: dict[int, Sequence[Value]] = {}
    for step in reversed(range(steps)) if reverse else range(steps):
        items = [at_step(each, shape, step) for each, shape in zip(leaves["item"], cell.items, strict=True)]
        states, found[step] = cell.step(states, items, leaves["fixed"])
    parts: dict[str, Value] = {}
    for n, out in enumerate(found[0]):
        pieces = [found[step][n].reshape(with_time(out.shape, 1)) for step in range(steps)]
        parts[f"out{n}"] = builder.apply("concat", *pieces, axis=time_axis(out.shape))
    return parts | {f"{kind}{n}": each for kind, all_ in leaves.items() for n, each in enumerate(all_)}


Maker = Callable[[Cell, Builder, int, bool], dict[str, Value]]


def derived(make: Maker, cell: Cell, steps: int, reverse: bool) -> Graph:
    """Outputs: the parts, the gradients of a weighted sum of them, and those of a weighted sum of these."""
    builder = Builder(REGISTRY)
    values = make(cell, builder, steps, reverse)
    y = None
    for name, value in values.items():
        if name.startswith("out"):
            builder.outputs[name] = value
            y = weighted(value, name) if y is None else y + weighted(value, name)
    assert y is not None
    builder.outputs["y"] = y
    by = [name for name in values if not name.startswith("out") and values[name].dtype == "float"]
    total = None
    for name in by:
        first = builder.outputs[f"d {name}"] = builder.apply("gradient_of", y, values[name])
        total = weighted(first, name) if total is None else total + weighted(first, name)
    assert total is not None
    for name in by:
        builder.outputs[f"dd {name}"] = builder.apply("gradient_of", total, values[name])
    builder.outputs["total"] = total
    graph = differentiate(builder.finish())
    verify(graph)
    return graph


def weighted(value: Value, stream: str) -> Value:
    weights = value.builder.apply("uniform", shape=value.shape, stream=stream) + 0.5
    return (value * weights).sum(range(len(value.shape))).reshape(())


def run_of(graph: Graph, seed: int = 0) -> Run:
    random = np.random.default_rng(seed)
    arrays = {}
    for name, index in graph.leaves("input").items():
        shape = sized(graph[index].shape, ROWS)
        numbers = np.asarray(random.normal(size=shape) * 0.7)
        arrays["input", name] = random.integers(0, 4, shape) if graph[index].dtype == "int" else numbers
    return Run(ROWS, leaves=arrays)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_scan_is_its_steps_written_out(cell: Cell, steps: int, reverse: bool) -> None:
    """Values, gradients, and gradients of gradients."""
    ours, theirs = (derived(make, cell, steps, reverse) for make in (scanned, unrolled))
    run = run_of(theirs)
    expected, found = evaluate(theirs, run), evaluate(ours, run)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_gradients_against_finite_differences(cell: Cell) -> None:
    graph = derived(scanned, cell, 3, False)
    run = run_of(graph)
    found = evaluate(graph, run)
    for name in (name for name in found if name.startswith(("d ", "dd "))):
        leaf = name.split()[1]
        of = "y" if name.startswith("d ") else "total"

        def at(x: np.ndarray, leaf: str = leaf, of: str = of) -> float:
            return float(evaluate(graph, Run(ROWS, leaves={**run.leaves, ("input", leaf): x}), [of])[of])

        expected = finite_differences(at, run.leaves["input", leaf])
        np.testing.assert_allclose(found[name], expected, rtol=5e-6, atol=5e-6, err_msg=name)


def test_weights_are_summed_over_batch_and_time_outside() -> None:
    """No step of the way back computes a gradient that all examples share."""
    graph = derived(scanned, CELLS[1], 3, False)
    bodies = [graph[index].setting("body") for index in graph if graph[index].operation.name == "scan"]
    assert len(bodies) > 1
    for body in bodies:
        for name, index in body.outputs.items():
            assert body[index].shape[0] == BATCH, name


def test_a_body_is_written_and_read() -> None:
    graph = derived(scanned, CELLS[1], 2, True)
    again = read(dump(graph), REGISTRY)
    assert dump(again) == dump(graph)
    run = run_of(graph)
    for name, value in evaluate(graph, run).items():
        np.testing.assert_array_equal(evaluate(again, run)[name], value)


def test_float32_is_rounded_inside_too() -> None:
    graph = derived(scanned, CELLS[0], 3, False)
    run = run_of(graph)
    narrow = Run(ROWS, leaves={name: each.astype(np.float32) for name, each in run.leaves.items()})
    found = evaluate(graph, narrow, ["out0"], np.float32)["out0"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, evaluate(graph, run, ["out0"])["out0"], atol=1e-5)


def refused(message: str, **changes: object) -> None:
    cell = CELLS[0]
    builder = Builder(REGISTRY)
    leaves = leaves_of(cell, builder, 3)
    settings = {
        "body": body_of(cell)[0],
        "states": 1,
        "sequences": 1,
        "steps": 3,
        "reverse": False,
        **changes,
    }
    with pytest.raises(ValueError, match=message):
        builder.apply("scan", *leaves["state"], *leaves["item"], *leaves["fixed"], **settings)


def test_what_does_not_fit_is_refused() -> None:
    refused("does not go along", steps=4)
    refused("reads item0", sequences=0)
    other = Builder(REGISTRY)
    state = other.apply("input", name="state0", shape=(BATCH, 3))
    other.outputs = {"state0": state.sum((1,)), "out0": state}
    refused("begins as", body=other.finish())
    other = Builder(REGISTRY)
    other.outputs = {"state0": other.apply("input", name="state0", shape=(BATCH, 3))}
    refused("at least one value", body=other.finish())
    other = Builder(REGISTRY)
    state = other.apply("input", name="state0", shape=(BATCH, 3))
    drawn = other.apply("uniform", shape=(BATCH, 3), stream="mask")
    other.outputs = {"state0": state * drawn, "out0": state}
    refused("no uniform of its own", body=other.finish())


def test_a_scan_reads_as_text() -> None:
    builder = Builder(REGISTRY)
    values = scanned(CELLS[0], builder, 3, False)
    builder.outputs["y"] = values["out0"]
    graph = builder.finish()
    assert "scan(state0, item0, fixed0, fixed1, fixed2)" in formula(graph, graph.outputs["y"])
