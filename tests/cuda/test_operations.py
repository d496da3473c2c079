"""Operations on a simulated device against the oracle, each in the ways a launch can make it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from tests.cuda.both_devices import compare_on_device

ROWS = 5
RNG = np.random.default_rng(2)


def compared(builder: Builder, outputs: dict[str, Value], fields: dict[str, NDArray[Any]]) -> None:
    builder.outputs = outputs
    compare_on_device(builder.finish(), fields, ROWS)


@pytest.mark.parametrize("shape", [(64, 80), (3, 70), (70, 3), (40,)], ids=str)
@pytest.mark.parametrize("name", ["maximum_over", "minimum_over", "argmax", "argmin"])
def test_extremes_of_many_and_few(name: str, shape: tuple[int, ...]) -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, *shape), dtype="float")
    values = RNG.integers(0, 30, (ROWS, *shape)).astype(np.float32)
    axes = range(1, len(shape) + 1)
    compared(builder, {f"y{axis}": x.apply(name, axis=axis) for axis in axes}, {"x": values})


def test_sums_over_all_of_a_weight_and_over_rows() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3, 40), dtype="float")
    w = builder.apply("weight", name="w", shape=(64, 80))
    outputs = {
        "all": (w * w).sum((0, 1)),
        "rows": w.apply("abs").sum((0,)),
        "columns": w.sum((1,)),
        "batch": x.sum((0,)),
        "places": x.sum((1,)),
        "both": x.sum((0, 1)),
        "each": x.sum((1, 2)),
    }
    compared(builder, outputs, {"x": RNG.normal(size=(ROWS, 3, 40)).astype(np.float32)})


def test_softmaxes_over_few_and_many() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3, 40), dtype="float")
    outputs = {
        f"{name}{axis}": x.apply(name, axis=axis)
        for name in ("softmax", "log_softmax", "logsumexp")
        for axis in (1, 2)
    }
    compared(builder, outputs, {"x": RNG.normal(size=(ROWS, 3, 40)).astype(np.float32)})


def test_products_in_pieces_are_added_up_by_the_threads_that_go_on_with_them() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 400), dtype="float")
    w = builder.apply("weight", name="w", shape=(400, 3))
    b = builder.apply("weight", name="b", shape=(3,))
    z = x.apply("matmul", w, contract=((1, 0),), align=())
    builder.outputs = {"y": (z + b).pointwise("maximum", 0.0), "z": z}
    graph = builder.finish()
    program = lower_to_device(graph, "test", 128)
    adding = [name for name, each in program.kernels.items() if "for piece" in each.text]
    assert len(adding) == 1
    assert adding[0].startswith("points")
    compare_on_device(graph, {"x": RNG.normal(size=(ROWS, 400)).astype(np.float32)}, ROWS)


def test_ranks_tables_and_choices() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 6), dtype="float")
    i = builder.apply("input", name="i", shape=(BATCH, 2), dtype="int")
    table = builder.apply("weight", name="table", shape=(4, 6))
    rows = table.apply("gather", i)
    outputs = {
        "rank": x.apply("rank_over", axis=1),
        "over rows": x.apply("rank_over", axis=0),
        "rows": rows,
        "added": i.apply("scatter_add", rows * rows, extent=4),
        "hot": i.apply("one_hot", classes=4),
        "picked": rows.apply("transpose", axes=(0, 2, 1)).reshape((BATCH, 6, 2)),
    }
    values = RNG.integers(0, 4, (ROWS, 6)).astype(np.float32)
    compared(builder, outputs, {"x": values, "i": RNG.integers(0, 4, (ROWS, 2)).astype(np.int32)})


def test_movements() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 4, 6), dtype="float")
    turned = x.apply("transpose", axes=(0, 2, 1))
    padded = turned.apply("pad", before=(0, 1, 0), after=(0, 2, 1))
    outputs = {
        "turned": turned.reshape((BATCH, 24)),
        "padded": padded,
        "joined": turned.apply("concat", turned * 2.0, padded.apply(
            "slice", starts=(0, 1, 0), stops=(BATCH, 9, 4), steps=(1, 3, 1)
        ), axis=1),
        "repeated": x.sum((1,)).broadcast((BATCH, 4, 6)) * builder.apply("iota", extent=6).apply(
            "cast", dtype="float"
        ).broadcast((BATCH, 4, 6)),
    }  # fmt: skip
    compared(builder, outputs, {"x": RNG.normal(size=(ROWS, 4, 6)).astype(np.float32)})


@pytest.mark.parametrize(
    "about",
    [
        {"size": (3, 2), "strides": (2, 1), "before": (1, 0), "after": (1, 1)},
        {"size": (2, 2), "strides": (2, 2), "before": (0, 0), "after": (0, 0)},
        {"size": (2, 1), "strides": (3, 2), "before": (1, 0), "after": (0, 0)},
    ],
    ids=["shared", "apart", "with gaps"],
)
def test_pools_and_their_ways_back(about: dict[str, tuple[int, int]]) -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 5, 4, 2), dtype="float")
    taps = x.apply("argmax_pool", **about)
    most = x.apply("take_window", taps, **about)
    outputs = {
        "max": x.apply("max_pool", **about),
        "taps": taps,
        "most": most,
        "put": most.apply("put_window", taps, space=(5, 4), **about),
        "sum": x.apply("sum_pool", **about),
        "spread": most.apply("spread_pool", space=(5, 4), **about),
    }
    compared(builder, outputs, {"x": RNG.normal(size=(ROWS, 5, 4, 2)).astype(np.float32)})


def test_draws_are_those_of_the_oracle() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 7), dtype="float")
    outputs = {
        name: x * 0.0 + builder.apply(name, shape=(BATCH, 7), stream=f"a {name}")
        for name in ("uniform", "gaussian")
    }
    builder.outputs = outputs
    fields = {"x": np.zeros((ROWS, 7), np.float32)}
    compare_on_device(builder.finish(), fields, ROWS, seed=-4, step=9, tolerance=2e-6)


@pytest.mark.parametrize("inner", [8, 400], ids=["whole sums", "sums in pieces"])
def test_the_loss_of_a_classifier_is_one_launch_behind_its_logits(inner: int) -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, inner), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int", below=5)
    w = builder.apply("weight", name="w", shape=(inner, 5))
    b = builder.apply("weight", name="b", shape=(5,))
    z = x.apply("matmul", w, contract=((1, 0),), align=()) + b
    builder.outputs = {
        "loss": z.apply("log_softmax", axis=1).apply("pick", label),
        "slope": z.apply("softmax", axis=1) - label.apply("one_hot", classes=5),
    }
    graph = builder.finish()
    program = lower_to_device(legalize(graph), "test", 128)
    (loss,) = (each.text for each in program.kernels.values() if "exp32" in each.text)
    assert "log32" in loss
    assert ("for piece_sum" in loss) == (inner == 400)
    fields = {
        "x": RNG.normal(size=(ROWS, inner)).astype(np.float32),
        "label": RNG.integers(0, 5, ROWS).astype(np.int32),
    }
    compare_on_device(graph, fields, ROWS)


def test_copies_of_whole_numbers_and_of_floats_are_two_kernels() -> None:
    def copied(kind: str) -> Graph:
        builder = Builder(REGISTRY)
        builder.outputs["y"] = builder.apply("input", name="x", shape=(BATCH, 3), dtype=kind)
        return builder.finish()

    kernels = {}
    for kind in ("int", "float"):
        program = lower_to_device(legalize(copied(kind)), "test", 128)
        kernels[kind] = {name: (each.text, each.kinds) for name, each in program.kernels.items()}
    shared = kernels["int"].keys() & kernels["float"].keys()
    assert shared == {"advance"}
    assert {name: kernels["int"][name] for name in shared} == {
        name: kernels["float"][name] for name in shared
    }
