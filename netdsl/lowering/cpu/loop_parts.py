"""Products in the turns of a loop that go by the tile registers of AMX.

What all turns read, such as an LSTM's weights, is split into parts once, before the first turn. As elsewhere
it is decided by extents, and by the rows of the whole batch (`parts.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.graph import is_batched
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.parts import EXTENT_AT_LEAST, many, name_of_parts
from netdsl.lowering.cpu.pieces import ITEM, panels_of
from netdsl.passes.contractions import contraction_of
from netdsl.program import LANES, Access, Buffer, Cut, Each, Examples, Part, Step, address, count_of, stride
from netdsl.program.layout import columns


def fixed_parts(shop: Workshop, index: int, cut: Cut) -> Buffer | None:
    """Return where the right factor of a product lies in parts, if all turns of a loop read it so."""
    left, right = shop.graph.operands(index)
    node, given = shop.graph[right], shop.graph[left].shape
    if not shop.tiles or not isinstance(cut, Examples) or node.operation.name != "input":
        return None
    if is_batched(node.shape) or min(columns(given), columns(shop.graph[index].shape)) < EXTENT_AT_LEAST:
        return None
    shape, name = node.shape, name_of_parts(shop.at(right), node.shape, "right")
    if shop.graph[index].setting("contract")[0][1] == 1:
        if right not in shop.choice.turned:
            return None  # its columns end within a panel: what is multiplied with it is turned instead
        shape, name = shape[::-1], name_of_parts(shop.turned(right), shape, "right")
    return shop.buffers.setdefault(name, Buffer(name, shape, layout="column parts", label=name))


def split_fixed(shop: Workshop, inner: Workshop) -> Iterator[Step]:
    """Yield the steps that split what all turns of a loop read, each matrix once for each number of rows that
    it is decided by."""
    for unit in inner.choice.units:
        for part in unit.parts:
            if part.template in ("product", "back"):
                yield from _split_of(shop, inner, part, unit.cut)


def _split_of(shop: Workshop, inner: Workshop, part: Part, cut: Cut) -> Iterator[Step]:
    index = contraction_of(inner.graph, part.group)
    target = fixed_parts(inner, index, cut)
    left, right = inner.graph.operands(index)
    only = many(inner.graph[left].shape)
    if target is None or (target.name, right, only) in inner.split:
        return
    inner.split.add((target.name, right, only))
    steps, wide = target.shape
    source, panel = inner.at(right), stride(inner.at(right).name)
    if part.template == "back":
        source, panel = inner.turned(right), count_of(LANES * LANES * panels_of(steps))
    words = count_of(steps), address(source.name), panel, address(target.name), LANES * ITEM
    shop.add(target)
    call = shop.call("split_panels", (*words, LANES * ITEM + LANES), only=only)
    work = Each((count_of(panels_of(wide)),))
    yield Step((call,), work, (Access(source.name),), (Access(target.name),))
