"""Scans on the CPU against the oracle: outputs, gradients and updates, for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph
from netdsl.kernels.cpu.machine import machine
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import apply_scan
from netdsl.passes.differentiate import differentiate
from netdsl.passes.hoist import hoist
from netdsl.passes.scan import merge_scans
from netdsl.passes.scan_stage import stage_scans
from netdsl.passes.simplify import simplify
from netdsl.program import Pieces, Target
from netdsl.runtime.executable import Executable
from tests.lowering.running import compare, program_of, start_of
from tests.operations.test_scan import CELLS, Cell, lstm, scanned


def network(cell: Cell, steps: int, reverse: bool) -> Graph:
    """What is fixed are weights; each moves against the gradient of the sum of the squares of the result."""
    builder = Builder(REGISTRY)
    values = scanned(cell, builder, steps, reverse)
    losses = [
        (value * value).sum(range(len(value.shape))).reshape(())
        for name, value in values.items()
        if name.startswith("out")
    ]
    builder.outputs = {name: value for name, value in values.items() if name.startswith("out")}
    total = losses[0]
    for each in losses[1:]:
        total = total + each
    builder.outputs["objective"] = total
    for name in values:
        if name.startswith(("fixed", "state", "item")) and values[name].dtype == "float":
            builder.outputs[f"d {name}"] = builder.apply("gradient_of", total, values[name])
    graph = simplify(merge_scans(simplify(differentiate(builder.finish()))), differentiated=True)
    return stage_scans(graph)


def fields_of(graph: Graph, rows: int) -> dict[str, NDArray[Any]]:
    """Return so many drawn rows of each input."""
    random = np.random.default_rng(7)
    fields: dict[str, NDArray[Any]] = {}
    for name, index in graph.leaves("input").items():
        shape = tuple(rows if extent == BATCH else extent for extent in graph[index].shape)
        whole = graph[index].dtype == "int"
        array = random.integers(0, 4, shape) if whole else random.normal(size=shape) * 0.5
        fields[name] = array.astype(np.int32 if whole else np.float32)
    return fields


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", [each for each in CELLS if each.name != "shared"], ids=str)
def test_scans_are_what_the_oracle_says(cell: Cell, reverse: bool) -> None:
    graph = network(cell, 3, reverse)
    fields = fields_of(graph, 5)
    for threads in (1, 2):
        compare(graph, fields, 5, threads=threads).close()


WIDE = Cell("wide lstm", lstm, ((BATCH, 16), (BATCH, 16)), ((BATCH, 3),), ((3, 64), (16, 64), (64,)))


def gradients_of(cell: Cell) -> Graph:
    """Return the gradients of all that a cell reads, through three steps."""
    builder = Builder(REGISTRY)
    values = scanned(cell, builder, 3, False)
    y = (values["out0"] * values["out0"]).sum((0, 1, 2)).reshape(())
    for name in ("fixed0", "fixed1", "fixed2", "item0", "state0", "state1"):
        builder.outputs[f"d {name}"] = builder.apply("gradient_of", y, values[name])
    graph = differentiate(simplify(hoist(simplify(builder.finish()))))
    return stage_scans(simplify(merge_scans(graph), differentiated=True))


def normal_fields(graph: Graph, rows: int) -> dict[str, NDArray[np.float32]]:
    """Return random values of a graph's inputs."""
    random = np.random.default_rng(4)
    fields = {}
    for name, index in graph.leaves("input").items():
        shape = tuple(rows if extent == BATCH else extent for extent in graph[index].shape)
        fields[name] = (random.normal(size=shape) * 0.3).astype(np.float32)
    return fields


@pytest.mark.parametrize("rows", [5, 20])
def test_gates_as_parts_of_one_product(rows: int) -> None:
    graph = gradients_of(WIDE)
    fields = normal_fields(graph, rows)
    for threads in (1, 2):
        executable = compare(graph, fields, rows, threads=threads)
        assert executable.intruded() == ()
        kernels = executable.program.kernels
        moved = [name for name in kernels if {"concat", "pad", "slice"} & {*name.split("_")}]
        assert moved == [], "gates are read, and their gradients written, where they lie"
        executable.close()


def stacked() -> Graph:
    """One scan on top of another, the second the other way round, with products before, between and after."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4, 3))
    inside = Builder(REGISTRY)
    state, item = (inside.apply("input", name=name, shape=(BATCH, 20)) for name in ("state0", "item0"))
    u = inside.apply("input", name="fixed0", shape=(20, 20))
    new = (item + state.apply("matmul", u, contract=((1, 0),), align=())).apply("tanh")
    inside.outputs = {"state0": new, "out0": new}
    body = inside.finish()
    start = builder.constant(0.0).broadcast((BATCH, 20))
    for number, width in enumerate((3, 20)):
        w = builder.apply("weight", name=f"w{number}", shape=(width, 20))
        u = builder.apply("weight", name=f"u{number}", shape=(20, 20))
        x = x.apply("matmul", w, contract=((2, 0),), align=())
        x = apply_scan(body, [start], [x], [u], steps=4, reverse=bool(number))
    builder.outputs["objective"] = (x * x).sum((0, 1, 2)).reshape(())
    names = [f"{kind}{number}" for kind in "wu" for number in (0, 1)]
    graph = differentiate(simplify(hoist(simplify(builder.finish()))), "objective", names)
    return stage_scans(simplify(merge_scans(graph), differentiated=True))


def test_a_scan_on_top_of_another() -> None:
    fields = {"x": np.random.default_rng(2).normal(size=(18, 4, 3)).astype(np.float32)}
    graph = stacked()
    assert sum(graph[index].operation.name == "loop" for index in graph) == 4
    start = start_of(graph, np.random.default_rng(3))
    kept = {name: 0.2 * value for name, value in start.items()}
    for rows in (5, 18):
        compare(graph, fields, rows, threads=2, kept=kept).close()


def test_steps_beside_targets_of_the_same_examples() -> None:
    """What a scan makes lies by steps, a field by examples: a fold over the steps must find both."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4, 3))
    target = builder.apply("input", name="target", shape=(BATCH, 4))
    w = builder.apply("weight", name="w", shape=(3, 1))
    inside = Builder(REGISTRY)
    state, item = (inside.apply("input", name=name, shape=(BATCH, 3)) for name in ("state0", "item0"))
    new = (item + state).apply("tanh")
    inside.outputs = {"state0": new, "out0": new}
    start = builder.constant(0.0).broadcast((BATCH, 3))
    made = apply_scan(inside.finish(), [start], [x], [], steps=4, reverse=False)
    score = made.apply("matmul", w, contract=((2, 0),), align=()).reshape((BATCH, 4))
    right = score.pointwise("greater", 0.0).apply("equal", target.pointwise("greater", 0.0))
    hits = right.apply("cast", dtype="float")
    builder.outputs["all"] = hits.apply("minimum_over", axis=1)
    builder.outputs["share"] = hits.sum((1,))
    random = np.random.default_rng(4)
    fields = {"x": random.normal(size=(11, 4, 3)), "target": random.normal(size=(11, 4))}
    given = {name: value.astype(np.float32) for name, value in fields.items()}
    compare(stage_scans(simplify(hoist(simplify(builder.finish())))), given, 11, threads=2).close()


def of_characters(units: int) -> Graph:
    """A scan of characters, each of which is a row of a matrix."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 5), dtype="int")
    inside = Builder(REGISTRY)
    state = inside.apply("input", name="state0", shape=(BATCH, units))
    item = inside.apply("input", name="item0", shape=(BATCH, 7))
    w = inside.apply("input", name="fixed0", shape=(7, units))
    u = inside.apply("input", name="fixed1", shape=(units, units))
    row = item.apply("matmul", w, contract=((1, 0),), align=())
    new = (row + state.apply("matmul", u, contract=((1, 0),), align=())).apply("tanh")
    inside.outputs = {"state0": new, "out0": new}
    start = builder.constant(0.0).broadcast((BATCH, units))
    fixed = [builder.apply("weight", name=name, shape=(n, units)) for name, n in (("w", 7), ("u", units))]
    y = apply_scan(inside.finish(), [start], [x.apply("one_hot", classes=7)], fixed, steps=5)
    builder.outputs["objective"] = (y * y).sum((0, 1, 2)).reshape(())
    graph = differentiate(simplify(hoist(simplify(builder.finish()))), "objective", ["w", "u"])
    return stage_scans(simplify(merge_scans(graph), differentiated=True))


@pytest.mark.skipif(machine().level != "amx", reason="this machine has no tile registers")
@pytest.mark.parametrize("rows", [5, 31, 32, 70])
def test_turns_by_tiles(rows: int) -> None:
    graph = of_characters(48)
    fields = {"x": np.random.default_rng(6).integers(0, 7, (rows, 5)).astype(np.int32)}
    start = start_of(graph, np.random.default_rng(3))
    kept = {name: 0.2 * value for name, value in start.items()}
    given = []
    for threads in (1, 2, 3):
        target = Target(tiles=True)
        executable = compare(graph, fields, rows, threads=threads, kept=kept, target=target)
        assert executable.intruded() == ()
        kernels = {call.kernel for step in executable.program.steps() for call in step.calls}
        assert {"product_of_turns", "split_panels"} <= kernels
        results = executable.run(np.arange(rows), rows, scalars={}, step=0, seed=0)
        given.append({name: value.tobytes() for name, value in results.items()})
        executable.close()
    assert given[0] == given[1] == given[2]


@pytest.mark.parametrize("units", [33, 40])
def test_turns_by_tiles_of_a_matrix_that_is_not_turned(units: int) -> None:
    """The way back turns what it is given where the columns of the matrix end within a panel."""
    fields = {"x": np.random.default_rng(6).integers(0, 7, (37, 5)).astype(np.int32)}
    graph = of_characters(units)
    kept = {name: 0.2 * value for name, value in start_of(graph, np.random.default_rng(3)).items()}
    compare(graph, fields, 37, kept=kept, target=Target(tiles=machine().level == "amx")).close()


@pytest.mark.parametrize("units", [32, 20])
def test_rows_of_a_table_are_read_in_the_body(units: int) -> None:
    graph = of_characters(units)
    names = [graph[index].operation.name for index in graph]
    assert names.count("loop") == 2
    assert ("gather" in names) == (units % 16 > 0)
    fields = {"x": np.random.default_rng(2).integers(0, 7, (37, 5)).astype(np.int32)}
    for rows in (5, 37):
        for threads in (1, 2):
            executable = compare(graph, fields, rows, threads=threads)
            assert [each.below for each in executable.program.inputs] == [7]
            assert executable.intruded() == ()
            executable.close()


@pytest.mark.parametrize("first", [False, True], ids=["rows first", "numbers first"])
def test_numbers_of_rows_are_items_beside_the_rows(first: bool) -> None:
    """A scan over embedded characters may look at the characters too, say to skip some."""
    builder = Builder(REGISTRY)
    numbers = builder.apply("input", name="x", shape=(BATCH, 5), dtype="int")
    rows = builder.apply("weight", name="w", shape=(7, 16)).apply("gather", numbers)
    inside = Builder(REGISTRY)
    state = inside.apply("input", name="state0", shape=(BATCH, 16))
    row = inside.apply("input", name=f"item{int(first)}", shape=(BATCH, 16))
    number = inside.apply("input", name=f"item{int(not first)}", shape=(BATCH,), dtype="int")
    kept = number.apply("cast", dtype="float").reshape((BATCH, 1)).broadcast((BATCH, 16))
    new = (row + state * kept * 0.1).apply("tanh")
    inside.outputs = {"state0": new, "out0": new}
    start = builder.constant(0.0).broadcast((BATCH, 16))
    items = [numbers, rows] if first else [rows, numbers]
    builder.outputs["y"] = apply_scan(inside.finish(), [start], items, [], steps=5)
    graph = stage_scans(simplify(builder.finish()))
    assert "gather" not in [graph[index].operation.name for index in graph]
    compare(graph, {"x": np.random.default_rng(2).integers(0, 7, (19, 5)).astype(np.int32)}, 19).close()


@pytest.mark.parametrize("channels", [5, 16])
def test_states_that_are_images(channels: int) -> None:
    builder, inside = Builder(REGISTRY), Builder(REGISTRY)
    image, pads = (BATCH, 6, 7, channels), {"before": (1, 1), "after": (1, 1)}
    x = builder.apply("input", name="x", shape=(BATCH, 3, *image[1:]))
    kernel = builder.apply("weight", name="k", shape=(3, 3, channels, channels))
    state, item = (inside.apply("input", name=name, shape=image) for name in ("state0", "item0"))
    given = inside.apply("input", name="fixed0", shape=(3, 3, channels, channels))
    seen = state.apply("convolve", given, strides=(1, 1), dilation=(1, 1), groups=1, **pads)
    new = (seen + item).apply("tanh")
    inside.outputs = {"state0": new, "out0": new.sum((1, 2))}
    start = builder.constant(0.1).broadcast(image)
    y = apply_scan(inside.finish(), [start], [x], [kernel], steps=3)
    builder.outputs["y"] = y
    builder.outputs["d k"] = builder.apply("gradient_of", (y * y).sum((0, 1, 2)).reshape(()), kernel)
    graph = differentiate(simplify(hoist(simplify(builder.finish()))))
    graph = stage_scans(simplify(merge_scans(graph), differentiated=True))
    kept = {name: 0.1 * value for name, value in start_of(graph, np.random.default_rng(3)).items()}
    fields = {"x": np.random.default_rng(1).normal(size=(17, 3, 6, 7, channels)).astype(np.float32)}
    executable = compare(graph, fields, 17, kept=kept, threads=2, tolerance=1e-4)
    assert executable.intruded() == ()


def test_the_length_of_a_sequence_costs_no_steps() -> None:
    programs = [program_of(network(CELLS[1], steps, False)) for steps in (12, 60)]
    assert len({len(each.steps()) for each in programs}) == 1
    assert len({len(each.kernels) for each in programs}) == 1


def test_threads_go_through_all_turns_of_a_cell_without_a_barrier() -> None:
    phases = [phase for phase in program_of(stacked()).phases if phase.repeat]
    assert [phase.repeat and phase.repeat.free for phase in phases] == [True] * 4
    works = [step.work for phase in phases for step in phase.steps]
    assert all(isinstance(work, Pieces) and (work.size, work.grain) == (32, 16) for work in works)


@pytest.mark.parametrize("rows", [1, 7, 32, 70])
def test_bits_do_not_depend_on_threads(rows: int) -> None:
    graph = stacked()
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, 4, 3)).astype(np.float32)
    kept = {name: random.normal(size=graph[index].shape) for name, index in graph.leaves("weight").items()}
    found = []
    for threads in (1, 2, 3):
        executable = Executable(program_of(graph), threads, guard=16)
        for name, value in kept.items():
            executable.write(name, value.astype(np.float32))
        executable.bind({"x": x})
        found.append(executable.run(np.arange(rows), rows))
        assert not executable.intruded()
        executable.close()
    for other in found[1:]:
        for name, value in found[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)
