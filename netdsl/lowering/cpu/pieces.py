"""Where a piece of work finds its part of a value, in the symbols of a launch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from netdsl.lazy_dataclass import dataclass
from netdsl.program import (
    LANES,
    ROWS,
    Buffer,
    Count,
    Cut,
    Each,
    Examples,
    Lines,
    Panels,
    Pieces,
    Range,
    Rows,
    Tiles,
    Whole,
    Work,
    address,
    count_of,
    stride,
    symbol,
)
from netdsl.program.layout import columns, places

Reach: TypeAlias = Literal[
    "full",
    "spread",
    "vector",
    "column",
    "number",
    "place",
    "place spread",
    "image",
    "image spread",
    "example",
    "table",
]
"""What a piece reads of a value: its own neighbors in memory; 16 columns of row-major rows; 16 numbers for
all rows; a number a row; one number; 16 numbers for each place of an example, alike in all of them; 16
numbers for each example, or one, alike in all its places; 16 columns of any rows of a table. What is spread
lies row-major."""

ITEM, PIECE, LO, HI, FIRST, LAST = map(symbol, ("i", "j", "lo", "hi", "first", "last"))
NTH, MANY = symbol("nth"), symbol("many")
THREAD = symbol("scratch")
CONTEXT = symbol("context")


PANELS_AT_ONCE: Final = 4
"""Panels that one call of a product makes."""


def work_of(cut: Cut) -> Work:
    """Return how the steps of a unit are shared out."""
    match cut:
        case Panels(columns=columns):
            return Each((count_of(panels_of(columns)),), group=PANELS_AT_ONCE)
        case Tiles(rows, columns, chunk, at_once):
            extents = count_of(panels_of(columns)), count_of(-(-rows // chunk))
            return Each(extents, chunk, rows, group=at_once, grain=2)
        case Lines(count):
            return Range(count_of(panels_of(count)))
        case Rows(batches):
            return Range(ROWS * batches, LANES)
        case Examples(size, batches, grain):
            return Pieces(ROWS * batches, size, grain)
        case Whole():
            return Each(())


def panels_of(columns: int) -> int:
    """Return the panels that so many columns fill."""
    return -(-columns // LANES)


def examples_of(cut: Cut) -> tuple[Count, Count]:
    """Return the first example of a piece that has examples, and how many they are."""
    match cut:
        case Examples():
            return FIRST, LAST + -1 * FIRST
        case Rows():
            return LO, HI + -1 * LO
    return count_of(0), ROWS * (cut.batches if isinstance(cut, Panels) else 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a cut. `flat` where the values are vectors, of which a panel's piece is 16 numbers;
    `panel` is the one that is gone along, where a piece has several."""

    cut: Cut
    flat: bool = False
    panel: int = 0

    def rows(self, places: int = 1) -> Count:
        """Return the rows of 16 numbers of a piece, for so many places of an example."""
        match self.cut:
            case Panels() | Examples() if not self.flat:
                return places * examples_of(self.cut)[1]
            case Tiles():
                return LAST + -1 * FIRST
            case Lines():
                return HI + -1 * LO
        return count_of(1)

    def address(self, buffer: Buffer, reach: Reach = "full") -> Count:
        """Return where a piece begins."""
        start = address(buffer.name)
        if buffer.role == "scratch":
            return start + THREAD + self._in_scratch(buffer)
        if isinstance(self.cut, Examples | Rows):
            return start + self._of_examples(buffer, reach)
        match self.cut, reach:
            case (_, "number"):
                return start
            case (Panels(), "column"):
                return start
            case (Panels(), "table") if buffer.layout == "panels":
                return start + 4 * stride(buffer.name) * ITEM
            case (Tiles(), "column"):
                return start + (64 if buffer.layout == "panels" else 4) * FIRST
            case (Lines(), _):
                return start + 64 * LO
            case (Tiles(columns=columns), "spread"):
                return start + 4 * columns * FIRST + 64 * ITEM
            case (Tiles(), "full"):
                return start + 4 * stride(buffer.name) * ITEM + 64 * FIRST
            case (Panels(), "full") if not self.flat:
                return start + 4 * stride(buffer.name) * ITEM
        return start + 64 * ITEM

    def _in_scratch(self, buffer: Buffer) -> Count:
        """Return how far a panel lies behind the beginning of a thread's own piece of a value, or of
        pieces that are made at once."""
        if isinstance(self.cut, Examples):
            return 4 * self.panel * stride(buffer.name)
        return 4 * NTH * stride(buffer.name) if buffer.layout == "panels" else count_of(0)

    def _of_examples(self, buffer: Buffer, reach: Reach) -> Count:
        """Return how far behind a value's beginning a piece of examples begins, in bytes."""
        first = examples_of(self.cut)[0]
        along = (
            4 * self.panel * stride(buffer.name) if buffer.layout == "panels" else count_of(64 * self.panel)
        )
        width = LANES if buffer.layout == "panels" else columns(buffer.shape)
        match reach:
            case "number":
                return count_of(0)
            case "vector" | "place" | "place spread" | "table":
                return along
            case "column" | "example":
                return 4 * width * places(buffer.shape) * first
        return along + 4 * width * places(buffer.shape) * first

    @property
    def own(self) -> str:
        """The name of the way in which pieces have parts of their own."""
        return type(self.cut).__name__


def pieces_of(cut: Cut, width: int, *, flat: bool = False) -> Iterator[Piece]:
    """Yield the pieces that an item has of a value of so many columns: a panel after the other."""
    for panel in range(panels_of(width) if isinstance(cut, Examples) else 1):
        yield Piece(cut, flat, panel)
