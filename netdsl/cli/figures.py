"""Figures as a table on a terminal."""

from collections.abc import Mapping


def figures_table(parts: Mapping[str, Mapping[str, object]]) -> str:
    """Return figures as a table, a line for each part, and the tables among them below."""
    names = list(dict.fromkeys(name for figures in parts.values() for name in figures if name != "objective"))
    numbers = [name for name in names if all(not isinstance(each.get(name), list) for each in parts.values())]
    widths = [max(len(name), 10) + 2 for name in numbers]
    head = " " * 6 + "".join(f"{name:>{width}}" for name, width in zip(numbers, widths, strict=True))
    lines = [head]
    for part, figures in parts.items():
        cells = [_cell(figures.get(name)) for name in numbers]
        lines.append(
            f"{part:<6}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        )
    for part, figures in parts.items():
        for name in names:
            value = figures.get(name)
            if isinstance(value, list):
                lines += ["", f"{part} {name}", *_grid(value)]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-"


def _grid(rows: list[object]) -> list[str]:
    cells = [[f"{each:g}" for each in (row if isinstance(row, list) else [row])] for row in rows]
    width = max((len(cell) for row in cells for cell in row), default=1)
    return ["  " + " ".join(f"{cell:>{width}}" for cell in row) for row in cells]
