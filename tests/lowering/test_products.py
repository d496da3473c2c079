"""Products of any two values of an example against the oracle, whichever of their axes meet."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph, Value
from netdsl.kernels.cpu.contraction import FIELDS as READ
from netdsl.lowering.cpu.contraction import FIELDS
from netdsl.operations import REGISTRY
from netdsl.operations.linear import labeled_product
from netdsl.program import ROWS as ROWS_OF_A_BATCH
from netdsl.program import Program, Range
from netdsl.runtime import Executable
from tests.lowering.running import compare, program_of, start_of

ROWS = 35

SUMS = (
    # what attention makes of queries, keys and values, and the gradients of it
    "zihd,zjhd->zhij",
    "zhij,zjhd->zhid",
    "zhij,zihd->zhjd",
    "zihd,zhij->zjhd",
    "zid,zjd->zij",
    "zij,zjd->zid",
    # matrices that all examples share, on either side
    "zic,cd->zid",
    "zic,dc->zid",
    "zic,ij->zcj",
    "zihd,hde->zihe",
    "zihd,hed->zihe",
    "zhd,hde->zhe",
    # vectors, numbers, outer products
    "zic,c->zi",
    "zij,zj->zi",
    "zi,zij->zj",
    "zi,zj->zij",
    "zihd,zd->zih",
    # two axes that are summed over
    "zijc,zijd->zcd",
    "zijc,zkjc->zik",
    # no examples
    "ic,cd->id",
    "hic,hjc->hij",
)
EXTENTS = (
    {"h": 2, "i": 5, "j": 7, "k": 3, "c": 6, "d": 4, "e": 3},
    {"h": 3, "i": 17, "j": 20, "k": 2, "c": 16, "d": 16, "e": 8},
    {"h": 4, "i": 16, "j": 33, "k": 5, "c": 24, "d": 8, "e": 32},
    {"h": 1, "i": 1, "j": 40, "k": 1, "c": 48, "d": 32, "e": 1},
)


def shape_of(labels: str, extents: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(BATCH if each == "z" else extents[each] for each in labels)


def factor(builder: Builder, name: str, shape: tuple[int, ...], *, in_panels: bool) -> Value:
    """Return an operand: a weight, a field, or what a product of the library lays in panels."""
    if BATCH not in shape:
        return builder.apply("weight", name=name, shape=shape)
    if not in_panels:
        return builder.apply("input", name=name, shape=shape, dtype="float")
    x = builder.apply("input", name=name, shape=(*shape[:-1], 5), dtype="float")
    w = builder.apply("weight", name=f"{name} w", shape=(5, shape[-1]))
    return x.apply("matmul", w, contract=((len(shape) - 1, 0),), align=())


def contraction(formula: str, extents: Mapping[str, int], *, in_panels: bool = False) -> Graph:
    """Return the graph of one product, and of the same moved as a reshape and a transpose leave it."""
    operands, result = formula.split("->")
    left, right = operands.split(",")
    builder = Builder(REGISTRY)
    a = factor(builder, "a", shape_of(left, extents), in_panels=in_panels)
    b = factor(builder, "b", shape_of(right, extents), in_panels=in_panels)
    y = labeled_product(a, list(map(ord, left)), b, list(map(ord, right)), list(map(ord, result)))
    builder.outputs["y"] = y
    return builder.finish()


def fields_of(graph: Graph) -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(5)
    return {
        name: draw.normal(size=(ROWS, *graph[index].shape[1:])).astype(np.float32)
        for name, index in graph.leaves("input").items()
    }


def contractions_in(program: Program) -> int:
    return sum(call.kernel == "contraction" for step in program.steps() for call in step.calls)


CASES = [
    pytest.param(formula, extents, in_panels, id=f"{formula} {number} {'panels' if in_panels else 'rows'}")
    for (number, extents), formula, in_panels in product(enumerate(EXTENTS), SUMS, (False, True))
    if not in_panels or "z" in formula
]


@pytest.mark.parametrize(("formula", "extents", "in_panels"), CASES)
def test_a_contraction(formula: str, extents: Mapping[str, int], in_panels: bool) -> None:
    graph = contraction(formula, extents, in_panels=in_panels)
    executable = compare(graph, fields_of(graph), ROWS)
    assert executable.intruded() == ()
    executable.close()


@pytest.mark.parametrize("formula", ["zihd,zjhd->zhij", "zhij,zjhd->zhid", "zic,ij->zcj", "zic,dc->zid"])
def test_bits_depend_on_no_number_of_threads(formula: str) -> None:
    graph = contraction(formula, EXTENTS[1], in_panels=True)
    found = []
    for threads in (1, 2, 3):
        executable = Executable(program_of(graph), threads)
        for name, value in start_of(graph, np.random.default_rng(3)).items():
            executable.write(name, value)
        executable.bind(fields_of(graph))
        found.append(executable.run(np.arange(ROWS), ROWS)["y"].tobytes())
        executable.close()
    assert len(set(found)) == 1


def test_the_kernel_reads_what_is_written() -> None:
    assert FIELDS == READ


@pytest.mark.parametrize("formula", SUMS[:6])
@pytest.mark.parametrize("number", range(len(EXTENTS)))
def test_the_products_of_attention_are_the_librarys(formula: str, number: int) -> None:
    program = program_of(contraction(formula, EXTENTS[number]))
    assert contractions_in(program) == (EXTENTS[number]["h"] if "h" in formula else 1)


@pytest.mark.parametrize(("places", "grain"), [(16, 1), (64, 1), (12, 4), (6, 8), (5, 16)])
def test_a_few_examples_with_many_places_are_shared_out(places: int, grain: int) -> None:
    """A thread's part begins where 16 rows do, so that what is turned 16 rows at a time is one thread's."""
    graph = contraction("zihd,zjhd->zhij", {"h": 1, "i": places, "j": 3, "d": 2})
    steps = program_of(graph).steps()
    (step,) = (each for each in steps if any(call.kernel == "contraction" for call in each.calls))
    assert isinstance(step.work, Range)
    assert (step.work.total, step.work.grain) == (ROWS_OF_A_BATCH, grain)


def test_a_product_is_stored_where_it_is_moved_to() -> None:
    """Heads are brought together by the product that makes them: nothing is copied."""
    builder = Builder(REGISTRY)
    p = builder.apply("input", name="p", shape=(BATCH, 4, 6, 6), dtype="float")
    v = builder.apply("input", name="v", shape=(BATCH, 6, 32), dtype="float")
    heads = v.reshape((BATCH, 6, 4, 8)).apply("transpose", axes=(0, 2, 1, 3))
    y = p.apply("matmul", heads, contract=((3, 2),), align=((0, 0), (1, 1)))
    builder.outputs["y"] = y.apply("transpose", axes=(0, 2, 1, 3)).reshape((BATCH, 6, 32))
    graph = builder.finish()
    executable = compare(graph, fields_of(graph), ROWS, threads=2)
    kernels = {call.kernel for step in executable.program.steps() for call in step.calls}
    assert kernels == {"take_rows", "contraction", "give_rows"}
    executable.close()


def test_too_many_products_of_an_example_are_loops() -> None:
    graph = contraction("zihd,zjhd->zhij", {"h": 100, "i": 2, "j": 2, "d": 2})
    executable = compare(graph, fields_of(graph), ROWS)
    assert contractions_in(executable.program) == 0
    executable.close()
