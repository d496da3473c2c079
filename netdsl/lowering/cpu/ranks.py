"""Steps that rank numbers: each line along an axis is sorted by one thread."""

from __future__ import annotations

from math import prod
from typing import Final

from netdsl.graph import BATCH
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.pieces import THREAD
from netdsl.lowering.cpu.tables import unpacked
from netdsl.program import ROWS, Access, Buffer, Count, Each, Kernel, Rows, Step, address, count_of, symbol

RANK_LINE: Final = Kernel(
    "rank_line",
    '''@kernel
def rank_line(values: int, ranks: int, room: int, count: int, apart: int) -> None:
    """Rank `count` numbers that lie `apart` from each other; `room` is for four times as many.

    Runs of 1, 2, 4, … are merged, the numbers and their places.
    """
    x = at(values)
    rank = at(ranks)
    keys = at(room)
    first = at_int(room + 8 * count)
    unknown = 0
    for i in range(count):
        keys[i] = x[i * apart]
        first[i] = i
        if x[i * apart] != x[i * apart]:
            unknown += 1
    here = 0
    there = 4 * count
    width = 1
    while width < count:
        key = at(room + here)
        place = at_int(room + 8 * count + here)
        new_key = at(room + there)
        new_place = at_int(room + 8 * count + there)
        start = 0
        while start < count:
            middle = start + width if start + width < count else count
            end = middle + width if middle + width < count else count
            i = start
            j = middle
            for k in range(start, end):
                if i < middle and (j >= end or not (key[j] < key[i])):
                    new_key[k] = key[i]
                    new_place[k] = place[i]
                    i += 1
                else:
                    new_key[k] = key[j]
                    new_place[k] = place[j]
                    j += 1
            start = end
        here, there = there, here
        width *= 2
    key = at(room + here)
    place = at_int(room + 8 * count + here)
    i = 0
    while i < count:
        j = i + 1
        while j < count and key[j] == key[i]:
            j += 1
        for k in range(i, j):
            rank[place[k] * apart] = f32(i + j + 1) * f32(0.5)
        i = j
    if unknown > 0:
        for i in range(count):
            rank[i * apart] = f32(np.nan)
''',
    ("ranks along an axis",),
)


def rank_steps(shop: Workshop, index: int) -> list[Step]:
    """Make the steps of ranks along an axis; a value in panels is copied to rows first."""
    (operand,) = shop.graph.operands(index)
    source, axis = shop.at(operand), shop.graph[index].setting("axis")
    first: list[Step] = []
    if source.layout == "panels":
        first.append(unpacked(shop, source))
        source = shop.buffers[first[0].writes[0].buffer]
    shape = shop.graph[index].shape
    target = shop.target(index, Rows())
    assert {source.layout, target.layout} == {"rows"}
    count, apart = _extent(shape[axis]), prod(shape[axis + 1 :])
    outer = _extent(shape[0]) * prod(shape[1:axis]) if axis else count_of(1)
    line = (shape[axis], 4) if shape[axis] == BATCH else (4 * shape[axis],)
    room = shop.add(Buffer(f"sorting v{index}", line, role="scratch"))
    begin = 4 * (symbol("i") * count * apart + symbol("j"))
    arguments = (
        address(source.name) + begin,
        address(target.name) + begin,
        address(room.name) + THREAD,
        count,
    )
    call = shop.call(RANK_LINE, (*arguments, count_of(apart)))
    lines = outer * apart
    step = Step(
        (call,),
        Each((outer, count_of(apart))),
        (Access(source.name),),
        (Access(target.name),),
        shop.origins([index]),
        flops=_SORTING * lines * count,
    )
    return [*first, step]


_SORTING: Final = 100
"""What an element of a line costs, in additions: some sixteen passes for sixty thousand."""


def _extent(extent: int) -> Count:
    return ROWS if extent == BATCH else count_of(extent)
