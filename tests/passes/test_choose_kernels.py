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
    assert (["gradient", "lanes"], Tiles(200, 32, 64)) in told(choice)
    gradient = next(unit for unit in choice.units if unit.parts[0].template == "gradient")
    assert gradient.parts[0].group.stores[0] in choice.passing


def test_the_penalty_is_summed_up_while_the_optimizer_has_the_weight() -> None:
    builder, x, w = inputs(200, 32)
    dy = builder.apply("input", name="dy", shape=(BATCH, 32), dtype="float").apply("tanh")
    g = x.apply("matmul", dy, contract=((0, 0),), align=())
    builder.outputs["penalty"] = w.apply("abs").sum((0, 1))
    builder.updates["w"] = w - 0.1 * g
    assert (["total", "gradient", "lanes"], Tiles(200, 32, 64)) in told(chosen(builder.finish()))


def test_who_reads_a_total_waits_for_all_tiles() -> None:
    builder, x, w = inputs(200, 32)
    v = builder.apply("weight", name="v", shape=(200, 32))
    builder.outputs["y"] = product(x, w)
    size = (w * v).sum((0, 1))
    builder.updates["w"] = w - v * size.broadcast((200, 32))
    graph = builder.finish()
    assert (["total"], Tiles(200, 32, 64)) in told(chosen(graph))
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


def test_a_table_that_is_also_a_factor() -> None:
    """Rows are added to a table row by row, and a product reads it in panels."""
    builder, x, w = inputs(150, 40)
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int")
    rows = w.apply("gather", label)
    h = product(x, w) + rows
    builder.outputs["h"] = h
    dense = x.apply("matmul", h, contract=((0, 0),), align=())
    sparse = label.apply("scatter_add", h, extent=150)
    builder.updates["w"] = w - 0.01 * (dense + sparse)
    fields = {
        "x": RNG.normal(size=(9, 150)).astype(np.float32),
        "label": RNG.integers(0, 150, 9).astype(np.int32),
    }
    compare(builder.finish(), fields, 9, threads=2)


def test_noise_on_a_weight() -> None:
    builder, x, w = inputs(150, 40)
    noise = builder.apply("gaussian", shape=(150, 40), stream="noise")
    builder.outputs["y"] = product(x, w + 0.1 * noise)
    builder.updates["w"] = w * 0.5 + noise
    compare(builder.finish(), {"x": RNG.normal(size=(9, 150)).astype(np.float32)}, 9, threads=2)


def test_factors_that_no_kernel_lays_in_panels() -> None:
    """A random matrix, and one that is given with the data: these products are loops."""
    builder, x, w = inputs(150, 40)
    noise = builder.apply("gaussian", shape=(150, 40), stream="noise")
    table = builder.apply("input", name="table", shape=(150, 40), dtype="float")
    builder.outputs["noisy"] = product(x, noise)
    builder.outputs["shared"] = product(x, table)
    back = product(x, w).apply("matmul", table, contract=((1, 1),), align=())
    builder.outputs["back"] = back
    fields = {
        "x": RNG.normal(size=(9, 150)).astype(np.float32),
        "table": RNG.normal(size=(150, 40)).astype(np.float32),
    }
    compare(builder.finish(), fields, 9, threads=2)


def test_a_field_is_turned_where_a_product_back_reads_it() -> None:
    builder, x, w = inputs(40, 150)
    y = builder.apply("input", name="y", shape=(BATCH, 150), dtype="float")
    builder.outputs["x"] = y.apply("matmul", w, contract=((1, 1),), align=())
    builder.outputs["g"] = x.apply("matmul", y, contract=((0, 0),), align=())
    fields = {
        "x": RNG.normal(size=(21, 40)).astype(np.float32),
        "y": RNG.normal(size=(21, 150)).astype(np.float32),
    }
    compare(builder.finish(), fields, 21, threads=3)


def test_a_field_whose_rows_would_push_each_other_out_of_the_cache_lies_in_panels() -> None:
    builder, x, w = inputs(1024, 64)
    builder.outputs["y"] = product(x, w)
    graph = builder.finish()
    choice = chosen(graph)
    assert choice.graph.leaves("input")["x"] in choice.panels
    compare(graph, {"x": RNG.normal(size=(21, 1024)).astype(np.float32)}, 21, threads=2, tolerance=1e-4)
