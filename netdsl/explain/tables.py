"""Plain tables: aligned columns that keep to a given width."""

from collections.abc import Sequence
from typing import Literal

from netdsl.lazy_dataclass import dataclass

_GAP = "  "
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the side it is aligned to, and whether it gives way where space is short."""

    heading: str
    align: Literal["left", "right"] = "left"
    yields: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> str:
    """Return rows under headings, with a rule between; an empty row becomes a rule too.

    The columns that yield are cut, the widest first, until a line fits `width`.
    """
    widths = _widths(columns, rows, width)
    rule = _GAP.join("─" * each for each in widths)
    lines = [_line(columns, [each.heading for each in columns], widths), rule]
    lines += [_line(columns, row, widths) if row else rule for row in rows]
    return "\n".join(lines) + "\n"


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    cells = [[column.heading, *(row[n] for row in rows if row)] for n, column in enumerate(columns)]
    widths = [max(map(len, each)) for each in cells]
    yielding = [n for n, column in enumerate(columns) if column.yields]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widest = max(yielding, key=lambda n: widths[n], default=None)
        if widest is None or widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
    return widths


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    written = (
        _cut(cell, width).ljust(width) if column.align == "left" else _cut(cell, width).rjust(width)
        for column, cell, width in zip(columns, cells, widths, strict=True)
    )
    return _GAP.join(written).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
