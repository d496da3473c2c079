"""Learning curves: the figures of each epoch as a picture, written as SVG text."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.explain.dot import label
from netdsl.lazy_dataclass import dataclass

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 110, 40, 44
_COLORS: Final = {"train": "#3f74b8", "valid": "#c9771b"}
_INK, _QUIET, _GRID = "#1f2933", "#66727f", "#e3e8ed"
_FONT: Final = "Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers lie in the picture."""

    last: int
    low: float
    high: float

    def x(self, epoch: float) -> float:
        share = (epoch - 1) / max(self.last - 1, 1)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def curves(history: Sequence[Mapping[str, object]], figure: str = "loss", title: str = "") -> str:
    """Return a figure's curve on each part over the epochs of a history, the best epoch marked.

    Errors: E0982 when no epoch tells the figure.
    """
    series = {part: points for part in _COLORS if (points := _points(history, part, figure))}
    if not series:
        raise _untold(history, figure)
    values = [value for points in series.values() for _, value in points]
    ticks = _ticks(min(values), max(values))
    last = max(epoch for points in series.values() for epoch, _ in points)
    frame = _Frame(last, ticks[0], ticks[-1])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="{_FONT}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 24, title or figure, size=15, color=_INK),
        *_grid(frame, ticks),
        *(line for part, points in series.items() for line in _curve(frame, part, points)),
        *_labels(frame, series),
        *_best(frame, history),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _untold(history: Sequence[Mapping[str, object]], figure: str) -> DiagnosticError:
    told = dict.fromkeys(
        name for record in history for part in record.values() if isinstance(part, Mapping) for name in part
    )
    known = f"it tells {', '.join(f'`{each}`' for each in told)}" if told else "it has no epoch yet"
    return DiagnosticError(
        [Diagnostic("E0982", f"no epoch of this history tells `{figure[:40]}`", help=known)]
    )


def _points(history: Sequence[Mapping[str, object]], part: str, figure: str) -> list[tuple[int, float]]:
    points = []
    for record in history:
        figures, epoch = record.get(part), record.get("epoch")
        value = figures.get(figure) if isinstance(figures, Mapping) else None
        if isinstance(epoch, int) and isinstance(value, (int, float)) and math.isfinite(value):
            points.append((epoch, float(value)))
    return points


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers from below the least to above the greatest, about five."""
    span = (high - low) or abs(high) or 1.0
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def _grid(frame: _Frame, ticks: Sequence[float]) -> Iterator[str]:
    for tick in ticks:
        y = frame.y(tick)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="{_GRID}"/>'
        yield _text(_LEFT - 8, y + 4, f"{tick:.6g}", anchor="end")
    for epoch in sorted({1 + round(n * (frame.last - 1) / 4) for n in range(5)}):
        yield _text(frame.x(epoch), _HEIGHT - _BOTTOM + 18, str(epoch), anchor="middle")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "epoch", anchor="middle")


def _curve(frame: _Frame, part: str, points: Sequence[tuple[int, float]]) -> Iterator[str]:
    if len(points) == 1:
        ((epoch, value),) = points
        yield f'<circle cx="{frame.x(epoch)}" cy="{frame.y(value)}" r="3" fill="{_COLORS[part]}"/>'
        return
    path = " ".join(f"{frame.x(epoch)},{frame.y(value)}" for epoch, value in points)
    yield f'<polyline points="{path}" fill="none" stroke="{_COLORS[part]}" stroke-width="2"/>'


def _labels(frame: _Frame, series: Mapping[str, Sequence[tuple[int, float]]]) -> Iterator[str]:
    """Yield each curve's name at its end, moved apart where two would touch."""
    below = -math.inf
    for part, points in sorted(series.items(), key=lambda each: frame.y(each[1][-1][1])):
        y = max(frame.y(points[-1][1]) + 4, below + 15)
        below = y
        yield _text(_WIDTH - _RIGHT + 8, y, f"{part} {points[-1][1]:.4g}", color=_COLORS[part], size=12)


def _best(frame: _Frame, history: Sequence[Mapping[str, object]]) -> Iterator[str]:
    best = [record["epoch"] for record in history if record.get("best") is True]
    if best and isinstance(best[-1], int):
        x = frame.x(best[-1])
        yield (
            f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{_HEIGHT - _BOTTOM}" '
            f'stroke="{_QUIET}" stroke-dasharray="3 3"/>'
        )
        yield _text(x, _TOP - 4, f"best: {best[-1]}", anchor="middle")


def _text(
    x: float, y: float, content: str, *, anchor: str = "start", color: str = _QUIET, size: int = 11
) -> str:
    shown = label(content)
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{color}">{shown}</text>'
