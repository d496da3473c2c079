"""Reads the settings of windows over the places of a value: one size, stride, padding for each axis."""

from __future__ import annotations

from math import ceil
from typing import Final

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass
from netdsl.operations.windows import Windows
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.function import Given
from netdsl.semantics.items import Item, Sides, Tensor, Word, text_of, whole, written
from netdsl.semantics.problems import warning
from netdsl.semantics.tensors import expected, lift, real

PADS: Final = ("same", "valid")
SIZE: Final = "a size"
_MOST: Final = 2**20
_MOST_COLORS: Final = 4
"""A last axis of so many is one of channels."""
_LIKE_AN_IMAGE: Final = 8
"""A raw value [h, w] with both from this on, and neither above twice the other, may be a gray image."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Windows over the places of a value, and the space they move over."""

    windows: Windows
    space: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Return how many windows there are along each axis."""
        return self.windows.count(self.space)

    @property
    def reach(self) -> tuple[int, ...]:
        """Return how many places a window spans along each axis."""
        windows = self.windows
        return tuple((size - 1) * by + 1 for size, by in zip(windows.size, windows.dilation, strict=True))


def value_with_places(site: Site, given: Given, rank: int | None = None) -> Tensor:
    """Return the argument `x`, which has one to three axes of places before its channels.

    Errors: E0320 for another number of axes; `rank` is how many a kernel has.
    """
    tensor = real(lift(given["x"][0], site, given["x"][1]), site)
    places = len(tensor.shape) - 1
    if rank is not None and places != rank:
        what = "the kernel has one side" if rank == 1 else f"the kernel has {rank} sides"
        raise _other_rank(what, tensor, site, help=_with_channel(tensor, rank))
    if not 1 <= places <= 3:
        raise site.mistake(
            "E0320",
            f"windows move over one to three axes before the channels, and this is {text_of(tensor.shape)}",
            "takes [t, c], [h, w, c] or [d, h, w, c]",
            secondary=tensor.trail,
            help=_with_channel(tensor, 1),
        )
    return tensor


def _other_rank(
    what: str, tensor: Tensor, site: Site, span: Span | None = None, help: str | None = None
) -> Exception:
    """Return the error for as many sides as the value has not axes of places."""
    places = len(tensor.shape) - 1
    axes = {-1: "no axes", 0: "channels alone", 1: "one axis besides its channels"}.get(
        places, f"{places} axes besides its channels"
    )
    return site.mistake(
        "E0320",
        f"{what}, and {text_of(tensor.shape)} has {axes}",
        "one side for each axis of places",
        span=span,
        secondary=tensor.trail,
        help=help,
    )


def _with_channel(tensor: Tensor, rank: int) -> str | None:
    """Return the cure where a value has a window's axes and no channels."""
    if len(tensor.shape) != rank or tensor.shape[-1] <= _MOST_COLORS:
        return None
    whole_shape = text_of((*tensor.shape, 1))
    what = ("a signal of one channel", "a gray image", "a volume of one channel")[rank - 1]
    declared = tensor.field is None and tensor.value.node.operation.name == "input"
    cure = "declare the input so, or " if declared else ""
    return f"{what} is {whole_shape}: {cure}`-> reshape({whole_shape})` gives it its channel axis"


def sides(item: Item, tensor: Tensor, what: str, site: Site, span: Span, least: int = 1) -> tuple[int, ...]:
    """Return one number for each axis of places, from one number for all of them, an extent or a list.

    Errors: E0205 for something else, E0206 for a number that is too small or large, E0320 for too many.
    """
    rank = len(tensor.shape) - 1
    parts: tuple[Item, ...]
    match item:
        case Sides(parts):
            pass
        case tuple() as parts:
            pass
        case _:
            parts = (item,) * rank
    numbers = tuple(_number(each, what, least, site, span) for each in parts)
    if len(numbers) != rank:
        count = "one side" if len(numbers) == 1 else f"{len(numbers)} sides"
        cure = _with_channel(tensor, len(numbers)) if what == SIZE else None
        raise _other_rank(f"`{written(item)}` has {count}", tensor, site, span, cure)
    return numbers


def _number(item: Item, what: str, least: int, site: Site, span: Span) -> int:
    number = whole(item)
    if number is None:
        raise expected("a whole number, or one for each axis", item, what, site, span)
    if not least <= number <= _MOST:
        bound = f"{least} or more" if number < least else f"at most {_MOST:,}"
        raise site.mistake("E0206", f"{what} is {bound}, not {number:,}", "out of range", span=span)
    return number


def window_size(item: Item, tensor: Tensor, site: Site, span: Span) -> tuple[int, ...]:
    """Return the size of windows over a value: a single number means all of its axes of places.

    Errors: E0320 for a raw [28, 28], which may be a gray image or 28 channels, as those of `sides`.
    """
    if whole(item) is not None and _maybe_image(tensor):
        high, wide = tensor.shape
        raise site.mistake(
            "E0320",
            f"{text_of(tensor.shape)} could be a gray image without its channel axis, or {high} places with "
            f"{wide} channels",
            "over which axes?",
            span=span,
            secondary=tensor.trail,
            notes=[f"for places with {wide} channels, the size has one side: `[{whole(item)}]`"],
            help=_with_channel(tensor, 2),
        )
    return sides(item, tensor, SIZE, site, span)


def _maybe_image(tensor: Tensor) -> bool:
    raw = tensor.field is not None or tensor.value.node.operation.name == "input"
    if not raw or len(tensor.shape) != 2:
        return False
    small, large = sorted(tensor.shape)
    return small >= _LIKE_AN_IMAGE and large <= 2 * small


def setting(
    given: Given, name: str, tensor: Tensor, site: Site, default: int = 1, least: int = 1
) -> tuple[int, ...]:
    """Return a setting of a function that is a number for each axis."""
    item, span = given.get(name, (default, site.span))
    return sides(item, tensor, f"`{name}`", site, span, least)


Pads = tuple[tuple[int, ...], tuple[int, ...]]


def numbered_pads(item: Item, tensor: Tensor, site: Site, span: Span) -> Pads | None:
    """Return the padding before and after each axis; None where it is a word.

    Errors: as `sides`; an entry of a list may be a list of two, before and after.
    """
    if isinstance(item, Word) and item.text in PADS:
        return None
    parts = item if isinstance(item, tuple) else (item,)
    pairs = [each if isinstance(each, tuple) else (each, each) for each in parts]
    if any(len(each) != 2 for each in pairs):
        raise site.mistake(
            "E0205",
            "`pad` has one number for each axis, or a list of two: before and after",
            "not two numbers",
            span=span,
        )
    if not isinstance(item, tuple):
        both = sides(item, tensor, "`pad`", site, span, 0)
        return both, both
    before, after = (
        sides(tuple(pair[which] for pair in pairs), tensor, "`pad`", site, span, 0) for which in (0, 1)
    )
    return before, after


def around(
    tensor: Tensor,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    given: Given,
    site: Site,
) -> Geometry:
    """Return the windows over a value, its padding worked out.

    Errors: E0321 where a window is larger than the value with its padding.
    Warnings: W0303 where windows leave out the last places of an axis, unless `pad=valid` says it is meant.
    """
    space = tensor.shape[:-1]
    plain = Geometry(Windows(size, strides, (0,) * len(size), (0,) * len(size), dilation), space)
    item, span = given.get("pad", (0, site.span))
    pads = numbered_pads(item, tensor, site, span)
    if pads is None:
        pads = _same(plain) if item == Word("same") else ((0,) * len(size),) * 2
    found = Geometry(Windows(size, strides, *pads, dilation), space)
    if min(found.counts) < 1:
        room = found.windows.room(space)
        padded = "" if room == space else f", {text_of(room)} with its padding"
        raise site.mistake(
            "E0321",
            f"windows of {text_of(found.reach)} do not fit into the places {text_of(space)}{padded}",
            "larger than what it moves over",
            secondary=tensor.trail,
            help="take a smaller size, or `pad=same`",
        )
    if item != Word("valid"):
        _tell_rest(found, tensor, site)
    return found


def opened(
    tensor: Tensor,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    given: Given,
    site: Site,
) -> Geometry:
    """Return the windows whose results have the places of a value: those of a transposed convolution.

    The space is (n - 1) * stride + reach - padding + output_pad, or n * stride with `pad=same`.
    Errors: E0321 where nothing would be left, E0206 for an output_pad that is not below the stride.
    """
    counts = tensor.shape[:-1]
    rank = len(counts)
    plain = Geometry(Windows(size, strides, (0,) * rank, (0,) * rank, dilation), counts)
    item, span = given.get("pad", (0, site.span))
    pads = numbered_pads(item, tensor, site, span) or ((0,) * rank, (0,) * rank)
    extra = setting(given, "output_pad", tensor, site, 0, 0)
    most = (1,) * rank if item == Word("same") else strides
    if any(each and each >= stride for each, stride in zip(extra, most, strict=True)):
        wanted = "0 beside `pad=same`" if item == Word("same") else "below the stride"
        place = given["output_pad"][1]
        raise site.mistake("E0206", f"`output_pad` is {wanted}", "too large", span=place)
    space = tuple(
        (count - 1) * stride + reach - before - after + more
        for count, stride, reach, before, after, more in zip(
            counts, strides, plain.reach, *pads, extra, strict=True
        )
    )
    if item == Word("same"):
        space = tuple(count * stride for count, stride in zip(counts, strides, strict=True))
        pads = _same(Geometry(plain.windows, space))
    if min(space) < 1:
        raise site.mistake(
            "E0321",
            f"with this padding nothing is left of {text_of(counts)}",
            "takes away more than there is",
            span=span,
            secondary=tensor.trail,
        )
    return Geometry(Windows(size, strides, *pads, dilation), space)


def _same(plain: Geometry) -> Pads:
    """Return the padding with which there are ceil(extent / stride) windows; an odd one more after."""
    totals = [
        max((ceil(extent / stride) - 1) * stride + reach - extent, 0)
        for extent, stride, reach in zip(plain.space, plain.windows.strides, plain.reach, strict=True)
    ]
    return tuple(each // 2 for each in totals), tuple(each - each // 2 for each in totals)


def _tell_rest(found: Geometry, tensor: Tensor, site: Site) -> None:
    """Warn of places at the end that no window sees; where windows stand apart, that is meant."""
    windows = found.windows
    room = windows.room(found.space)
    rests = [
        (extent - reach) % stride - after if stride <= reach else 0
        for extent, reach, stride, after in zip(
            room, found.reach, windows.strides, windows.after, strict=True
        )
    ]
    if max(rests) < 1:
        return
    size, stride = (_short(each) for each in (windows.size, windows.strides))
    site.frame.world.problems.tell(
        warning(
            "W0303",
            f"windows of {size} every {stride} do not divide {text_of(found.space)}: rounded down to "
            f"{text_of(found.counts)}",
            site.told_at,
            "leaves out the last places",
            secondary=tensor.trail,
            help="`pad=same` sees every place; `pad=valid` says that it is meant",
        )
    )


def _short(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else "x".join(map(str, numbers))
