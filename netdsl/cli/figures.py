"""Figures as a table on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.semantics.experiment import Figure

Figures = Mapping[str, object]
Rows = Sequence[Sequence[float]]

WIDEST = 20
"""Classes whose confusions are shown in full; of more, only what is told of each class."""


def figures_table(
    parts: Mapping[str, Figures], told: Sequence["Figure"] = (), *, grids: Iterable[str] | None = None
) -> str:
    """Return figures as a table, a line for each part; `told` are what they are figures of.

    What is a table itself stands below, for the parts in `grids`, or for all: a confusion matrix with the
    precision, recall and F1 of each class. Penalties have their place in the history; here `loss` is told,
    not `objective`.
    """
    names = [name for figures in parts.values() for name in figures if name != "objective"]
    numbers = [name for name in dict.fromkeys(names) if not _is_grid(parts, name)]
    classes = {each.name: each.classes for each in told}
    lines = [_line("", numbers, numbers)]
    for part, figures in parts.items():
        lines.append(_line(part, [_cell(figures.get(name)) for name in numbers], numbers))
    for part in parts if grids is None else grids:
        for name, value in parts[part].items():
            if isinstance(value, list):
                lines += ["", f"{part} {name}", *_table(value, classes.get(name, ()))]
    return "\n".join(lines)


def _is_grid(parts: Mapping[str, Figures], name: str) -> bool:
    return any(isinstance(figures.get(name), list) for figures in parts.values())


def _line(part: str, cells: Sequence[str], heads: Sequence[str]) -> str:
    widths = [max(len(head), 10) + 2 for head in heads]
    return f"{part:<6}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-"


def _table(rows: list[object], classes: Sequence[str]) -> list[str]:
    if classes and all(isinstance(row, list) and len(row) == len(classes) for row in rows):
        return _confusion([[float(each) for each in row] for row in rows if isinstance(row, list)], classes)
    cells = [[f"{each:g}" for each in (row if isinstance(row, list) else [row])] for row in rows]
    width = max((len(cell) for row in cells for cell in row), default=1)
    return ["  " + " ".join(f"{cell:>{width}}" for cell in row) for row in cells]


def _confusion(rows: Rows, classes: Sequence[str]) -> list[str]:
    """Return a confusion matrix: a line for each true class, a column for each that it was taken for."""
    shown = rows if len(classes) <= WIDEST else [()] * len(classes)
    cells = [[f"{each:g}" for each in row] for row in shown]
    heads = list(classes) if len(classes) <= WIDEST else []
    scores = [("precision", "recall", "f1"), *(_scores(rows, each) for each in range(len(classes)))]
    names = max(map(len, classes))
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)] if heads else []
    return [
        "  ".join(
            [
                f"  {name:<{names}}",
                *(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)),
                *(f"{score:>9}" for score in score_line),
            ]
        ).rstrip()
        for name, line, score_line in zip(("", *classes), (heads, *cells), scores, strict=True)
    ]


def _scores(rows: Rows, each: int) -> tuple[str, ...]:
    """Return precision, recall and F1 of a class; "-" where nothing is of it."""
    hits, said, true = rows[each][each], sum(row[each] for row in rows), sum(rows[each])
    pairs = ((hits, said), (hits, true), (2 * hits, said + true))
    return tuple(f"{share / whole:.4f}" if whole else "-" for share, whole in pairs)
