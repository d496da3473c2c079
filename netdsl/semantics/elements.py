"""What the elements of a list are, by its default: numbers, times, or lists in their turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netdsl.semantics.items import Item, Quantity, is_number, whole, written

TIMES: Final = frozenset({"epochs", "steps"})


def elements(default: tuple[Item, ...]) -> tuple[str, Callable[[Item], bool]]:
    """Return what the elements of a default are, and whether another one is such."""
    if all(whole(each) is not None for each in default):
        return "whole numbers", lambda each: whole(each) is not None
    if all(map(is_number, default)):
        return "numbers", is_number
    if all(map(_is_time, default)):
        return "times", _is_time
    if isinstance(default[0], tuple):
        row = default[0]
        return f"lists such as {written(row)}", lambda each: isinstance(each, tuple) and _alike(row, each)
    return "values", lambda each: True


def _alike(row: tuple[Item, ...], other: tuple[Item, ...]) -> bool:
    """Tell whether a list has as many elements as another, and times where that has them."""
    return len(row) == len(other) and all(
        _is_time(found) or not _is_time(wanted) for wanted, found in zip(row, other, strict=True)
    )


def _is_time(item: Item) -> bool:
    return isinstance(item, Quantity) and item.unit in TIMES
