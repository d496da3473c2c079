"""The functions that move numbers without changing them: reshape, transpose, concat, split, slice, pad, …"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Final

from netdsl.diagnostics import Span
from netdsl.graph import BATCH, Shape, Value
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.axes import axes_of, axis
from netdsl.semantics.functions.function import Function, Given
from netdsl.semantics.items import Interval, Item, Sides, Tensor, describe, text_of, whole
from netdsl.semantics.operators import matmul
from netdsl.semantics.tensors import derived, expected, lift, real, reshaped, trails

LARGEST: Final = 2**40
"""The largest extent: beyond it, no tensor fits into any memory."""


def extents(item: Item, site: Site, span: Span, what: str = "a shape") -> Shape:
    """Return a shape: a list of extents, in which a list or an extent stands for its numbers."""
    match item:
        case Sides(sides):
            return tuple(extent for each in sides for extent in extents(each, site, span, what))
        case tuple():
            return tuple(extent for each in item for extent in extents(each, site, span, what))
    size = whole(item)
    if size is None:
        raise expected("a whole number", item, f"an extent of {what}", site, span)
    if not 1 <= size <= LARGEST:
        bound = "1 or more" if size < 1 else f"at most {LARGEST:,}"
        raise site.mistake("E0206", f"an extent of {what} is {bound}, not {size}", "out of range", span=span)
    return (size,)


def _reshape(site: Site, given: Given) -> Item:
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    shape = extents(*_place(given, "shape", site))
    if prod(shape) != prod(tensor.shape):
        raise site.mistake(
            "E0304",
            f"{text_of(tensor.shape)} has {prod(tensor.shape)} numbers, {text_of(shape)} has {prod(shape)}",
            "does not fit",
            secondary=tensor.trail,
        )
    return reshaped(tensor, shape, site)


def _place(given: Given, name: str, site: Site) -> tuple[Item, Site, Span]:
    item, span = given[name]
    return item, site, span


def _transpose(site: Site, given: Given) -> Item:
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    rank = len(tensor.shape)
    order = tuple(reversed(range(rank)))
    if "axes" in given:
        items = given["axes"][0]
        parts = items if isinstance(items, tuple) else (items,)
        order = tuple(axis(each, tensor, site) for each in parts)
    if sorted(order) != list(range(rank)):
        raise site.mistake(
            "E0305", f"the axes of {text_of(tensor.shape)} must each stand once", "not an order"
        )
    positions = (0, *(each + 1 for each in order)) if tensor.batched else order
    return derived(site.add("transpose", tensor.value, axes=positions), [tensor])


def _concat(site: Site, given: Given) -> Item:
    items = given["values"][0]
    assert isinstance(items, tuple)
    if len(items) == 1 and isinstance(items[0], tuple):
        items = items[0]
    tensors = [real(lift(each, site), site) for each in items]
    if len(tensors) < 2:
        raise site.mistake("E0202", "`concat` joins two values or more", "too few")
    first = tensors[0]
    along = axis(given["over"][0] if "over" in given else -1, first, site)
    for each in tensors[1:]:
        if _without(each.shape, along) != _without(first.shape, along):
            raise site.mistake(
                "E0311",
                f"{text_of(first.shape)} and {text_of(each.shape)} cannot be joined along axis {along}",
                "the other axes must be equal",
                secondary=trails(tensors),
            )
    batched = any(each.batched for each in tensors)
    with site.building():
        values = [
            each.value.broadcast((BATCH, *each.shape)) if batched and not each.batched else each.value
            for each in tensors
        ]
    return derived(site.add("concat", *values, axis=along + int(batched)), tensors)


def _without(shape: Shape, axis: int) -> tuple[int, Shape]:
    return len(shape), shape[:axis] + shape[axis + 1 :]


def _split(site: Site, given: Given) -> Item:
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    along = axis(given["over"][0] if "over" in given else -1, tensor, site)
    sizes = _sizes(given, tensor.shape[along], site)
    bounds = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
    return tuple(sliced(tensor, {along: (low, high)}, site) for low, high in pairwise(bounds))


def _sizes(given: Given, extent: int, site: Site) -> list[int]:
    item, span = given["parts"]
    parts = whole(item)
    if parts is not None and parts > 0 and extent % parts == 0:
        return [extent // parts] * parts
    sizes = list(extents(item, site, span, "the parts")) if isinstance(item, tuple) else []
    if not sizes or sum(sizes) != extent:
        raise site.mistake(
            "E0311",
            f"an extent of {extent} cannot be split like this",
            "give a number that divides it, or a list of sizes that add up to it",
            span=span,
        )
    return sizes


def sliced(tensor: Tensor, ranges: dict[int, tuple[int, int]], site: Site) -> Tensor:
    """Take a part of some axes of an example, from a start to an end that is left out."""
    bounds = [ranges.get(each, (0, extent)) for each, extent in enumerate(tensor.shape)]
    if tensor.batched:
        bounds.insert(0, (0, BATCH))
    starts, stops = tuple(low for low, _ in bounds), tuple(high for _, high in bounds)
    node = site.add("slice", tensor.value, starts=starts, stops=stops, steps=(1,) * len(bounds))
    return derived(node, [tensor])


def subscript(item: Item, parts: tuple[Item, ...], site: Site) -> Item:
    """Take `x[0]`, `x[0 .. 3, 1]`: a number takes its axis away, a range (both ends included) keeps it."""
    if isinstance(item, tuple) and len(parts) == 1 and not isinstance(parts[0], (Interval, Tensor)):
        index = bound(parts[0], len(item), site)
        return item[index]
    if not isinstance(item, Tensor):
        raise site.mistake("E0310", f"{describe(item)} has no parts to pick", "not a tensor or a list")
    tensor = real(item, site)
    if len(parts) > len(tensor.shape):
        raise site.mistake(
            "E0310",
            f"{text_of(tensor.shape)} has fewer axes than there are subscripts",
            f"{len(parts)} subscripts",
            secondary=tensor.trail,
        )
    ranges = {each: _range(part, tensor.shape[each], site) for each, part in enumerate(parts)}
    picked = sliced(tensor, ranges, site)
    single = {each for each, part in enumerate(parts) if not isinstance(part, Interval)}
    return reshaped(picked, tuple(e for each, e in enumerate(picked.shape) if each not in single), site)


def _range(part: Item, extent: int, site: Site) -> tuple[int, int]:
    if isinstance(part, Interval):
        low, high = bound(part.low, extent, site), bound(part.high, extent, site)
        if low > high:
            raise site.mistake("E0310", f"the range {low} .. {high} is empty", "nothing in it")
        return low, high + 1
    index = bound(part, extent, site)
    return index, index + 1


def bound(item: Item, extent: int, site: Site) -> int:
    """Return a subscript as an index from 0; negative ones count from the end."""
    index = whole(item)
    if index is None:
        raise expected("a whole number", item, "a subscript", site)
    if not -extent <= index < extent:
        raise site.mistake("E0310", f"there is no part {index}: they are 0 to {extent - 1}", "out of range")
    return index % extent


def _slice(site: Site, given: Given) -> Item:
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    along = axis(given["over"][0] if "over" in given else -1, tensor, site)
    item, span = given["part"]
    low, high = _range(item, tensor.shape[along], site.frame.site(span))
    return sliced(tensor, {along: (low, high)}, site)


def _pad(site: Site, given: Given) -> Item:
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    along = axis(given["over"][0] if "over" in given else -1, tensor, site)
    counts = []
    for name in ("before", "after"):
        item, span = given.get(name, (0, site.span))
        size = whole(item)
        if size is None or size < 0:
            raise expected("a whole number from 0", item, f"`{name}`", site, span)
        counts.append(size)
    before, after = ([0] * len(tensor.value.shape) for _ in range(2))
    before[along + int(tensor.batched)], after[along + int(tensor.batched)] = counts
    node = site.add("pad", tensor.value, before=tuple(before), after=tuple(after))
    return derived(node, [tensor])


def _size(site: Site, given: Given) -> Item:
    tensor = lift(given["x"][0], site, given["x"][1])
    shape = (*tensor.shape, len(tensor.classes)) if tensor.classes else tensor.shape
    if "over" not in given:
        return prod(shape)
    axes = axes_of(given["over"][0], tensor, site)
    if axes.batch:
        raise site.mistake(
            "E0305", "the size of a batch is known only when it runs", "not an axis of an example"
        )
    return prod(shape[each] for each in axes.inner)


def _one_hot(site: Site, given: Given) -> Item:
    tensor = lift(given["x"][0], site, given["x"][1])
    item, span = given["classes"]
    classes = whole(item)
    if classes is None or classes < 1:
        raise expected("a whole number from 1", item, "`classes`", site, span)
    return derived(site.add("one_hot", _indices(tensor, site), classes=classes), [tensor])


def _gather(site: Site, given: Given) -> Item:
    table = real(lift(given["table"][0], site, given["table"][1]), site)
    if table.batched or not table.shape:
        raise site.mistake(
            "E0308", "`gather` picks rows of a table that is the same for every example", "not such a table"
        )
    indices = lift(given["indices"][0], site, given["indices"][1])
    return derived(site.add("gather", table.value, _indices(indices, site)), [table])


def _indices(tensor: Tensor, site: Site) -> Value:
    if tensor.value.dtype == "int":
        return tensor.value
    return site.add("cast", real(tensor, site).value, dtype="int")


def _matmul(site: Site, given: Given) -> Item:
    a, b = (real(lift(given[name][0], site, given[name][1]), site) for name in ("a", "b"))
    return matmul(a, b, site)


FUNCTIONS: Final = (
    Function("size", ("x", "over"), 1, _size),
    Function("reshape", ("x", "shape"), 2, _reshape),
    Function("transpose", ("x", "axes"), 1, _transpose),
    Function("concat", ("values", "over"), 1, _concat, rest=True),
    Function("split", ("x", "parts", "over"), 2, _split),
    Function("slice", ("x", "part", "over"), 2, _slice),
    Function("pad", ("x", "before", "after", "over"), 1, _pad),
    Function("one_hot", ("x", "classes"), 2, _one_hot),
    Function("gather", ("table", "indices"), 2, _gather),
    Function("matmul", ("a", "b"), 2, _matmul),
)
