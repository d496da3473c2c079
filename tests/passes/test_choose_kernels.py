"""Which kernel computes a group, how its work is cut, and what is joined."""

import numpy as np

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.operations import REGISTRY
from netdsl.passes.choose_kernels import choose_kernels
from netdsl.passes.fuse import fuse
from netdsl.passes.legalize import legalize
from netdsl.program import Choice, Lines, Panels, Rows, Tiles
from tests.lowering.running import compare

RNG = np.random.default_rng(4)


def chosen(graph: Graph) -> Choice:
    return choose_kernels(fuse(legalize(graph)))


def told(choice: Choice) -> list[tuple[list[str], object]]:
    return [([part.template for part in unit.parts], unit.cut) for unit in choice.units]


def inputs(*shape: int) -> tuple[Builder, Value, Value]:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, shape[0]), dtype="float")
    return builder, x, builder.apply("weight", name="w", shape=shape)


def product(x: Value, w: Value) -> Value:
    return x.apply("matmul", w, contract=((1, 0),), align=())


def test_a_layer_is_a_product_with_its_offset_and_what_follows() -> None:
    builder, x, w = inputs(20, 128)
    b = builder.apply("weight", name="b", shape=(128,))
    builder.outputs["y"] = (product(x, w) + b).apply("tanh")
    choice = chosen(builder.finish())
    assert told(choice) == [(["product", "lanes"], Panels(128))]
    assert choice.graph.leaves("weight")["w"] in choice.panels
    assert choice.graph.leaves("input")["x"] not in choice.panels


def test_few_columns_are_cut_by_rows() -> None:
    builder, x, w = inputs(20, 10)
    builder.outputs["y"] = product(x, w).apply("softmax", axis=1)
    assert told(chosen(builder.finish())) == [(["product"], Rows()), (["loops"], Rows())]


def test_the_optimizer_goes_along_with_the_gradient() -> None:
    builder, x, w = inputs(200, 32)
    dy = builder.apply("input", name="dy", shape=(BATCH, 32), dtype="float").apply("tanh")
    g = x.apply("matmul", dy, contract=((0, 0),), align=())
    builder.updates["w"] = w - 0.1 * g
    choice = chosen(builder.finish())
    assert (["gradient", "lanes"], Tiles(200, 32, 112)) in told(choice)
    gradient = next(unit for unit in choice.units if unit.parts[0].template == "gradient")
    assert gradient.parts[0].group.stores[0] in choice.passing


def test_the_penalty_is_summed_up_while_the_optimizer_has_the_weight() -> None:
    builder, x, w = inputs(200, 32)
    dy = builder.apply("input", name="dy", shape=(BATCH, 32), dtype="float").apply("tanh")
    g = x.apply("matmul", dy, contract=((0, 0),), align=())
    builder.outputs["penalty"] = w.apply("abs").sum((0, 1))
    builder.updates["w"] = w - 0.1 * g
    assert (["total", "gradient", "lanes"], Tiles(200, 32, 112)) in told(chosen(builder.finish()))


def test_who_reads_a_total_waits_for_all_tiles() -> None:
    builder, x, w = inputs(200, 32)
    v = builder.apply("weight", name="v", shape=(200, 32))
    builder.outputs["y"] = product(x, w)
    size = (w * v).sum((0, 1))
    builder.updates["w"] = w - v * size.broadcast((200, 32))
    graph = builder.finish()
    assert (["total"], Tiles(200, 32, 112)) in told(chosen(graph))
    compare(graph, {"x": RNG.normal(size=(8, 200)).astype(np.float32)}, 8, threads=2)


def test_layers_of_equal_width_are_not_joined() -> None:
    builder, x, w = inputs(64, 64)
    second = builder.apply("weight", name="second", shape=(64, 64))
    builder.outputs["y"] = product(product(x, w).apply("tanh"), second).apply("tanh")
    graph = builder.finish()
    assert told(chosen(graph)) == [(["product", "lanes"], Panels(64))] * 2
    compare(graph, {"x": RNG.normal(size=(40, 64)).astype(np.float32)}, 40, threads=3)


def test_a_normalized_layer_is_one_unit_for_each_panel() -> None:
    builder, x, w = inputs(20, 64)
    z = product(x, w)
    rows = builder.apply("scalar", name="rows")
    mean = z.sum((0,)) / rows
    centered = z - mean
    variance = (centered * centered).sum((0,)) / rows
    builder.outputs["y"] = centered / (variance + 1e-5).apply("sqrt")
    graph = builder.finish()
    (unit,) = told(chosen(graph))
    assert unit[1] == Panels(64)
    assert unit[0][0] == "product"
    assert unit[0].count("columns") == 2
    compare(graph, {"x": RNG.normal(size=(40, 20)).astype(np.float32)}, 40, threads=2)


def test_vectors_are_lines() -> None:
    builder = Builder(REGISTRY)
    b = builder.apply("weight", name="b", shape=(500,))
    builder.updates["b"] = b * 0.5 + 1.0
    assert told(chosen(builder.finish())) == [(["lanes"], Lines(500))]
