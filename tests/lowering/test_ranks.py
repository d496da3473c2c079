"""Ranks on the CPU beside the oracle: along each axis, of rows and panels, with equals, without a number."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Shape
from netdsl.operations import REGISTRY
from netdsl.runtime.executable import Executable
from tests.lowering.running import compare, program_of


@pytest.mark.parametrize("rows", [1, 2, 7, 33, 200])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((BATCH,), 0), ((BATCH, 3), 0), ((BATCH, 3), 1), ((BATCH, 4, 3), 1), ((BATCH, 2, 5), 2)],
)
def test_ranks(shape: Shape, axis: int, rows: int) -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=shape, dtype="float")
    builder.outputs["y"] = x.apply("rank_over", axis=axis)
    draw = np.random.default_rng(rows)
    values = draw.integers(-5, 5, [rows if each == BATCH else each for each in shape]).astype(np.float32)
    for threads in (1, 2):
        compare(builder.finish(), {"x": values}, rows, threads=threads).close()


def test_what_is_computed_before_and_after() -> None:
    """The ranks of a dense layer's outputs, which lie in panels, and the mean of them over the examples."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 20), dtype="float")
    w = builder.apply("weight", name="w", shape=(20, 40))
    ranks = x.apply("matmul", w, contract=((1, 0),), align=()).apply("rank_over", axis=0)
    builder.outputs["ranks"] = ranks
    builder.outputs["tops"] = (ranks * ranks).sum([0])
    values = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    compare(builder.finish(), {"x": values}, 50, threads=2).close()


def test_no_number_among_them_leaves_no_rank() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 2), dtype="float")
    builder.outputs["y"] = x.apply("rank_over", axis=0)
    executable = Executable(program_of(builder.finish()), 1, guard=16)
    values = np.array([[1, 2], [np.nan, 0], [3, np.inf], [0, -np.inf]], np.float32)
    executable.bind({"x": values})
    found = executable.run(np.arange(4), 4)["y"]
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[:, 1], [3, 2, 4, 1])
    executable.close()
