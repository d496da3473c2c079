"""Entries of tables, sorted by their rows once for all sums over them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netdsl.kernels.cuda.sorting import sort_entries
from netdsl.lowering.cuda.formulas import Entries
from netdsl.lowering.cuda.library import of_library
from netdsl.lowering.cuda.points import total_of
from netdsl.lowering.headers import about
from netdsl.program import Buffer, Grid, address, count_of, symbol

if TYPE_CHECKING:
    from netdsl.lowering.cuda.lower import Lowering


def sort_by_rows(shop: Lowering, index: int) -> Entries:
    """Launch what sorts the entries that are added to a table, unless another sum wanted them; return where
    they lie."""
    indices = shop.plan.behind(shop.graph.operands(index)[0])
    extent = shop.graph[index].shape[0]
    stem = f"{shop.prefix}entries of v{indices} by {extent}"
    entries = Entries(f"{stem}, order", f"{stem}, begin", f"{stem}, end")
    if entries.order in shop.buffers:
        return entries
    shape = shop.graph[indices].shape
    for name in (entries.order, f"{stem}, other"):
        shop.buffers[name] = Buffer(name, shape, "int", label="entries of a table")
    for name in (entries.begin, entries.end):
        shop.buffers[name] = Buffer(name, (extent,), "int", label="entries of a table")
    made = sort_entries(total_of(shape), extent)
    known = {"x": shop.places[indices].name, "other": f"{stem}, other", "rows": ""}
    known |= dict(zip(("order", "begin", "end"), entries.buffers, strict=True))
    passed = tuple(
        symbol("rows") if each.name == "rows" else address(known[each.name]) for each in made.parameters
    )
    kernel = replace(of_library(made), about=about(shop.graph, [index], [index]))
    writes = [*entries.buffers, known["other"]]
    grid = Grid(((count_of(1), 1),))
    shop.add(kernel, passed, grid, [indices], writes, shop.origins([index]), total_of(shape))
    return entries
