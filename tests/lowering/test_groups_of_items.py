"""Items that one call computes several of: each is somebody's, whatever the threads."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Value
from netdsl.lowering.cpu.expand import Site, expand
from netdsl.operations import REGISTRY
from netdsl.program import Call, Each, Phase, Program, Range, Scalars, Step, count_of, symbol
from tests.lowering.running import compare, program_of


def launches(each: Each, threads: int) -> list[list[list[int]]]:
    """Return for each thread the words i, j, nth and many of each of its items."""
    line = symbol("j") if len(each.extents) > 1 else count_of(0)
    words = (symbol("i"), line, symbol("nth"), symbol("many"))
    step = Step((Call("kernel", words),), each, (), ())
    scalars = Scalars(Builder(REGISTRY).finish(), ())
    program = Program("p", {}, {}, (Phase((step,)),), {}, (), (), scalars)
    site = Site({"kernel": 1}, {}, [{} for _ in range(threads)], (0, 0))
    tables = expand(program, site).threads
    return [[list(map(int, row[1:5])) for row in table if row[0] == 1] for table in tables]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("extents", [(1,), (7,), (8,), (1, 3), (2, 5), (5, 1), (5, 4), (6, 3)])
def test_each_item_is_computed_once_by_the_first_of_its_group(extents: tuple[int, ...], threads: int) -> None:
    group = 4 if len(extents) == 1 else 2
    computed: list[tuple[int, int]] = []
    numbered: list[tuple[int, int]] = []
    for items in launches(Each(tuple(map(count_of, extents)), group=group), threads):
        for place, (i, j, nth, many) in enumerate(items):
            numbered.append((i, j))
            computed += [(i + k, j) for k in range(many)]
            if many:
                assert [item[:3] for item in items[place : place + many]] == [
                    [i + k, j, k] for k in range(many)
                ]
            else:
                assert nth > 0
    every = list(np.ndindex(*extents)) if len(extents) > 1 else [(i, 0) for i in range(extents[0])]
    assert sorted(computed) == sorted(numbered) == every


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_product_does_not_begin_before_its_offset_is_whole(threads: int) -> None:
    """One call makes several panels, so the offset of all of them must be there."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 40), dtype="float")

    def product(name: str) -> Value:
        w = builder.apply("weight", name=name, shape=(40, 128))
        return x.apply("matmul", w, contract=((1, 0),), align=())

    offset = product("v").apply("tanh").sum((0,)).reshape((128,))
    builder.outputs["y"] = (product("w") + offset.broadcast((BATCH, 128))).apply("tanh")
    rows = np.random.default_rng(0).normal(size=(9, 40)).astype(np.float32)
    compare(builder.finish(), {"x": rows}, 9, threads=threads)


def test_only_what_goes_over_the_rows_goes_piece_by_piece() -> None:
    """Two tables have a length in common, but each is added to in a single pass over the indices."""
    builder = Builder(REGISTRY)
    rows = builder.apply("input", name="x", shape=(BATCH, 20, 24), dtype="float").apply("tanh")
    for name in ("p", "q"):
        index = builder.apply("input", name=f"{name}/index", shape=(BATCH, 20), dtype="int")
        table = builder.apply("weight", name=name, shape=(5000, 24))
        builder.updates[name] = table - index.apply("scatter_add", rows, extent=5000) * 0.1
    steps = [step for phase in program_of(builder.finish()).phases for step in phase.steps]
    adds = [step for step in steps if any(call.kernel == "add_rows" for call in step.calls)]
    assert [len(step.calls) for step in adds] == [1, 1]
    assert all(isinstance(step.work, Range) for step in adds)
