"""Which axes `over` means, by name: batch, places, last, all, examples, or a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.frame import Site, Whole
from netdsl.semantics.items import Item, Tensor, Word, describe, text_of, whole
from netdsl.semantics.problems import unknown

WORDS: Final[Mapping[str, str]] = {
    "batch": "the examples of a batch",
    "places": "all axes of an example but the last",
    "last": "the last axis",
    "all": "the batch and all axes of an example",
    "examples": "the examples of a whole part (in a metric)",
}


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes of one example, by number, and whether the batch is meant too."""

    inner: tuple[int, ...]
    batch: bool = False


def axes_of(item: Item, tensor: Tensor, site: Site) -> Axes:
    """Return the axes that the value of `over` means for a tensor.

    Errors: E0305 for an axis that it has not, E0308 for the batch of a value that has none.
    """
    parts = item if isinstance(item, tuple) else (item,)
    found = [_one(part, tensor, site) for part in parts]
    axes = Axes(
        tuple(sorted({axis for each in found for axis in each.inner})), any(each.batch for each in found)
    )
    if axes.batch and not tensor.batched:
        raise site.mistake(
            "E0308",
            "this value is the same for every example, so there is no batch to reduce",
            "does not depend on the examples",
            secondary=tensor.trail,
        )
    return axes


def _one(part: Item, tensor: Tensor, site: Site) -> Axes:
    rank = len(tensor.shape)
    match part:
        case Word("batch"):
            return Axes((), True)
        case Word("examples"):
            return _examples(site)
        case Word("all"):
            return Axes(tuple(range(rank)), tensor.batched)
        case Word("places"):
            return Axes(tuple(range(rank - 1)))
        case Word("last"):
            return Axes((rank - 1,) if rank else ())  # a number is reduced already
        case Word(text):
            raise unknown("E0305", "axis", text, site.span, WORDS, listing="an axis is a number or one of")
    return Axes((axis(part, tensor, site),))


def _examples(site: Site) -> Axes:
    if site.frame.kind != "metric":
        raise site.mistake("E0111", "`over=examples` is for metrics alone", "not in a metric")
    if not site.frame.whole:
        raise Whole
    return Axes((), True)


def axis(item: Item, tensor: Tensor, site: Site) -> int:
    """Return an axis of an example by its number; negative numbers count from the end."""
    if item == Word("last"):
        item = -1
    index = whole(item)
    rank = len(tensor.shape)
    if index is None:
        raise site.mistake("E0305", f"an axis is a number or a word, not {describe(item)}", "not an axis")
    if not -rank <= index < rank:
        raise site.mistake(
            "E0305",
            f"{text_of(tensor.shape)} has no axis {index}",
            f"has {rank} axes" if rank != 1 else "has one axis, 0",
            secondary=tensor.trail,
        )
    return index % rank
