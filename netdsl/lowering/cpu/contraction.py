"""Steps of products of any two values of an example, wherever their axes lie: those of attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Final

from netdsl.graph import Graph, batches, is_batched
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.groups import examples_of_rows
from netdsl.lowering.cpu.pieces import HI, LO, THREAD, work_of
from netdsl.lowering.cpu.strides import Digit, Digits, View, common, even, merged, view_of
from netdsl.operations.linear import Pairs, places
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Count,
    Group,
    Rows,
    Step,
    Whole,
    address,
    count_of,
    rows_of,
    symbol,
)
from netdsl.program.layout import columns as columns_of

FIELDS: Final = (
    *("rows", "depth", "columns", "pieces", "tall", "filled"),
    *("a_item", "a_row", "a_rows", "a_step", "a_steps"),
    *("b_item", "b_step", "b_steps", "b_column", "b_columns"),
    *("c_item", "c_row", "c_rows", "c_column", "c_columns"),
)
"""The words of a description, as the kernel reads them."""

MOST_TURNS: Final = 64
"""Products of one example, at most: each is a launch. With more of them loops are written."""

BOUND = count_of(0), count_of(1)
"""The items of a product that no example has a part in: there is one."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """The products of an example as products of matrices: how the axes of one lie in A, B and C, and where
    each product begins in them.

    `rows` are of (A, C), `depth` of (A, B), `columns` of (B, C).
    """

    rows: Digits
    depth: Digits
    columns: Digits
    items: tuple[Count, Count, Count]
    starts: tuple[tuple[Count, Count, Count], ...]
    swapped: bool = False

    def turned(self) -> Matrices:
        """Return the product of the transposes: B^T A^T, which is C^T."""
        (of_a, of_c), (depth_a, depth_b), (of_b, columns_c) = self.rows, self.depth, self.columns
        item_a, item_b, item_c = self.items
        return Matrices(
            (of_b, columns_c),
            (depth_b, depth_a),
            (of_a, of_c),
            (item_b, item_a, item_c),
            tuple((b, a, c) for a, b, c in self.starts),
            not self.swapped,
        )

    @property
    def cost(self) -> tuple[int, int]:
        """How much is computed, with lanes that mean nothing; less of it is better, then results in lines."""
        lines = self.rows[0].extent * -(-self.columns[0].extent // LANES)
        return lines, self.columns[1].stride != count_of(1)

    @property
    def tall(self) -> int:
        """The rows that can be computed at once."""
        rows = self.rows[0].extent
        return rows if all(each.is_even for each in self.rows) else min(rows, LANES)

    def words(self, *, filled: bool) -> list[Count]:
        """Return the description that the kernel reads: extents, then strides."""
        rows, depth, columns = (each[0].extent for each in (self.rows, self.depth, self.columns))
        given: dict[str, Count | int] = {
            "rows": rows, "depth": depth, "columns": columns, "filled": int(filled),
            "tall": self.tall, "pieces": -(-rows // self.tall),
            **dict(zip(("a_item", "b_item", "c_item"), self.items, strict=True)),
        }  # fmt: skip
        for axis, of, digits in (
            ("row", "ac", self.rows),
            ("step", "ab", self.depth),
            ("column", "bc", self.columns),
        ):
            for name, digit in zip(of, digits, strict=True):
                given |= {f"{name}_{axis}": digit.stride, f"{name}_{axis}s": _group(digit)}
        return [count_of(given[name]) for name in FIELDS]


def _group(digit: Digit) -> Count:
    return LANES * digit.stride if digit.is_even else digit.group


def matrices(left: View, right: View, result: View, contract: Pairs, align: Pairs) -> Matrices | None:
    """Return a contraction of views as products of matrices; None where it is none.

    The axes of views and pairs are those of one example.
    """
    ranks = len(left.axes), len(right.axes)
    found: dict[str, list[Digits]] = {"both": [], "left": [], "right": []}
    for axis, (a, b) in enumerate(places(*ranks, contract, align)):
        where = "both" if a is not None and b is not None else "left" if a is not None else "right"
        seen = [view.axes[at] for view, at in ((left, a), (right, b)) if at is not None]
        cut = common([*seen, result.axes[axis]])
        if cut is None:
            return None
        found[where] += cut
    summed = [common([left.axes[a], right.axes[b]]) for a, b in sorted(contract)]
    if any(each is None for each in summed):
        return None
    depth = merged([entry for each in summed if each is not None for entry in each])
    if len(depth) > 1:
        return None
    rows, more_rows = _longest(merged(found["left"]))
    columns, more_columns = _longest(merged(found["right"]))
    turns = [
        *merged(found["both"]),
        *((a, even(a.extent, 0), c) for a, c in more_rows),
        *((even(b.extent, 0), b, c) for b, c in more_columns),
    ]
    if prod(each[0].extent for each in turns) > MOST_TURNS:
        return None
    items = left.item, right.item, result.item
    made = Matrices(rows, depth[0] if depth else ONE, columns, items, tuple(_starts(turns)))
    return min(made, made.turned(), key=lambda each: each.cost)


ONE: Final = (even(1, 0), even(1, 0))
"""An axis that is not there, in two of the matrices."""


def _longest(entries: list[Digits]) -> tuple[Digits, list[Digits]]:
    """Return the longest of some axes, the last of equals, and the others."""
    if not entries:
        return ONE, []
    at = max(range(len(entries)), key=lambda each: (entries[each][0].extent, each))
    return entries[at], entries[:at] + entries[at + 1 :]


def _starts(turns: Sequence[Digits]) -> list[tuple[Count, Count, Count]]:
    """Return where each product of an example begins, in floats."""
    found = []
    for here in product(*(range(each[0].extent) for each in turns)):
        starts = [count_of(0)] * 3
        for place, digits in zip(here, turns, strict=True):
            starts = [start + digit.at(place) for start, digit in zip(starts, digits, strict=True)]
        found.append((starts[0], starts[1], starts[2]))
    return found


# ---- of a group -----------------------------------------------------------------------------------


def contraction_step(shop: Workshop, group: Group, index: int) -> Step | None:
    """Make the step of a contraction that the library's kernel can do; None where loops are to be written."""
    graph = shop.graph
    node = graph[index]
    cut: Rows | Whole = Rows(batches(node.shape)) if is_batched(node.shape) else Whole()
    contract, align = _of_an_example(graph, index)
    if contract is None:
        return None
    operands = [_seen(shop, each) for each in graph.operands(index)]
    target = shop.target(group.stores[0], cut)
    stored = view_of(target)
    result = _behind(graph, group, index, stored)
    (left, of_left), (right, of_right) = operands
    if of_left is None or of_right is None or result is None:
        return None
    made = matrices(of_left, of_right, result, contract, align)
    if made is None:
        return None
    if made.swapped:
        left, right = right, left
    words = made.words(filled=_fills_lines(target, made.columns[1]))
    scratch = _scratch(shop, LANES * (made.depth[0].extent + made.tall + LANES))
    bounds = (LO, HI) if isinstance(cut, Rows) else BOUND
    calls = tuple(
        shop.call(
            "contraction",
            (address(left.name) + 4 * a, address(right.name) + 4 * b, address(target.name) + 4 * c,
             symbol("block"), address(scratch.name) + THREAD, *bounds),
            words,
        )
        for a, b, c in made.starts
    )  # fmt: skip
    own = "Rows" if isinstance(cut, Rows) else ""
    reads = tuple(Access(each.name, own if is_batched(each.shape) else "") for each in (left, right))
    flops = 2 * made.rows[0].extent * made.depth[0].extent * made.columns[0].extent * len(calls)
    work = examples_of_rows(target.shape[:1], [target.shape]) if own else work_of(cut)
    return Step(calls, work, reads, (Access(target.name, own),), flops=flops * rows_of(node.shape))


def _of_an_example(graph: Graph, index: int) -> tuple[Pairs | None, Pairs]:
    """Return the pairs of axes that are contracted and aligned, without the batch axis; None where it is
    contracted."""
    node = graph[index]
    by = [int(is_batched(graph[each].shape)) for each in graph.operands(index)]

    def shifted(pairs: Pairs) -> Pairs:
        return tuple((a - by[0], b - by[1]) for a, b in pairs)

    contract, align = node.setting("contract"), node.setting("align")
    if any(by[0] and a == 0 for a, _ in contract):
        return None, ()
    return shifted(contract), shifted(tuple(pair for pair in align if not (by[0] and pair[0] == 0)))


def _seen(shop: Workshop, index: int) -> tuple[Buffer, View | None]:
    """Return the buffer of a value, and the value as a view of it."""
    moves: list[int] = []
    while index not in shop.places:
        moves.append(index)
        (index,) = shop.graph.operands(index)
    view: View | None = view_of(shop.places[index])
    for each in reversed(moves):
        node = shop.graph[each]
        if view is None:
            break
        if node.operation.name == "transpose":
            view = view.transposed(_order(shop.graph, each))
        else:
            assert node.operation.name == "reshape"
            view = view.reshaped(node.shape[int(is_batched(node.shape)) :])
    return shop.places[index], view


def _order(graph: Graph, index: int) -> tuple[int, ...]:
    """Return the order of a transpose without the batch axis."""
    node = graph[index]
    by = int(is_batched(node.shape))
    return tuple(axis - by for axis in node.setting("axes")[by:])


def _behind(graph: Graph, group: Group, index: int, stored: View) -> View | None:
    """Return the view of a contraction's result, where what is stored is that result moved; None where
    something is added to it."""
    view: View | None = stored
    at = group.stores[0]
    while at != index and view is not None:
        before, *others = graph.operands(at)
        if others:
            return None
        if graph[at].operation.name == "transpose":
            order = _order(graph, at)
            view = view.transposed([order.index(axis) for axis in range(len(order))])
        else:
            shape = graph[before].shape
            view = view.reshaped(shape[int(is_batched(shape)) :])
        at = before
    return view


def _fills_lines(target: Buffer, columns: Digit) -> bool:
    """Tell whether lines of the result hold its columns and nothing else but what fills up a panel."""
    return target.layout == "panels" and columns.extent == columns_of(target.shape)


def _scratch(shop: Workshop, floats: int) -> Buffer:
    """Return the memory that all contractions share, for so many floats at least."""
    name = "strip of a contraction"
    before = shop.buffers.get(name, Buffer(name, (0,), role="scratch", label="a strip of columns"))
    return shop.add(replace(before, shape=(max(before.shape[0], floats),)))
