"""The functions of images, signals and volumes: convolution, pooling, and resizing.

A value is [places.., channels]; what is not batched is given a leading axis of 1 for the operation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.graph import Value, is_batched
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.function import Function, Given
from netdsl.semantics.functions.resizing import METHODS, resize
from netdsl.semantics.functions.windows import (
    PADS,
    Geometry,
    around,
    opened,
    setting,
    value_with_places,
    window_size,
)
from netdsl.semantics.items import Item, Tensor, text_of, whole
from netdsl.semantics.tensors import derived, expected, lift, real, trails


def _led(tensor: Tensor, site: Site) -> Value:
    """Return the value with a leading axis: the batch, or 1."""
    if tensor.batched:
        return tensor.value
    return site.add("reshape", tensor.value, shape=(1, *tensor.shape))


def _unled(value: Value, like: Tensor, site: Site) -> Tensor:
    """Return what was made of `_led` values as a tensor, without the leading 1."""
    if not is_batched(value.shape):
        value = site.add("reshape", value, shape=value.shape[1:])
    return derived(value, [like])


def _sides(site: Site, given: Given) -> Item:
    """`sides(size, x)`: the size of windows over x as a list, one number for each axis of places."""
    item, span = given["size"]
    return window_size(item, value_with_places(site, given), site, span)


# ---- convolution ------------------------------------------------------------------------------


def _kernel(site: Site, given: Given) -> Tensor:
    """Return the argument `kernel`: [sides.., in, out], the same for every example."""
    item, span = given["kernel"]
    kernel = real(lift(item, site, span), site)
    if kernel.batched:
        raise site.mistake(
            "E0308",
            "a kernel is the same for every example",
            "differs from example to example",
            span=span,
            secondary=kernel.trail,
        )
    if not 3 <= len(kernel.shape) <= 5:
        raise site.mistake(
            "E0320",
            f"a kernel has one to three sides, then channels in and out; this is {text_of(kernel.shape)}",
            "takes [t, in, out], [h, w, in, out] or [d, h, w, in, out]",
            span=span,
        )
    return kernel


def _groups(given: Given, site: Site) -> int:
    item, span = given.get("groups", (1, site.span))
    groups = whole(item)
    if groups is None or groups < 1:
        raise expected("a whole number from 1", item, "`groups`", site, span)
    return groups


def _shared_out(channels: int, groups: int, site: Site, span: Span, trail: Iterable[Label] = ()) -> int:
    """Return the channels of one group. Raises MistakeError (E0322) where they do not fall into groups."""
    if channels % groups:
        raise site.mistake(
            "E0322",
            f"{channels} channels do not fall into {groups} equal groups",
            f"{groups} does not divide {channels}",
            span=span,
            secondary=trail,
        )
    return channels // groups


def _per_group(site: Site, given: Given) -> Item:
    """`per_group(channels, groups)`: the channels of one group."""
    item, span = given["channels"]
    channels = whole(item)
    if channels is None or channels < 1:
        raise expected("a whole number from 1", item, "`channels`", site, span)
    return _shared_out(channels, _groups(given, site), site, site.span)


def _expect_channels(wanted: int, tensor: Tensor, kernel: Tensor, site: Site) -> None:
    if wanted != tensor.shape[-1]:
        raise site.mistake(
            "E0322",
            f"the kernel {text_of(kernel.shape)} takes {wanted} channels, and {text_of(tensor.shape)} has "
            f"{tensor.shape[-1]}",
            "not for these channels",
            secondary=tensor.trail,
        )


def _convolve(site: Site, given: Given) -> Item:
    kernel = _kernel(site, given)
    tensor = value_with_places(site, given, len(kernel.shape) - 2)
    groups = _groups(given, site)
    for channels in (tensor.shape[-1], kernel.shape[-1]):
        _shared_out(channels, groups, site, site.span, tensor.trail)
    _expect_channels(kernel.shape[-2] * groups, tensor, kernel, site)
    strides, dilation = (setting(given, name, tensor, site) for name in ("stride", "dilation"))
    found = around(tensor, kernel.shape[:-2], strides, dilation, given, site)
    value = site.add("convolve", _led(tensor, site), kernel.value, groups=groups, **_dilated(found))
    return _unled(value, tensor, site)


def _dilated(found: Geometry) -> dict[str, tuple[int, ...]]:
    return _moved(found) | {"dilation": found.windows.dilation}


def _moved(found: Geometry) -> dict[str, tuple[int, ...]]:
    windows = found.windows
    return {"strides": windows.strides, "before": windows.before, "after": windows.after}


def _convolve_transposed(site: Site, given: Given) -> Item:
    kernel = _kernel(site, given)
    tensor = value_with_places(site, given, len(kernel.shape) - 2)
    _expect_channels(kernel.shape[-1], tensor, kernel, site)
    groups = _groups(given, site)
    _shared_out(tensor.shape[-1], groups, site, site.span, tensor.trail)
    strides, dilation = (setting(given, name, tensor, site) for name in ("stride", "dilation"))
    found = opened(tensor, kernel.shape[:-2], strides, dilation, given, site)
    value = site.add(
        "convolve_input",
        _led(tensor, site),
        kernel.value,
        groups=groups,
        space=found.space,
        **_dilated(found),
    )
    return _unled(value, tensor, site)


# ---- pools ------------------------------------------------------------------------------------


def _windows(site: Site, given: Given) -> tuple[Tensor, Geometry]:
    """Return the value that is pooled and the windows over it.

    Errors: E0323 for padding that a window could lie in altogether, and those of `around`.
    """
    tensor = value_with_places(site, given)
    item, span = given["size"]
    size = window_size(item, tensor, site, span)
    strides = setting(given, "stride", tensor, site) if "stride" in given else size
    found = around(tensor, size, strides, (1,) * len(size), given, site)
    pads = (*found.windows.before, *found.windows.after)
    if any(pad >= extent for pad, extent in zip(pads, size * 2, strict=True)):
        raise site.mistake(
            "E0323",
            "the padding of a pool is smaller than its windows",
            "a window could see padding alone",
            span=given["pad"][1],
            secondary=tensor.trail,
        )
    return tensor, found


def _pooling(found: Geometry) -> dict[str, tuple[int, ...]]:
    return _moved(found) | {"size": found.windows.size}


def _max_pool(site: Site, given: Given) -> Item:
    tensor, found = _windows(site, given)
    return _unled(site.add("max_pool", _led(tensor, site), **_pooling(found)), tensor, site)


def _average_pool(site: Site, given: Given) -> Item:
    """Divide the sum of a window by how many places it sees; padding is none."""
    tensor, found = _windows(site, given)
    total = site.add("sum_pool", _led(tensor, site), **_pooling(found))
    divisor = _seen(found, site)
    with site.building():
        value = total / divisor
    return _unled(value, tensor, site)


def _seen(found: Geometry, site: Site) -> Value:
    """Return how many places each window sees: a product of a factor for each axis."""
    windows, rank = found.windows, len(found.space)
    plain, uneven = 1, []
    for axis, (extent, count) in enumerate(zip(found.space, found.counts, strict=True)):
        starts = [at * windows.strides[axis] - windows.before[axis] for at in range(count)]
        seen = [min(at + windows.size[axis], extent) - max(at, 0) for at in starts]
        if len(set(seen)) == 1:
            plain *= seen[0]
            continue
        vector = site.add("constant", value=tuple(map(float, seen)))
        uneven.append(
            site.add("reshape", vector, shape=tuple(count if each == axis else 1 for each in range(rank + 1)))
        )
    if plain > 1 or not uneven:
        uneven.append(site.constant(plain))
    with site.building():
        divisor = uneven[0]
        for each in uneven[1:]:
            divisor = divisor * each
    return divisor


def _max_unpool(site: Site, given: Given) -> Item:
    """Put each value of y where x has the greatest of its window, and 0 elsewhere."""
    tensor, found = _windows(site, given)
    y = real(lift(given["y"][0], site, given["y"][1]), site)
    wanted = (*found.counts, tensor.shape[-1])
    if y.shape != wanted or y.batched != tensor.batched:
        raise site.mistake(
            "E0303",
            f"pooling {text_of(tensor.shape)} so gives {text_of(wanted)}, and y is {text_of(y.shape)}",
            "not what is taken apart",
            span=given["y"][1],
            secondary=trails([y, tensor]),
        )
    taps = site.add("argmax_pool", _led(tensor, site), **_pooling(found))
    value = site.add("put_window", _led(y, site), taps, space=found.space, **_pooling(found))
    return _unled(value, tensor, site)


_POOL: Final = ("size", "stride", "pad")
_PAD: Final = {"pad": PADS}

FUNCTIONS: Final = (
    Function("sides", ("size", "x"), 2, _sides),
    Function("per_group", ("channels", "groups"), 2, _per_group),
    Function("convolve", ("x", "kernel", "stride", "pad", "dilation", "groups"), 2, _convolve, words=_PAD),
    Function(
        "convolve_transposed",
        ("x", "kernel", "stride", "pad", "dilation", "groups", "output_pad"),
        2,
        _convolve_transposed,
        words=_PAD,
    ),
    Function("max_pool", ("x", *_POOL), 2, _max_pool, words=_PAD),
    Function("average_pool", ("x", *_POOL), 2, _average_pool, words=_PAD),
    Function("max_unpool", ("y", "x", *_POOL), 3, _max_unpool, words=_PAD),
    Function("resize", ("x", "size", "factor", "method"), 1, resize, words={"method": METHODS}),
)
