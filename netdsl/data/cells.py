"""The cells of a column, collected as they are read: as numbers, or as texts each kept once."""

import math
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np

from netdsl.lazy_dataclass import dataclass

# The largest double that 32 bits round to a finite number: half a step above their largest one is none.
_LARGEST: Final = float(np.nextafter(2.0**128 - 2.0**103, 0))
_KEPT: Final = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell to be told of: which file it stands in, the line there, and its text."""

    file: int
    line: int
    text: str


class Cells:
    """One column, of numbers or of texts: as its first cell with something in it; the others must agree.

    `as_text` says that it is of texts whatever they look like. Set `file` before the cells of another file
    are added. `numbers` has NaN and `codes` -1 where a cell
    is missing; a code is the place of a text in `texts`.
    """

    def __init__(self, name: str, missing: frozenset[str], *, as_text: bool) -> None:
        self.name = name
        self.file = 0
        self.is_text: bool | None = True if as_text else None
        self.numbers = array("d")
        self.codes = array("i")
        self.texts: dict[str, int] = {}
        self.missing: list[Cell] = []
        self.missing_count = 0
        self.bad: list[Cell] = []
        self.bad_count = 0
        self.first: Cell | None = None
        self.number: Cell | None = None
        self._as_text = as_text
        self._marks = missing
        self._quick = all(number_of(mark) is None for mark in missing)

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Take in a stretch of cells with the lines they stand in."""
        if self.is_text is None:
            self._decide(cells, lines)
        if self.is_text:
            self._add_texts(cells, lines)
        elif not self._add_plain_numbers(cells):
            self._add_numbers(cells, lines)

    def _decide(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        for cell, line in zip(cells, lines, strict=True):
            text = cell.strip()
            if text not in self._marks:
                self.first = Cell(self.file, line, text)
                self.is_text = number_of(text) is None
                break
        if self.is_text:
            self.codes.extend([-1] * len(self.numbers))

    def _add_plain_numbers(self, cells: Sequence[str]) -> bool:
        """Take in cells that are all numbers, quickly; False, and nothing taken in, when one is not."""
        if not self._quick:
            return False
        try:
            found = array("d", map(float, cells))
        except ValueError:
            return False
        largest = np.abs(np.frombuffer(found)).max(initial=0.0)
        if not largest <= _LARGEST or "_" in "".join(cells):
            return False
        self.numbers.extend(found)
        return True

    def _add_numbers(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        for cell, line in zip(cells, lines, strict=True):
            text = cell.strip()
            value = math.nan
            if text in self._marks:
                self._miss(line, text)
            elif (found := number_of(text)) is not None:
                value = found
            else:
                self.bad_count += 1
                if len(self.bad) < _KEPT:
                    self.bad.append(Cell(self.file, line, text))
            self.numbers.append(value)

    def _add_texts(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        texts = self.texts
        for cell, line in zip(cells, lines, strict=True):
            text = cell.strip()
            if text in self._marks:
                self._miss(line, text)
                self.codes.append(-1)
                continue
            if text not in texts:
                texts[text] = len(texts)
                if not self._as_text and self.number is None and number_of(text) is not None:
                    self.number = Cell(self.file, line, text)
            self.codes.append(texts[text])

    def _miss(self, line: int, text: str) -> None:
        self.missing_count += 1
        if len(self.missing) < _KEPT:
            self.missing.append(Cell(self.file, line, text))


def number_of(text: str) -> float | None:
    """Return the number a text is; None when it is none, or none that 32 bits can hold."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST and "_" not in text else None


def sorted_texts(cells: Cells) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the distinct texts in order, and for each cell its place there (-1 where missing).

    If all are numbers they are ordered as numbers, and equal ones (`1`, `1.0`) are one.
    """
    texts = list(cells.texts)
    values = [number_of(text) for text in texts]
    if all(value is not None for value in values):
        names = {value: _number_text(value) for value in values if value is not None}
        ordered = [names[value] for value in sorted(names)]
        texts = [names[value] for value in values if value is not None]
    else:
        ordered = sorted(texts)
    place = {text: index for index, text in enumerate(ordered)}
    table = np.array([*(place[text] for text in texts), -1], np.int32)
    return tuple(ordered), table[np.frombuffer(cells.codes, np.intc)]


def _number_text(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
