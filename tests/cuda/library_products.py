"""Products that a library is to make, as graphs, as programs and as calls."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph, Precision
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from netdsl.passes.scan_stage import stage_scans
from netdsl.program import LibraryProduct, Program
from netdsl.runtime.cuda.product import PlacedMatrices, Product
from netdsl.runtime.cuda.simulated import SimulatedDevice

Arrays = dict[str, NDArray[Any]]
RNG = np.random.default_rng(4)
ROWS = 3


def multiplied(device: SimulatedDevice) -> list[tuple[Any, ...]]:
    """Return what the double has multiplied: by which kind of sums, the shape, the terms, the stream."""
    assert device.library is not None
    found: list[tuple[Any, ...]] = device.library.bindings.multiplied
    return found


def lowered(graph: Graph, rows: int = ROWS, precision: Precision = "float32", *, by: bool = True) -> Program:
    return lower_to_device(legalize(stage_scans(graph)), "test", rows, precision, blas=by)


def library_products(program: Program) -> list[LibraryProduct]:
    return [step.work for step in program.steps() if isinstance(step.work, LibraryProduct)]


def some_product(start: int = 1 << 32, precision: Precision = "float32") -> Product:
    a, b, c = (PlacedMatrices(start + 256 * each, 4, False, 0, start + 4096) for each in range(3))
    return Product(4, 4, 4, 1, a, b, c, precision, start + 1024, 1024)


def product_of(shapes: tuple[Any, Any], **settings: Any) -> tuple[Graph, Arrays]:
    """Make the product of an input and of another, or of a weight where that has no batch axis."""
    builder = Builder(REGISTRY)
    fields: Arrays = {}
    values = []
    for name, shape in zip("xw", shapes, strict=True):
        values.append(builder.apply("input", name=name, shape=shape, dtype="float"))
        fields[name] = RNG.normal(size=[ROWS if each < 0 else each for each in shape]).astype(np.float32)
    turned = settings.pop("turned", ())
    operands = [
        each.apply("transpose", axes=axes) if axes else each
        for each, axes in zip(values, turned or (None, None), strict=True)
    ]
    y = operands[0].apply("matmul", operands[1], **settings)
    builder.outputs = {"y": y * 1.0}
    return builder.finish(), fields


CASES = {
    "plain": product_of(((BATCH, 5), (5, 7)), contract=((1, 0),), align=()),
    "right turned": product_of(((BATCH, 5), (7, 5)), contract=((1, 1),), align=()),
    "left turned": product_of(((BATCH, 5), (BATCH, 7)), contract=((0, 0),), align=()),
    "both turned": product_of(((4, 5), (7, 4)), contract=((0, 1),), align=()),
    "places": product_of(((BATCH, 4, 5), (5, 7)), contract=((2, 0),), align=()),
    "batched": product_of(((BATCH, 4, 5), (BATCH, 5, 7)), contract=((2, 1),), align=((0, 0),)),
    "batched, right turned": product_of(
        ((BATCH, 4, 5), (BATCH, 7, 5)), contract=((2, 2),), align=((0, 0),)
    ),
    "batched, left turned": product_of(
        ((BATCH, 5, 4), (BATCH, 5, 7)), contract=((1, 1),), align=((0, 0),)
    ),
    "a row": product_of(((1, 5), (5, 7)), contract=((1, 0),), align=()),
    "a column": product_of(((BATCH, 5), (5, 1)), contract=((1, 0),), align=()),
    "one term": product_of(((BATCH, 1), (1, 7)), contract=((1, 0),), align=()),
    "two axes": product_of(((BATCH, 4, 5), (4, 5, 7)), contract=((1, 0), (2, 1)), align=()),
    "a transpose of its own": product_of(
        ((6, 5), (7, 6)), contract=((1, 0),), align=(), turned=((1, 0), (1, 0))
    ),
}  # fmt: skip
