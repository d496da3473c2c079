"""Which products go by the tile registers of AMX, and the steps that split their factors into parts.

It is decided by extents alone, and by the rows of the whole batch, so that bits do not depend on threads. A
batch of few rows goes by the kernels of `products.py`: the weights would be split for too few of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from netdsl.graph import Shape, batches, is_batched
from netdsl.lowering.cpu.buffers import Workshop
from netdsl.lowering.cpu.pieces import HI, ITEM, LO, panels_of
from netdsl.passes.contractions import contraction_of, in_memory
from netdsl.program import (
    LANES,
    Access,
    Buffer,
    Count,
    Cut,
    Each,
    Examples,
    Layout,
    Only,
    Panels,
    Part,
    Range,
    Step,
    Tiles,
    Unit,
    address,
    count_of,
    rows_of,
    stride,
)
from netdsl.program.layout import columns, places

ROWS_AT_LEAST: Final = 32
"""Rows of a batch, in all its places, from which on products go by tiles."""

EXTENT_AT_LEAST: Final = 32
"""Inputs and outputs of a layer from which on they do."""


def goes_by_tiles(shop: Workshop, index: int, cut: Cut) -> bool:
    """Tell whether a product, or a gradient of weights, may go by tiles."""
    if not shop.tiles or shop.prefix or not isinstance(cut, Panels | Tiles) or is_tall(cut):
        return False
    factors = [columns(shop.graph[each].shape) for each in shop.graph.operands(index)]
    return min(*factors, columns(shop.graph[index].shape)) >= EXTENT_AT_LEAST


TALL: Final = 32
"""Rows of an example, or of those that lie behind each other, from which on a gradient is made in tall
pieces: a batch of one has rows enough for tiles then."""

TALL_LINES: Final = 128
TALL_PANELS: Final = 16


def is_tall(cut: Cut) -> bool:
    """Tell whether many tiles of a gradient are made by one call, which splits the factors itself."""
    return isinstance(cut, Tiles) and cut.at_once > 2


def in_tall_pieces(shop: Workshop, unit: Unit) -> Unit:
    """Return a unit as it is cut: a gradient over many rows in larger pieces, if it goes by tiles."""
    gradients = [part.group.stores[0] for part in unit.parts if part.template == "gradient"]
    if not gradients or not isinstance(unit.cut, Tiles) or not goes_by_tiles(shop, gradients[0], unit.cut):
        return unit
    given = shop.graph[shop.graph.operands(gradients[0])[0]].shape
    if places(given) * batches(given) < TALL:
        return unit
    rows = unit.cut.rows
    chunk = LANES * -(-rows // (LANES * -(-rows // TALL_LINES)))
    return replace(unit, cut=replace(unit.cut, chunk=chunk, at_once=TALL_PANELS))


def rows_in(shape: Shape) -> Count:
    """Return the rows of a value, all places of a batch."""
    return places(shape) * rows_of(shape)


def few(shape: Shape) -> Only:
    """Return when a product of a value goes by vectors."""
    return Only(rows_in(shape), high=ROWS_AT_LEAST)


def many(shape: Shape) -> Only:
    """Return when a product of a value goes by tiles."""
    return Only(rows_in(shape), low=ROWS_AT_LEAST)


def goes_by_examples_in_tiles(shop: Workshop, index: int, cut: Cut) -> bool:
    """Tell whether a product of some examples at a time goes by tiles: its weights are split once for all."""
    left, right = shop.graph.operands(index)
    if not shop.tiles or shop.prefix or not isinstance(cut, Examples) or is_batched(shop.graph[right].shape):
        return False
    return min(columns(shop.graph[each].shape) for each in (left, index)) >= EXTENT_AT_LEAST


def split(shop: Workshop, index: int, form: str) -> Buffer:
    """Return the buffer in which a factor lies in parts: as the `left` or the `right` factor of a product, or
    `turned`, as the left one of a gradient, or `turned right`, as the right one of a product back; `back` are
    weights as the right one of such a product."""
    layout: Layout = "row parts" if form in ("left", "turned right", "back") else "column parts"
    shape = shop.graph[index].shape
    name = name_of_parts(shop.at(index), shape, form)
    return shop.buffers.setdefault(name, Buffer(name, shape, layout=layout, label=name))


def name_of_parts(lying: Buffer, shape: Shape, form: str) -> str:
    """Return the name of a value's parts: those of a matrix of other columns in the same memory differ."""
    same = columns(shape) == columns(lying.shape)
    return f"{lying.name}{'' if same else f' of {columns(shape)} columns'} in parts, {form}"


def split_steps(shop: Workshop, part: Part, unit: Unit) -> Iterator[Step]:
    """Yield the steps that split the factors of a part of a unit, each value once: a weight once more for
    examples of another number of places, which may go by tiles where the others do not, and where it was
    updated."""
    if part.template not in ("product", "back", "gradient"):
        return
    index = contraction_of(shop.graph, part.group)
    left, right = shop.graph.operands(index)
    only = many(shop.graph[left].shape)
    wanted: dict[str, list[tuple[int, str]]] = {}
    if goes_by_examples_in_tiles(shop, index, unit.cut):
        wanted = {"product": [(right, "right")], "back": [(right, "back")]}
    elif goes_by_tiles(shop, index, unit.cut):
        wanted = {
            "product": [(left, "left")],
            "back": [(in_memory(shop.graph, left, shop.places), "turned right")],
            "gradient": [(left, "turned"), (right, "right")],
        }
    for each, form in wanted.get(part.template, []):
        target = split(shop, each, form)
        value = in_memory(shop.graph, each, shop.places)
        if (target.name, value, only) not in shop.split:
            shop.split.add((target.name, value, only))
            yield _split_step(shop, each, form, target, only)


def _split_step(shop: Workshop, index: int, form: str, target: Buffer, only: Only) -> Step:
    shape = shop.graph[index].shape
    wide, rows = count_of(columns(shape)), rows_in(shape)
    source = shop.turned(index) if form == "turned right" else shop.at(index)
    start, to = address(source.name), address(target.name)
    by_rows = form in ("left", "turned right")
    shares = (LO, HI) if by_rows else (LANES * ITEM, LANES * ITEM + LANES)
    lines = places(shape) if form == "back" else columns(shape)
    match form:
        case "left":
            words = rows, wide, start, *left_strides(source, shape), to, *shares
            call = shop.call("split_rows", words, only=only)
        case "turned":
            turning = rows, start, *left_strides(source, shape), to, *shares
            call = shop.call("split_turned", turning, only=only)
        case "right":
            call = shop.call("split_panels", (rows, start, stride(source.name), to, *shares), only=only)
        case "back":
            call = shop.call("split_back", (rows, wide, start, to, *shares), only=only)
        case _:
            block = count_of(LANES * LANES * panels_of(columns(shape)))
            call = shop.call("split_panels", (wide, start, block, to, *shares), only=only)
    work = Range(rows, LANES) if by_rows else Each((count_of(panels_of(lines)),))
    return Step((call,), work, (Access(source.name),), (Access(target.name),))


def left_strides(buffer: Buffer, shape: Shape) -> tuple[Count, Count]:
    """Return the floats between rows and between groups of 16 columns of a left factor of some shape."""
    if buffer.layout == "panels":
        return count_of(LANES), stride(buffer.name)
    return count_of(columns(shape)), count_of(LANES)
