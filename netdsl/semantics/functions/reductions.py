"""The functions that reduce axes to one number: sum, mean, variance, std, norm, min, max, argmax, argmin.

And `rank`, which goes along one and leaves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Final

from netdsl.graph import BATCH, Value
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.axes import Axes, axes_of
from netdsl.semantics.functions.function import Function, Given
from netdsl.semantics.items import Item, Tensor, Word, describe, text_of
from netdsl.semantics.tensors import derived, lift, pointwise, real

_LEAST: Final = 1e-37
"""The least sum of squares that has a root: float32 knows little below."""

Reduce = Callable[[Tensor, Axes, Site], Tensor]
"""Reduces axes, which stay with extent 1 (the batch axis too: the result is then shared)."""


def _function(name: str, reduce: Reduce) -> Function:
    def run(site: Site, given: Given) -> Item:
        tensor = real(lift(given["x"][0], site, given["x"][1]), site)
        drop = _drop(site, given)
        if "over" not in given:
            axes = Axes(tuple(range(len(tensor.shape))))
            return _dropped(reduce(tensor, axes, site), axes, site)
        item, span = given["over"]
        axes = axes_of(item, tensor, site.frame.site(span))
        reduced = reduce(tensor, axes, site)
        return _dropped(reduced, axes, site) if drop else reduced

    return Function(name, ("x", "over", "drop"), 1, run)


def _drop(site: Site, given: Given) -> bool:
    item, span = given.get("drop", (False, site.span))
    if not isinstance(item, bool):
        raise site.mistake("E0205", f"`drop` is yes or no, not {describe(item)}", "not a flag", span=span)
    return item


def _dropped(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
    shape = tuple(extent for axis, extent in enumerate(tensor.shape) if axis not in axes.inner)
    if shape == tensor.shape:
        return tensor
    full = (BATCH, *shape) if tensor.batched else shape
    return replace(tensor, value=site.add("reshape", tensor.value, shape=full))


def _graph_axes(tensor: Tensor, axes: Axes) -> tuple[int, ...]:
    shift = int(tensor.batched)
    return (*((0,) if axes.batch else ()), *(axis + shift for axis in axes.inner))


def _shared(value: Value, axes: Axes, tensor: Tensor, site: Site) -> Tensor:
    """Return the value as a tensor; a reduced batch axis is taken away, which makes it shared."""
    if axes.batch:
        value = site.add("reshape", value, shape=value.shape[1:])
    return derived(value, [tensor])


def total(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
    """Sum over axes."""
    positions = _graph_axes(tensor, axes)
    if not positions:
        return tensor
    return _shared(site.add("sum", tensor.value, axes=positions), axes, tensor, site)


def mean(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
    """Average over axes; over the batch, by the rows that are really in it."""
    count = prod(tensor.shape[axis] for axis in axes.inner)
    if count == 0:
        raise site.mistake("E0305", f"{text_of(tensor.shape)} has nothing to average", "empty")
    result = total(tensor, axes, site)
    if axes.batch:
        rows = Tensor(site.add("scalar", name="rows"))
        result = pointwise("divide", site, result, rows)
    if count == 1:
        return result
    return pointwise("divide", site, result, Tensor(site.constant(count)))


def variance(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
    """Average the squared distance from the mean, with 1/m."""
    centered = pointwise("subtract", site, tensor, mean(tensor, axes, site))
    return mean(pointwise("multiply", site, centered, centered), axes, site)


def deviation(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
    """Take the root of the variance."""
    return pointwise("sqrt", site, variance(tensor, axes, site))


def norm(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
    """Take the root of the sum of squares. Its derivative at 0 is 0, as PyTorch's, where a root has none."""
    squares = total(pointwise("multiply", site, tensor, tensor), axes, site)
    return pointwise("sqrt", site, pointwise("maximum", site, squares, Tensor(site.constant(_LEAST))))


def _extreme(operation: str) -> Reduce:
    def reduce(tensor: Tensor, axes: Axes, site: Site) -> Tensor:
        value = tensor.value
        for axis in reversed(_graph_axes(tensor, axes)):
            value = site.add(operation, value, axis=axis)
        return _shared(value, axes, tensor, site)

    return reduce


def _position(operation: str) -> Function:
    """`argmax`, `argmin`: of the whole example by default, counted in row-major order."""

    def run(site: Site, given: Given) -> Item:
        tensor = real(lift(given["x"][0], site, given["x"][1]), site)
        drop = _drop(site, given)
        if "over" in given and (tensor.shape or given["over"][0] != Word("last")):
            axes = axes_of(given["over"][0], tensor, site.frame.site(given["over"][1]))
            if axes.batch or len(axes.inner) != 1:
                raise site.mistake(
                    "E0305", f"`{operation}` works over one axis of an example", "not one axis"
                )
        else:
            flat = (prod(tensor.shape),)
            tensor = replace(tensor, value=site.add("reshape", tensor.value, shape=_full(tensor, flat)))
            axes, drop = Axes((0,)), True
        result = _found(operation, tensor, axes.inner[0], site)
        return _dropped(result, axes, site) if drop else result

    return Function(operation, ("x", "over", "drop"), 1, run)


def _found(operation: str, tensor: Tensor, axis: int, site: Site) -> Tensor:
    if tensor.shape[axis] == 1 and operation == "argmax":
        # One number is the score of the second of two classes: it wins above a half.
        half = pointwise("greater", site, tensor, Tensor(site.constant(0.5)))
        return derived(site.add("cast", half.value, dtype="int"), [tensor])
    return derived(site.add(operation, tensor.value, axis=axis + int(tensor.batched)), [tensor])


def _rank(site: Site, given: Given) -> Item:
    """`rank`: the place of each among the sorted, along one axis or over the examples."""
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    axes = axes_of(given["over"][0], tensor, site.frame.site(given["over"][1]))
    if len(axes.inner) + axes.batch != 1:
        raise site.mistake("E0305", "`rank` works along one axis, or over the examples", "not one axis")
    axis = 0 if axes.batch else axes.inner[0] + int(tensor.batched)
    return derived(site.add("rank_over", tensor.value, axis=axis), [tensor])


def _full(tensor: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (BATCH, *shape) if tensor.batched else shape


REDUCING: Final = {
    "min": _function("min", _extreme("minimum_over")),
    "max": _function("max", _extreme("maximum_over")),
}

FUNCTIONS: Final = (
    _function("sum", total),
    _function("mean", mean),
    _function("variance", variance),
    _function("std", deviation),
    _function("norm", norm),
    _position("argmax"),
    _position("argmin"),
    Function("rank", ("x", "over"), 2, _rank),
)
