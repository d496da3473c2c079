"""Items that one call computes several of: each is somebody's, whatever the threads."""

import numpy as np
import pytest

from netdsl.graph import Builder
from netdsl.lowering.cpu.expand import Site, expand
from netdsl.operations import REGISTRY
from netdsl.program import Call, Each, Phase, Program, Scalars, Step, count_of, symbol


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
