"""New rows for a trained network: from CSV, NumPy or IDX files to the fields of its inputs."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from netdsl.data.cells import number_of
from netdsl.data.lines import Format, Row, read_rows
from netdsl.data.pictures import ENDINGS, read_picture, require_pillow
from netdsl.data.problems import cell_text, fail, some
from netdsl.diagnostics import suggest
from netdsl.lazy_dataclass import dataclass
from netdsl.run.net import shaped
from netdsl.run.windows import read_windows
from netdsl.semantics.schema import Column, FieldSchema
from netdsl.training.executable import Values

Fills = Mapping[str, float | str]
"""What stands for a missing cell, by column."""

MISSING: Final = frozenset({"", "?"})


def read_new_rows(
    path: Path | None, fields: Sequence[FieldSchema], fills: Fills, separator: str | None
) -> Values:
    """Read the inputs of new rows; stdin, as CSV, without a path.

    Errors: E0912 for a file of another kind, E0913 for columns or fields that are missing, E0914 for cells
    that cannot be read, E0911 for arrays of another shape; those of reading the file.
    """
    if len(fields) == 1 and fields[0].is_text and (path is None or path.suffix == ".txt"):
        return {fields[0].name: read_windows(path, fields[0])}
    kind = _kind(path)
    if path is None or kind == "csv":
        rows = _text_rows(sys.stdin, separator) if path is None else list(_file_rows(path, separator))
        return _from_table(rows, fields, fills, "stdin" if path is None else str(path))
    if kind == "npz":
        from netdsl.data.npz import read_arrays

        return _named(read_arrays(path), fields, path)
    if kind == "picture":
        field = _only(fields, path)
        return {field.name: _picture(path, field)}
    return _named({_only(fields, path).name: _array(path, kind)}, fields, path)


def _kind(path: Path | None) -> str:
    name = "" if path is None else path.name.removesuffix(".gz")
    for ending in ("csv", "tsv", "txt", "npy", "npz"):
        if name.endswith(f".{ending}"):
            return "csv" if ending in ("csv", "tsv", "txt") else ending
    if path is None:
        return "csv"
    if path.suffix.lower() in ENDINGS:
        return "picture"
    if "idx" not in name:
        message = f"`{path}`: predictions are made from .csv, .npy, .npz and IDX files, and of pictures"
        fail("E0912", message, help="convert it to one of these")
    return "idx"


def _picture(path: Path, field: FieldSchema) -> NDArray[np.generic]:
    """Return a picture as the one row of an image, in the units of pictures."""
    if len(field.shape) != 3 or field.shape[-1] not in (1, 3) or field.range != (0, 255):
        message = f"`{path}` is a picture, and `{field.name}` is no image of values from 0 to 255"
        fail("E0913", message, help="give its rows as numbers, in a .csv, .npy or .npz file")
    require_pillow("a picture is read", None)
    return read_picture(path, field.shape)[None]


def _array(path: Path, kind: str) -> NDArray[np.generic]:
    if kind == "npy":
        from netdsl.data.npz import read_array

        return read_array(path)
    from netdsl.data.idx import read_idx

    return read_idx(path)


def _only(fields: Sequence[FieldSchema], path: Path) -> FieldSchema:
    if len(fields) != 1:
        names = ", ".join(f"`{each.name}`" for each in fields)
        message = f"`{path}` is one array, and the model takes {names}"
        fail("E0913", message, help="give an .npz file with these names")
    return fields[0]


def _named(arrays: Values, fields: Sequence[FieldSchema], path: Path) -> Values:
    if len(fields) == 1 and len(arrays) == 1:
        arrays = {fields[0].name: next(iter(arrays.values()))}
    for field in fields:
        if field.name not in arrays:
            there = ", ".join(f"`{each}`" for each in arrays)
            fail(
                "E0913", f"`{path}` has no `{field.name}`, only {there}", help="name the arrays as the inputs"
            )
    return {each.name: _fit(each, shaped(each.name, arrays[each.name], each)) for each in fields}


def _fit(field: FieldSchema, values: NDArray[np.generic]) -> NDArray[np.generic]:
    if field.kind == "number":
        return values if values.dtype == np.uint8 else values.astype(np.float32)
    indices = values.astype(np.int32)
    if indices.size and not 0 <= indices.min() <= indices.max() < len(field.classes):
        last = len(field.classes) - 1
        fail("E0914", f"`{field.name}` has an index outside of 0 .. {last}", help="check the rows")
    return indices


# ---- tables -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Table:
    """The cells of a table by column, and the line of each row."""

    name: str
    lines: Sequence[int]
    columns: Mapping[str, Sequence[str]]


def _file_rows(path: Path, separator: str | None) -> Iterable[Row]:
    return read_rows(path, Format(separator or ("\t" if ".tsv" in path.name else ",")), None)


def _text_rows(stream: TextIO, separator: str | None) -> list[Row]:
    reader = csv.reader(stream, delimiter=separator or ",", strict=True, skipinitialspace=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        fail("E0914", f"stdin cannot be read as a table: {error}", help="give CSV with a header")


def _from_table(rows: Iterable[Row], fields: Sequence[FieldSchema], fills: Fills, name: str) -> Values:
    pairs = list(rows)
    if not pairs:
        fail("E0914", f"`{name}` is empty", help="its first line names the columns")
    header = [each.strip() for each in pairs[0][1]]
    if len(fields) == 1 and _is_flat(fields[0], len(header)):
        return {fields[0].name: _flat(pairs, fields[0], name)}
    table = _columns(pairs, header, name)
    wanted = [column.name for field in fields for column in _columns_of(field)]
    absent = [each for each in dict.fromkeys(wanted) if each not in table.columns]
    if absent:
        _refuse_width(fields, header, name)
        _refuse_absent(absent, wanted, header, name)
    return {field.name: _field(field, table, fills) for field in fields}


def _columns(pairs: Sequence[Row], header: Sequence[str], name: str) -> _Table:
    wrong = [f"line {line} has {len(row)}" for line, row in pairs[1:] if len(row) != len(header)]
    if wrong:
        fail("E0914", f"`{name}` has rows without {len(header)} cells, as its header has", notes=some(wrong))
    cells = list(zip(*(row for _, row in pairs[1:]), strict=True)) or [()] * len(header)
    return _Table(name, [line for line, _ in pairs[1:]], dict(zip(header, cells, strict=True)))


def _columns_of(field: FieldSchema) -> tuple[Column, ...]:
    """Return the columns of a field; a category, or a number by itself, is the column of its name."""
    return field.columns or (Column(field.name, 0, 1, field.classes),)


def _field(field: FieldSchema, table: _Table, fills: Fills) -> NDArray[np.generic]:
    columns = _columns_of(field)
    if field.kind == "category":
        return _codes(columns[0], table, fills)
    blocks = [_block(column, table, fills) for column in columns]
    return np.concatenate(blocks, axis=1).reshape(len(table.lines), *field.shape).astype(np.float32)


def _block(column: Column, table: _Table, fills: Fills) -> NDArray[np.float64]:
    """Return a column as it stands in a vector: a number, one with a mark that it was missing, or one-hot."""
    if column.categories:
        return np.eye(len(column.categories))[_codes(column, table, fills)]
    block = np.zeros((len(table.lines), column.width))
    wrong: list[str] = []
    for row, cell in enumerate(table.columns[column.name]):
        value = _number(cell, column, fills)
        if value is None:
            wrong.append(f"{table.name}:{table.lines[row]} has {cell_text(cell)}")
        else:
            block[row, 0] = value
            block[row, 1:] = cell.strip() in MISSING
    if wrong:
        _refuse_cells(column, "a number", wrong)
    return block


def _number(cell: str, column: Column, fills: Fills) -> float | None:
    text = cell.strip()
    if text in MISSING:
        fill = fills.get(column.name)
        return None if fill is None else float(fill)
    return number_of(text)


def _codes(column: Column, table: _Table, fills: Fills) -> NDArray[np.int32]:
    places = {name: index for index, name in enumerate(column.categories)}
    codes = np.zeros(len(table.lines), np.int32)
    wrong: list[str] = []
    for row, cell in enumerate(table.columns[column.name]):
        text = _category(cell.strip(), places)
        if cell.strip() in MISSING and text not in places:
            text = str(fills.get(column.name, text))
        if text in places:
            codes[row] = places[text]
        else:
            wrong.append(f"{table.name}:{table.lines[row]} has {cell_text(cell)}")
    if wrong:
        listed = ", ".join(f"`{each}`" for each in column.categories[:20])
        _refuse_cells(column, f"one of {listed}" + (", …" if len(places) > 20 else ""), wrong)
    return codes


def _category(text: str, places: Mapping[str, int]) -> str:
    """Return a category's name; one that is a number may be written otherwise, `1.0` for `1`."""
    value = number_of(text)
    if text in places or value is None or value != int(value):
        return text
    return str(int(value))


def _is_flat(field: FieldSchema, width: int) -> bool:
    """Tell whether rows of so many cells are the numbers of an array, which has no names for them."""
    return not field.columns and bool(field.shape) and width == _count(field)


def _flat(pairs: Sequence[Row], field: FieldSchema, name: str) -> NDArray[np.float32]:
    """Return a field of one column for each of its numbers, row-major; a line of names on top is left out."""
    header = all(number_of(cell) is None for cell in pairs[0][1])
    rows = pairs[1:] if header else pairs
    wrong: list[str] = []
    values = np.zeros((len(rows), _count(field)), np.float32)
    for index, (line, row) in enumerate(rows):
        numbers = [number_of(cell) for cell in row]
        if len(row) != _count(field) or None in numbers:
            wrong.append(f"{name}:{line}")
        else:
            values[index] = [each for each in numbers if each is not None]
    if wrong:
        cure = "each line has one number for each element, row by row"
        fail("E0914", f"rows of `{name}` are not {_count(field)} numbers", help=cure, notes=some(wrong))
    return values.reshape(len(rows), *field.shape)


def _count(field: FieldSchema) -> int:
    return int(np.prod(field.shape))


def _refuse_width(fields: Sequence[FieldSchema], header: Sequence[str], name: str) -> None:
    """Refuse a table for an input that is an array, and has no column by its name."""
    field = fields[0]
    if len(fields) == 1 and field.shape and not field.columns:
        what = "1 column" if len(header) == 1 else f"{len(header)} columns"
        shape = ", ".join(map(str, field.shape))
        cure = f"give a column for each number of `{field.name}`, row by row: [{shape}] are {_count(field)}"
        message = f"`{name}` has {what}, and `{field.name}` takes {_count(field)}"
        fail("E0913", message, help=cure)


def _refuse_absent(
    absent: Sequence[str], wanted: Sequence[str], header: Sequence[str], name: str
) -> NoReturn:
    told = ", ".join(f"`{each}`" for each in absent[:10]) + (", …" if len(absent) > 10 else "")
    others = [each for each in header if each not in wanted]
    notes = [f"`{each}` may be `{near}`" for each in absent[:10] if (near := suggest(each, others))]
    there = ", ".join(f"`{each}`" for each in header[:20]) + (", …" if len(header) > 20 else "")
    what = "the column" if len(absent) == 1 else "the columns"
    cure = f"its first line names {there}"
    if other := next((each for each in ";\t|" if len(header) == 1 and each in header[0]), None):
        cure = f"its cells seem to be separated otherwise: `--separator {other!r}`"
    fail("E0913", f"`{name}` lacks {what} {told}", help=cure, notes=notes)


def _refuse_cells(column: Column, wanted: str, wrong: Sequence[str]) -> NoReturn:
    message = f"the column `{column.name}` is to be {wanted}"
    fail("E0914", message, help="mend these cells", notes=some(wrong))
