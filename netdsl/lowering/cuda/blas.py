"""Products of matrices that a library of the device makes: which, and as what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from netdsl.graph import Graph, Precision
from netdsl.kernels.cuda.products import Strided, merged
from netdsl.lowering.cuda.library import axes_of, flops_of, precision_of, view_of
from netdsl.program import Buffer, LibraryProduct, Matrices, address, count_of, symbol

if TYPE_CHECKING:
    from netdsl.lowering.cuda.lower import Lowering

WORTH: Final[dict[Precision, float]] = {"float32": 4e8, "tf32": 1e9, "bf16": 1e9}
"""Multiplications and additions from which on a library makes a product.

By arithmetic, not by measurement. A product by the library costs a launch more, about 2 us, where the kernel
of our own would go on with its elements, or leaves pieces of sums that the next launch adds up. In float32
ours is expected to reach 70 % of an H200's 67 TFLOP/s, the library 90 %: that is 4.7 ps less for a thousand
operations, so 2 us are gained back from 4e8 on. With tensor cores 200 and 350 TFLOP/s are expected: 2.1 ps,
1e9.
"""


def library_product(graph: Graph, index: int, rows: int, precision: Precision) -> LibraryProduct | None:
    """Return a product as a library makes it, None where our own kernel does.

    The library knows matrices of which rows or columns lie together, and batches of them equally far apart.
    `rows` is the number of examples in a batch. Operands, result and workspace begin at the symbols `x`, `w`,
    `result`, `scratch`.
    """
    if graph[index].operation.name != "matmul":
        return None
    views = tuple(view_of(graph, each) for each in graph.operands(index))
    batch, *matrix = map(merged, axes_of(graph, index, views))
    if len(batch) > 1 or any(len(axes) != 1 for axes in matrix):
        return None
    (left,), (right,), (summed,) = matrix
    many: Strided = batch[0] if batch else (1, 0, 0, 0)
    high, wide, deep, count = (count_of(each[0]) for each in (left, right, summed, many))
    rounded = precision_of(graph, index, precision)
    x = _matrices("x", left, summed, many, 1)
    w = _matrices("w", summed, right, many, 2)
    result = _matrices("result", left, right, many, 3)
    work = int((2 * high * wide * deep * count).value({"rows": rows}))
    if x is None or w is None or result is None or work < WORTH[rounded]:
        return None
    return LibraryProduct(high, wide, deep, count, x, w, result, rounded, symbol("scratch"))


def _matrices(name: str, down: Strided, across: Strided, many: Strided, operand: int) -> Matrices | None:
    """Return an operand as matrices of rows that go `down` and columns that go `across`; None where numbers
    of neither lie together."""
    apart = int(str(many[operand]))
    for along, other, turned in ((across, down, False), (down, across, True)):
        extent = count_of(along[0])
        step, line = str(along[operand]), int(str(other[operand]))
        # To the library no line is shorter than what it holds, even where there is but one.
        if step == "1" and not extent.symbols() and line >= int(extent.value({})):
            return Matrices(symbol(name), line, turned, apart)
    return None


def launch_product(shop: Lowering, index: int, given: LibraryProduct) -> None:
    """Let a library make a product, with memory of its own, as another product may be made beside it."""
    sources = [view_of(shop.graph, each).source for each in shop.graph.operands(index)]
    room = f"{shop.prefix}workspace {index}"
    shop.buffers[room] = Buffer(room, (given.room // 4,), label="a library's workspace")
    names = dict(zip(("x", "w"), (shop.places[each].name for each in sources), strict=True))
    names |= {"result": shop.places[index].name, "scratch": room}
    known = {name: address(place) for name, place in names.items()}
    left, right, result = (
        replace(each, start=shop.in_memory(each.start.where(known)))
        for each in (given.left, given.right, given.result)
    )
    work = replace(given, left=left, right=right, result=result, workspace=known["scratch"])
    flops, origins = flops_of(shop.graph, index), shop.origins([index])
    shop.add_step((), work, sources, [names["result"]], origins, flops, room=room)
