"""Gradients of a weight's columns, written side by side, and what may be done with the whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import apply_scan
from netdsl.passes.scan_stage import stage_scans
from netdsl.passes.simplify import simplify
from tests.lowering.running import compare


def times(left: Value, right: Value) -> Value:
    return left.apply("matmul", right, contract=((1, 0),), align=())


def joined(x: Value, *others: Value) -> Value:
    """Return what products over the examples give, side by side."""
    first, *rest = [x.apply("matmul", each, contract=((0, 0),), align=()) for each in others]
    return first.apply("concat", *rest, axis=1)


def network(kind: str) -> Graph:
    builder = Builder(REGISTRY)
    x, a, b = (builder.apply("input", name=f"x{n}", shape=(BATCH, n)) for n in (20, 16, 32))
    w, v = (
        builder.apply("weight", name=name, shape=shape) for name, shape in (("w", (20, 48)), ("v", (48, 20)))
    )
    gradient = joined(x, a, b)
    builder.outputs["y"] = times(times(x, w).apply("tanh"), v)
    match kind:
        case "kept as it is":  # what is overwritten is read by others, before and after
            builder.outputs["late"] = times(builder.outputs["y"], w)
            builder.updates["w"] = gradient
        case "subtracted":
            builder.updates["w"] = w - 0.1 * gradient
            builder.outputs["norm"] = (gradient * gradient).sum((0, 1)).reshape(())
        case "given":
            builder.outputs["gradient"] = gradient
    return builder.finish()


def fields(rows: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(rows)
    return {f"x{n}": random.normal(size=(rows, n)).astype(np.float32) for n in (20, 16, 32)}


@pytest.mark.parametrize("rows", [1, 33])
@pytest.mark.parametrize("kind", ["kept as it is", "subtracted", "given"])
def test_gradients_side_by_side(kind: str, rows: int) -> None:
    for threads in (1, 3):
        executable = compare(network(kind), fields(rows), rows, threads=threads, tolerance=3e-5)
        assert executable.intruded() == ()
        executable.close()


def test_gradients_side_by_side_in_the_body_of_a_scan() -> None:
    builder, inside = Builder(REGISTRY), Builder(REGISTRY)
    x = builder.apply("input", name="x20", shape=(BATCH, 4, 20))
    u = builder.apply("weight", name="u", shape=(20, 16))
    state = inside.apply("input", name="state0", shape=(BATCH, 32))
    item = inside.apply("input", name="item0", shape=(BATCH, 20))
    part = times(item, inside.apply("input", name="fixed0", shape=(20, 16)))
    part = part * state.sum((1,)).reshape((BATCH, 1)).broadcast((BATCH, 16))
    new = times(item, joined(item, part.apply("tanh"), part.apply("sigmoid"))).apply("tanh")
    inside.outputs = {"state0": new, "out0": new}
    start = builder.constant(0.5).broadcast((BATCH, 32))
    builder.outputs["y"] = apply_scan(inside.finish(), [start], [x], [u], steps=4)
    given = np.random.default_rng(1).normal(size=(19, 4, 20)).astype(np.float32)
    compare(stage_scans(simplify(builder.finish())), {"x20": given}, 19, threads=2, tolerance=1e-3).close()
