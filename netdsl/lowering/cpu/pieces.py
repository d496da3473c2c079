"""Where a piece of work finds its part of a value, in the symbols of a launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from netdsl.program import (
    LANES,
    ROWS,
    Buffer,
    Count,
    Cut,
    Each,
    Lines,
    Panels,
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

Reach: TypeAlias = Literal["full", "spread", "vector", "column", "number"]
"""What a piece reads of a value: its own neighbors in memory; 16 columns of row-major rows; 16 numbers for
all rows; a number a row; one number."""

ITEM, PIECE, LO, HI, FIRST, LAST = map(symbol, ("i", "j", "lo", "hi", "first", "last"))
THREAD = symbol("scratch")
CONTEXT = symbol("context")


def work_of(cut: Cut) -> Work:
    """Return how the steps of a unit are shared out."""
    match cut:
        case Panels(columns):
            return Each((count_of(panels_of(columns)),))
        case Tiles(rows, columns, chunk):
            extents = count_of(panels_of(columns)), count_of(-(-rows // chunk))
            return Each(extents, chunk, rows)
        case Lines(count):
            return Range(count_of(panels_of(count)))
        case Rows():
            return Range(ROWS, LANES)
        case Whole():
            return Each(())


def panels_of(columns: int) -> int:
    """Return the panels that so many columns fill."""
    return -(-columns // LANES)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a cut. `flat` where the values are vectors, of which a panel's piece is 16 numbers."""

    cut: Cut
    flat: bool = False

    @property
    def rows(self) -> Count:
        """The rows of 16 numbers of a piece."""
        match self.cut:
            case Panels() if not self.flat:
                return ROWS
            case Tiles():
                return LAST + -1 * FIRST
            case Lines():
                return HI + -1 * LO
        return count_of(1)

    def address(self, buffer: Buffer, reach: Reach = "full") -> Count:
        """Return where a piece begins."""
        start = address(buffer.name)
        if buffer.role == "scratch":
            return start + THREAD
        match self.cut, reach:
            case (_, "number"):
                return start
            case (Panels(), "column"):
                return start
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

    @property
    def own(self) -> str:
        """The name of the way in which pieces have parts of their own."""
        return type(self.cut).__name__
