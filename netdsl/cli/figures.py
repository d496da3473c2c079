"""Figures as a table on a terminal."""

from collections.abc import Iterable, Mapping, Sequence

Figures = Mapping[str, object]


def figures_table(parts: Mapping[str, Figures], *, grids: Iterable[str] | None = None) -> str:
    """Return figures as a table, a line for each part.

    What is a table itself (a confusion matrix) stands below, for the parts in `grids`, or for all. Penalties
    have their place in the history; here `loss` is told, not `objective`.
    """
    names = [name for figures in parts.values() for name in figures if name != "objective"]
    numbers = [name for name in dict.fromkeys(names) if not _is_grid(parts, name)]
    lines = [_line("", numbers, numbers)]
    for part, figures in parts.items():
        lines.append(_line(part, [_cell(figures.get(name)) for name in numbers], numbers))
    for part in parts if grids is None else grids:
        for name, value in parts[part].items():
            if isinstance(value, list):
                lines += ["", f"{part} {name}", *_grid(value)]
    return "\n".join(lines)


def _is_grid(parts: Mapping[str, Figures], name: str) -> bool:
    return any(isinstance(figures.get(name), list) for figures in parts.values())


def _line(part: str, cells: Sequence[str], heads: Sequence[str]) -> str:
    widths = [max(len(head), 10) + 2 for head in heads]
    return f"{part:<6}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-"


def _grid(rows: list[object]) -> list[str]:
    cells = [[f"{each:g}" for each in (row if isinstance(row, list) else [row])] for row in rows]
    width = max((len(cell) for row in cells for cell in row), default=1)
    return ["  " + " ".join(f"{cell:>{width}}" for cell in row) for row in cells]
