"""The columns of a table, read from one or two files and checked cell by cell."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from netdsl.data.cells import Cell, Cells, number_of
from netdsl.data.lines import Format, Row, read_rows
from netdsl.data.problems import cell_text, fail, some
from netdsl.diagnostics import Span
from netdsl.files import shown
from netdsl.lazy_dataclass import dataclass, field

Missing: TypeAlias = Literal["error", "drop", "mean", "category"]

_MOST_COLUMNS: Final = 100_000
_STRETCH: Final = 4096


@dataclass(slots=True)
class Table:
    """The columns of one or two files, as read. `lines` are where the rows stand, for each file."""

    cells: dict[str, Cells]
    files: list[Path] = field(default_factory=list)
    lines: list[np.ndarray] = field(default_factory=list)


def read_header(path: Path, form: Format, span: Span | None) -> tuple[str, ...]:
    """Return the names of the columns of a file: those given, or those in its first line.

    Errors: E0529 for what is no header, E0540 for too many columns, E0543 for an empty file.
    """
    line, row = next(read_rows(path, form, span), (1, []))
    if not row:
        fail("E0543", f"`{shown(path)}` is empty", span)
    names = form.columns or tuple(cell.strip() for cell in row)
    if len(names) > _MOST_COLUMNS:
        fail("E0540", f"`{shown(path)}` has {len(names):,} columns, more than {_MOST_COLUMNS:,}", span)
    if form.columns is None:
        _check_header(names, f"{shown(path)}:{line}", span)
    counts = Counter(names)
    if len(counts) < len(names):
        twice = counts.most_common(1)[0][0]
        fail("E0529", f"`{shown(path)}`: two columns are called {cell_text(twice)}", span)
    return names


def read_file(path: Path, table: Table, form: Format, span: Span | None) -> None:
    """Add the rows of a file to a table.

    Errors: E0530 for rows of another width, E0533 for a column that it lacks, E0543 for a file without rows.
    """
    header = read_header(path, form, span)
    absent = [name for name in table.cells if name not in header]
    if absent:
        fail("E0533", f"`{shown(path)}` has no column {cell_text(absent[0])}", span)
    positions = {name: header.index(name) for name in table.cells}
    for cells in table.cells.values():
        cells.file = len(table.files)
    table.files.append(path)
    rows = read_rows(path, form, span)
    if form.columns is None:
        next(rows)
    table.lines.append(_read_stretches(rows, path, table, positions, len(header), span))


def check_cells(table: Table, targets: Sequence[str], missing: Missing, span: Span | None) -> None:
    """Refuse cells that are not what their column is of, and missing ones where nothing is said of them.

    Errors: E0531, E0532.
    """
    for cells in table.cells.values():
        if cells.is_text is None:
            message = f"the column `{cells.name}` of `{shown(table.files[0])}` has nothing in it"
            fail("E0532", message, span, help=f"leave it out: `skip=[{cells.name}]`")
        if cells.bad or cells.number:
            _refuse_bad(cells, table, span)
    lacking = [cells for cells in table.cells.values() if cells.missing]
    if missing in {"mean", "category"}:
        lacking = [cells for cells in lacking if cells.name in targets]
    if missing != "drop" and lacking:
        _refuse_missing(lacking, table, missing, span)


def _check_header(names: Sequence[str], place: str, span: Span | None) -> None:
    if all(number_of(name) is not None for name in names):
        help = "if the file has no header, name its columns: `columns=[a, b, …]`"
        fail("E0529", f"{place} has numbers where the names of the columns are expected", span, help=help)
    if "" in names:
        position = names.index("") + 1
        fail("E0529", f"{place}: column {position} has no name", span, help="name it in the file")
    other = next((each for each in ";\t|" if each in names[0]), None)
    if len(names) == 1 and other:
        help = f"the cells seem to be separated otherwise: `separator={other!r}`".replace("'", '"')
        fail("E0529", f"{place} has one column, {cell_text(names[0])}", span, help=help)


def _read_stretches(
    rows: Iterator[Row], path: Path, table: Table, positions: Mapping[str, int], width: int, span: Span | None
) -> np.ndarray:
    """Take in the rows a stretch at a time, column by column; return the line of each row."""
    all_lines = [np.empty(0, np.int32)]
    wrong: list[str] = []
    wrong_count = 0
    while stretch := list(islice(rows, _STRETCH)):
        whole = [(line, row) for line, row in stretch if len(row) == width]
        wrong_count += len(stretch) - len(whole)
        if wrong_count and len(wrong) < 10:
            wrong += [f"line {line} has {len(row)}" for line, row in stretch if len(row) != width]
        if whole:
            lines, cells = zip(*whole, strict=True)
            by_column = list(zip(*cells, strict=True))
            for name, position in positions.items():
                table.cells[name].add(by_column[position], lines)
            all_lines.append(np.array(lines, np.int32))
    if wrong_count:
        message = f"`{shown(path)}` has rows without {width} cells, as its first line has"
        help = "a cell with the separator in it is quoted"
        fail("E0530", message, span, notes=some(wrong, of=wrong_count), help=help)
    lines_read = np.concatenate(all_lines)
    if not len(lines_read):
        fail("E0543", f"`{shown(path)}` has a header and no rows", span)
    return lines_read


def _refuse_bad(cells: Cells, table: Table, span: Span | None) -> None:
    assert cells.first is not None
    if cells.number:
        notes = [_told(cells.first, table), _told(cells.number, table)]
        help = f"a category is named in `categories=[{cells.name}]`, a text for a missing cell in `absent=`"
        fail("E0531", f"the column `{cells.name}` has texts and numbers", span, notes=notes, help=help)
    notes = list(some([_told(cell, table) for cell in cells.bad], of=cells.bad_count))
    help = f"a text for a missing cell is named in `absent=`, a category in `categories=[{cells.name}]`"
    message = f"the column `{cells.name}` is of numbers, and has cells that are none"
    fail("E0531", message, span, notes=notes, help=help)


def _refuse_missing(lacking: Sequence[Cells], table: Table, missing: Missing, span: Span | None) -> None:
    count = sum(cells.missing_count for cells in lacking)
    cells_text = [
        f"column `{cells.name}`: {_told(cell, table)}" for cells in lacking for cell in cells.missing
    ]
    help = "say what to do with them: `missing = drop` leaves these rows out, `mean` or `category` fills them"
    what = "missing cells"
    if missing != "error":
        what, help = "missing targets", "a target cannot be filled in: `missing = drop` leaves these rows out"
    message = f"{count:,} {what} in `{shown(table.files[0])}`"
    fail("E0532", message, span, notes=some(cells_text, of=count), help=help)


def _told(cell: Cell, table: Table) -> str:
    return f"{shown(table.files[cell.file])}:{cell.line} has {cell_text(cell.text)}{_why(cell.text)}"


def _why(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return ""
    if not np.isfinite(value):
        return ", not a finite number"
    return ", too large for 32 bits" if number_of(text) is None and "_" not in text else ""
