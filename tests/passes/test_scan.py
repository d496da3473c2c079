"""What passes make of scans: the same values, one scan for several, and no scan at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph, evaluate, verify
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import apply_scan, out_shapes
from netdsl.passes.deduplicate import deduplicate
from netdsl.passes.differentiate import differentiate
from netdsl.passes.hoist import hoist
from netdsl.passes.scan import merge_scans
from netdsl.passes.scan_stage import stage_scans
from netdsl.passes.scan_unroll import unroll_scans
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize
from tests.operations.test_scan import CELLS, Cell, derived, lstm, run_of, scanned

PASSES: dict[str, Callable[[Graph], Graph]] = {
    "simplify": simplify,
    "simplify after": lambda graph: simplify(graph, differentiated=True),
    "specialize": lambda graph: specialize(graph, {"training": 1.0}),
    "deduplicate": deduplicate,
    "merge": merge_scans,
    "unroll": unroll_scans,
    "all": lambda graph: simplify(merge_scans(simplify(graph)), differentiated=True),
}


def bodies(graph: Graph) -> list[Graph]:
    return [graph[index].setting("body") for index in graph if graph[index].operation.name == "scan"]


@pytest.mark.parametrize("make", PASSES.values(), ids=PASSES)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_values_stay_as_they_are(cell: Cell, make: Callable[[Graph], Graph]) -> None:
    graph = derived(scanned, cell, 3, True)
    after = make(graph)
    verify(after)
    run = run_of(graph)
    expected, found = evaluate(graph, run), evaluate(after, run)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-10, err_msg=name)


def first_derivative(cell: Cell, steps: int = 3) -> Graph:
    graph = derived(scanned, cell, steps, False)
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    builder.take_roots(graph, values)
    for name in [name for name in builder.outputs if name.startswith("dd ") or name == "total"]:
        del builder.outputs[name]
    return builder.finish(unused=False)


def test_the_way_there_is_walked_once() -> None:
    graph = simplify(merge_scans(simplify(first_derivative(CELLS[1]))), differentiated=True)
    forward, back = bodies(graph)
    # The output, four gates, the tanh of the cell, both states before the step.
    assert len(out_shapes(forward)) == 8
    assert set(back.leaves("input")) >= {"state0", "state1", "item0"}


def test_what_nobody_reads_is_not_collected() -> None:
    builder = Builder(REGISTRY)
    values = scanned(CELLS[1], builder, 3, False)
    y = values["out0"].sum((0, 1, 2)).reshape(())
    builder.outputs["d"] = builder.apply("gradient_of", y, values["fixed1"])
    graph = simplify(merge_scans(simplify(differentiate(builder.finish()))), differentiated=True)
    _, back = bodies(graph)
    assert out_shapes(back) == [(BATCH, 8)]  # the gradient of all gates, and no product of it


def body_with(training: bool) -> Graph:
    """A cell that reads a scalar, and a value that it does not use."""
    builder = Builder(REGISTRY)
    state = builder.apply("input", name="state0", shape=(BATCH, 2))
    item = builder.apply("input", name="item1", shape=(BATCH, 2))
    flag = builder.apply("input", name="fixed0", shape=())
    factor = (flag.apply("greater", 0.5)).apply("where", 2.0, 3.0) if training else flag
    new = state * factor + item
    builder.outputs = {"state0": new, "out0": new}
    return builder.finish()


def test_constants_go_inside_and_what_is_not_read_goes_away() -> None:
    builder = Builder(REGISTRY)
    start = builder.constant(0.0).broadcast((BATCH, 2))
    x = builder.apply("input", name="x", shape=(BATCH, 4, 2))
    z = builder.apply("input", name="z", shape=(BATCH, 4, 2))
    flag = builder.apply("scalar", name="training")
    builder.outputs["y"] = apply_scan(body_with(True), [start], [z, x], [flag], steps=4)
    graph = specialize(builder.finish(), {"training": 1.0})
    (body,) = bodies(graph)
    assert set(body.leaves("input")) == {"state0", "item0"}
    assert not any(body[index].operation.name == "where" for index in body)
    (scan,) = (index for index in graph if graph[index].operation.name == "scan")
    assert [graph[each].operation.name for each in graph.operands(scan)] == ["broadcast", "input"]


def test_scans_that_differ_stay_apart() -> None:
    builder = Builder(REGISTRY)
    start = builder.constant(0.0).broadcast((BATCH, 2))
    x = builder.apply("input", name="x", shape=(BATCH, 4, 2))
    factors = [builder.constant(2.0), builder.constant(3.0), builder.constant(2.0)]
    scans = [apply_scan(body_with(False), [start], [x, x], [factor], steps=4) for factor in factors]
    builder.outputs = {f"y{number}": each for number, each in enumerate(scans)}
    graph = simplify(builder.finish())
    assert len(bodies(graph)) == 2
    assert len(bodies(merge_scans(graph))) == 2


# ---- loops --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_loops_have_the_values_of_scans(cell: Cell, reverse: bool) -> None:
    graph = simplify(merge_scans(simplify(derived(scanned, cell, 3, reverse))), differentiated=True)
    after = stage_scans(graph)
    verify(after)
    names = {after[index].operation.name for index in after}
    assert "scan" not in names
    run = run_of(graph)
    found = evaluate(after, run)
    for name, value in evaluate(graph, run).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-10, err_msg=name)


def test_what_is_computed_of_all_steps_is_computed_of_stacks() -> None:
    graph = stage_scans(simplify(merge_scans(simplify(first_derivative(CELLS[1]))), differentiated=True))
    tall = [index for index in graph if graph[index].operation.name == "matmul"]
    assert tall
    for index in tall:
        assert {graph[each].shape[0] for each in graph.operands(index)} & {-3}, graph[index]


def test_scans_that_are_no_loops_are_written_out() -> None:
    once = simplify(first_derivative(CELLS[1], steps=1))
    graph = stage_scans(once)
    names = {graph[index].operation.name for index in graph}
    assert not names & {"loop", "scan"}


# ---- products taken out ---------------------------------------------------------------------------


def products(graph: Graph) -> list[int]:
    """Return how many products the body of each scan has."""
    return [[body[index].operation.name for index in body].count("matmul") for body in bodies(graph)]


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_hoisting_keeps_values(cell: Cell, reverse: bool) -> None:
    graph = simplify(merge_scans(simplify(derived(scanned, cell, 3, reverse))))
    after = simplify(hoist(graph), differentiated=True)
    verify(after)
    run = run_of(graph)
    found = evaluate(after, run)
    for name, value in evaluate(graph, run).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-10, err_msg=name)


def test_only_what_waits_for_the_step_before_stays_in_the_body() -> None:
    builder = Builder(REGISTRY)
    builder.outputs["y"] = scanned(CELLS[1], builder, 5, False)["out0"]
    graph = simplify(builder.finish())
    assert products(graph) == [2]
    assert products(simplify(hoist(graph))) == [1]


def test_a_head_at_each_step_is_one_product_after_the_scan() -> None:
    inside = Builder(REGISTRY)
    state, item = (inside.apply("input", name=name, shape=(BATCH, 2)) for name in ("state0", "item0"))
    w = inside.apply("input", name="fixed0", shape=(2, 3))
    new = (state + item).apply("tanh")
    inside.outputs = {
        "state0": new,
        "out0": new.apply("matmul", w, contract=((1, 0),), align=()),
        "out1": state,
    }
    body = inside.finish()
    builder = Builder(REGISTRY)
    start = builder.apply("input", name="s", shape=(BATCH, 2))
    x = builder.apply("input", name="x", shape=(BATCH, 4, 2))
    given = builder.apply("input", name="w", shape=(2, 3))
    builder.outputs["y"] = apply_scan(body, [start], [x], [given], steps=4)
    graph = builder.finish()
    after = simplify(hoist(graph))
    assert products(after) == [0]
    run = run_of(graph)
    np.testing.assert_allclose(evaluate(after, run)["y"], evaluate(graph, run)["y"], rtol=1e-12)


WIDE = Cell("wide lstm", lstm, ((BATCH, 16), (BATCH, 16)), ((BATCH, 3),), ((3, 64), (16, 64), (64,)))


def moves(graph: Graph) -> set[str]:
    """Return the operations by which the bodies of all scans take parts of values and put them together."""
    names = {body[index].operation.name for body in bodies(graph) for index in body}
    return names & {"slice", "pad", "concat"}


def test_gates_are_parts_of_one_product_and_gradients_of_one_matrix() -> None:
    builder = Builder(REGISTRY)
    values = scanned(WIDE, builder, 3, False)
    y = (values["out0"] * values["out0"]).sum((0, 1, 2)).reshape(())
    builder.outputs["y"] = y
    for name in ("fixed0", "fixed1", "fixed2", "item0", "state1"):
        builder.outputs[f"d {name}"] = builder.apply("gradient_of", y, values[name])
    graph = simplify(builder.finish())
    before = simplify(merge_scans(differentiate(graph)), differentiated=True)
    after = simplify(merge_scans(differentiate(simplify(hoist(graph)))), differentiated=True)
    assert "pad" in moves(before) or 2 in products(before)
    assert moves(after) == {"slice", "concat"}
    assert set(products(after)) == {1}
    verify(after)
    run = run_of(graph)
    found = evaluate(after, run)
    for name, value in evaluate(before, run).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-10, err_msg=name)
