"""`resize`: brings the places of a value to other extents, by repetition or by a product for each axis."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Final

from netdsl.graph import BATCH, Value
from netdsl.operations import product
from netdsl.operations.linear import product_places, transposed
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.function import Given
from netdsl.semantics.functions.windows import SIZE, sides, value_with_places
from netdsl.semantics.items import Item, Tensor, Word, whole
from netdsl.semantics.tensors import derived, expected, number

METHODS: Final = ("nearest", "bilinear")


def resize(site: Site, given: Given) -> Item:
    """Bring the axes of places to other extents, pixels being squares with half-way centers."""
    tensor = value_with_places(site, given)
    extents = _extents(site, given, tensor)
    item, span = given.get("method", (Word("nearest"), site.span))
    if not isinstance(item, Word) or item.text not in METHODS:
        raise expected("`nearest` or `bilinear`", item, "`method`", site, span)
    factors = [new // old for old, new in zip(tensor.shape[:-1], extents, strict=True)]
    whole_factors = all(new % old == 0 for old, new in zip(tensor.shape[:-1], extents, strict=True))
    if item.text == "nearest" and whole_factors:
        return _repeated(tensor, factors, site)
    for axis, extent in enumerate(extents):
        if extent != tensor.shape[axis]:
            tensor = _sampled(tensor, axis, extent, item.text, site)
    return tensor


def _extents(site: Site, given: Given, tensor: Tensor) -> tuple[int, ...]:
    if ("size" in given) == ("factor" in given):
        raise site.mistake(
            "E0202", "`resize` needs a size or a factor, and one of them", "to what size?",
            help="write `resize(x, 32x32)` or `resize(x, factor=2)`",
        )  # fmt: skip
    if "size" in given:
        item, span = given["size"]
        return sides(item, tensor, SIZE, site, span)
    item, span = given["factor"]
    if isinstance(item, (int, float)) and whole(item) is None:
        factor = number(item, site, "`factor`", span)
        extents = tuple(floor(extent * factor) for extent in tensor.shape[:-1])
        if factor <= 0 or min(extents) < 1:
            raise site.mistake("E0206", f"a factor of {factor:g} leaves nothing", "too small", span=span)
        return extents
    factors = sides(item, tensor, "a factor", site, span)
    return tuple(extent * each for extent, each in zip(tensor.shape[:-1], factors, strict=True))


def _repeated(tensor: Tensor, factors: list[int], site: Site) -> Tensor:
    """Repeat each place a whole number of times along each axis."""
    lead = (BATCH,) if tensor.batched else ()
    *space, channels = tensor.shape
    apart, spread = list(lead), list(lead)
    for extent, factor in zip(space, factors, strict=True):
        apart += [extent, 1] if factor > 1 else [extent]
        spread += [extent, factor] if factor > 1 else [extent]
    joined = (*lead, *(extent * factor for extent, factor in zip(space, factors, strict=True)), channels)
    with site.building():
        value = tensor.value.reshape((*apart, channels)).broadcast((*spread, channels)).reshape(joined)
    return derived(value, [tensor])


def _sampled(tensor: Tensor, axis: int, extent: int, method: str, site: Site) -> Tensor:
    """Multiply by a matrix [old, new] along one axis: where each new place lies among the old ones."""
    old = tensor.shape[axis]
    weigh = _nearest if method == "nearest" else _linear
    matrix = weigh(old, extent, site)
    place = axis + int(tensor.batched)
    with site.building():
        value = product(tensor.value, matrix, ((place, 0),))
        have = product_places(tensor.value.shape, matrix.shape, ((place, 0),), ())
        order = [have.index((each, None)) for each in range(len(tensor.value.shape)) if each != place]
        order.insert(place, have.index((None, 1)))
        value = transposed(value, order)
    return derived(value, [tensor])


def _centers(old: int, new: int) -> list[float]:
    """Return where the centers of new places lie among those of the old ones: 0 is the first one's."""
    return [(at + 0.5) * old / new - 0.5 for at in range(new)]


def _grid(old: int, new: list[float], compare: Callable[[Value, Value], Value], site: Site) -> Value:
    """Compare the numbers of the old places, a column, with those of the new ones, a row."""
    column = site.add("cast", site.add("iota", extent=old), dtype="float")
    row = site.add("constant", value=tuple(new))
    with site.building():
        return compare(column.reshape((old, 1)), row)


def _nearest(old: int, new: int, site: Site) -> Value:
    """Return 1 at the nearest old place, the first of two at the same distance."""
    chosen = [float(max(ceil(center - 0.5), 0)) for center in _centers(old, new)]
    hit = _grid(old, chosen, lambda column, row: column.pointwise("equal", row), site)
    return site.add("cast", hit, dtype="float")


def _linear(old: int, new: int, site: Site) -> Value:
    """Return the shares of the two old places next to each new one; beyond the ends, of the end alone."""
    inside = [min(max(center, 0.0), old - 1.0) for center in _centers(old, new)]

    def share(column: Value, row: Value) -> Value:
        return (1.0 - (column - row).pointwise("abs")).pointwise("maximum", 0.0)

    return _grid(old, inside, share, site)
