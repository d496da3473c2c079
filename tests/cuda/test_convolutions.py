"""Convolutions of the CUDA target, and both ways back, against the oracle, in a simulator."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph
from netdsl.kernels.cuda.convolution import Geometry, convolve, convolve_input, convolve_kernel
from netdsl.kernels.cuda.kernel import Work
from netdsl.kernels.cuda.tiling import TINY
from netdsl.operations import REGISTRY
from netdsl.program import ROWS
from tests.cuda.running import numbers, oracle, run

ROWS_OF_TEST = 2


def geometry(
    space: tuple[int, ...],
    channels: tuple[int, int],
    size: tuple[int, ...],
    strides: tuple[int, ...],
    before: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int = 1,
) -> Geometry:
    sides = zip(space, size, strides, before, dilation, strict=True)
    counts = tuple((n + 2 * b - d * (k - 1) - 1) // s + 1 for n, k, s, b, d in sides)
    return Geometry(ROWS, space, counts, *channels, size, strides, before, dilation, groups)


CASES = [
    geometry((6, 5), (4, 8), (3, 3), (1, 1), (1, 1), (1, 1)),
    geometry((7, 6), (3, 5), (3, 2), (2, 1), (1, 0), (1, 2)),
    geometry((8, 8), (8, 4), (3, 3), (2, 2), (1, 1), (1, 1)),
    geometry((5, 5), (8, 8), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    geometry((5, 5), (6, 6), (3, 3), (2, 2), (1, 1), (1, 1), 6),
    geometry((9,), (4, 4), (4,), (3,), (2,), (1,)),
    geometry((3, 4, 3), (2, 4), (2, 2, 2), (1, 2, 1), (1, 0, 1), (1, 1, 1)),
]


def case_name(case: Geometry) -> str:
    sides = (case.space, case.size, case.strides, case.before, case.dilation)
    return " ".join("x".join(map(str, each)) for each in sides) + f" {case.channels}-{case.out} {case.groups}"


def graph_of(case: Geometry, name: str) -> tuple[Graph, dict[str, tuple[int, ...]]]:
    """Return the graph of one of the three operations, and the shapes of its operands x and w."""
    counts = zip(case.space, case.size, case.strides, case.before, case.dilation, case.windows, strict=True)
    after = tuple((m - 1) * s + d * (k - 1) + 1 - n - b for n, k, s, b, d, m in counts)
    settings = {"strides": case.strides, "before": case.before, "after": after, "dilation": case.dilation}
    seen, made = (case.space, case.channels), (case.windows, case.out)
    kernel = (*case.size, case.channels // case.groups, case.out)
    shapes: dict[str, tuple[int, ...]] = {
        "x": (
            BATCH,
            *(made if name == "convolve_input" else seen)[0],
            (made if name == "convolve_input" else seen)[1],
        ),
        "w": (BATCH, *made[0], made[1]) if name == "convolve_kernel" else kernel,
    }
    more = {"convolve_input": {"space": case.space}, "convolve_kernel": {"size": case.size}}.get(name, {})
    builder = Builder(REGISTRY)
    operands = [builder.apply("input", name=key, shape=shape, dtype="float") for key, shape in shapes.items()]
    y = builder.apply(name, *operands, groups=case.groups, **settings, **more)
    builder.outputs["y"] = y
    sized = {key: tuple(ROWS_OF_TEST if n == BATCH else n for n in shape) for key, shape in shapes.items()}
    return builder.finish(), sized


@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=case_name)
@pytest.mark.parametrize(
    ("name", "write"),
    [("convolve", convolve), ("convolve_input", convolve_input), ("convolve_kernel", convolve_kernel)],
)
def test_windows_of_all_kinds(name: str, write: Callable[..., Work], case: Geometry, splits: int) -> None:
    rng = np.random.default_rng(5)
    graph, shapes = graph_of(case, name)
    fields = {key: numbers(rng, *shape) for key, shape in shapes.items()}
    expected = oracle(graph, fields, ROWS_OF_TEST)
    got = run(write(case, ROWS_OF_TEST, TINY, splits), prod(expected.shape), fields, ROWS_OF_TEST)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-4)


@pytest.mark.parametrize("splits", [1, 2])
@pytest.mark.parametrize("case", [CASES[4], CASES[6]], ids=case_name)
@pytest.mark.parametrize(
    ("name", "write"),
    [("convolve", convolve), ("convolve_input", convolve_input), ("convolve_kernel", convolve_kernel)],
)
def test_an_element_by_a_thread(name: str, write: Callable[..., Work], case: Geometry, splits: int) -> None:
    depthwise = replace(case, channels=4, out=4, groups=4)
    rng = np.random.default_rng(6)
    graph, shapes = graph_of(depthwise, name)
    fields = {key: numbers(rng, *shape) for key, shape in shapes.items()}
    expected = oracle(graph, fields, ROWS_OF_TEST)
    work = write(depthwise, ROWS_OF_TEST, splits=splits)
    assert work.kernels[0].family == name.replace("_", " ") + " direct"
    got = run(work, prod(expected.shape), fields, ROWS_OF_TEST)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-4)
