"""Steps that go through their rows piece by piece, and what they keep to themselves."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.operations import REGISTRY
from netdsl.program import Program, Range
from tests.lowering.running import compare, program_of

PLACES, WIDTH, HEADS = 64, 32, 2


def attention() -> Graph:
    """Softmax of the products of projections, times a third one, and a product after it."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, PLACES, WIDTH))

    def heads(name: str) -> Value:
        w = builder.apply("weight", name=name, shape=(WIDTH, WIDTH))
        made = x.apply("matmul", w, contract=((2, 0),), align=())
        split = made.reshape((BATCH, PLACES, HEADS, WIDTH // HEADS))
        return split.apply("transpose", axes=(0, 2, 1, 3))

    queries, keys, values = heads("q"), heads("k"), heads("v")
    scores = queries.apply("matmul", keys, contract=((3, 3),), align=((0, 0), (1, 1))) * 0.25
    shares = scores.apply("softmax", axis=3)
    seen = shares.apply("matmul", values, contract=((3, 2),), align=((0, 0), (1, 1)))
    builder.outputs["seen"] = seen
    builder.outputs["most"] = shares.apply("maximum_over", axis=3)
    return builder.finish()


def ranges(program: Program) -> list[Range]:
    return [step.work for step in program.steps() if isinstance(step.work, Range) and step.work.piece]


def test_attention_goes_example_by_example() -> None:
    program = program_of(attention())
    assert any(work.piece < 8 for work in ranges(program))
    scores = [each for each in program.buffers.values() if each.shape == (BATCH, HEADS, PLACES, PLACES)]
    assert len([each for each in scores if each.role == "value"]) <= 1


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 5, 19])
def test_pieces_are_what_the_oracle_says(rows: int, threads: int) -> None:
    x = np.random.default_rng(2).normal(size=(rows, PLACES, WIDTH)).astype(np.float32) * 0.3
    executable = compare(attention(), {"x": x}, rows, threads=threads)
    assert executable.intruded() == ()


def test_a_score_of_short_rows_is_one_piece() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 20))
    w = builder.apply("weight", name="w", shape=(20, 10))
    made = x.apply("matmul", w, contract=((1, 0),), align=())
    builder.outputs["shares"] = made.apply("softmax", axis=1)
    graph = builder.finish()
    assert all(work.piece % 16 == 0 and work.piece > 64 for work in ranges(program_of(graph)))
    given = np.random.default_rng(2).normal(size=(40, 20)).astype(np.float32)
    compare(graph, {"x": given}, 40, threads=2)
