"""The picture of the table: a bar for each workload, as long as its ratio."""

from __future__ import annotations

import math
import statistics
from xml.sax.saxutils import escape

from benchmarks.table import BARS, Results, fastest, in_order
from benchmarks.workloads import WORKLOADS

LEFT, WIDTH, ROW, TOP = 330, 420, 22, 34
LEAST, MOST = 0.25, 16.0
MARKS = 0.25, 0.5, 1, 2, 4, 8, 16


def bars(steps: Results) -> str:
    """Return an SVG, readable on light and on dark: how many times netdsl's time the fastest peer takes.

    The scale is of doublings; a line shows what is meant to be reached.
    """
    drawn = [(key, fastest(steps[key])) for key in in_order(steps)]
    rows = [(key, peer) for key, peer in drawn if peer is not None]
    height = TOP + ROW * len(rows) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 190}" height="{height}" '
        'font-family="sans-serif" font-size="12" fill="#808080">',
        f'<text x="{LEFT}" y="12">times as fast as the fastest peer (line: what is meant)</text>',
    ]
    for mark in MARKS:
        x = _place(mark)
        lines.append(
            f'<line x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{height - 8}" '
            'stroke="#808080" opacity="0.3"/>'
        )
        lines.append(f'<text x="{x:.1f}" y="{TOP - 8}" text-anchor="middle" font-size="10">{mark:g}</text>')
    for at, (key, peer) in enumerate(rows):
        lines += _row(steps, key, str(peer), TOP + ROW * at)
    return "\n".join([*lines, "</svg>\n"])


def _row(steps: Results, key: str, peer: str, y: int) -> list[str]:
    name, threads = key.split("/")
    ratio = statistics.median(steps[key]["ratios"][peer])
    one, end, goal = _place(1), _place(ratio), _place(BARS[name])
    color = "#2a9d8f" if ratio >= BARS[name] else "#d1495b"
    told = escape(f"{name.upper()} {WORKLOADS[name].title}, {threads} thread{'s' * (threads != '1')}")
    return [
        f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{told}</text>',
        f'<rect x="{min(one, end):.1f}" y="{y + 3}" width="{max(abs(end - one), 1):.1f}" height="{ROW - 8}" '
        f'fill="{color}"/>',
        f'<line x1="{goal:.1f}" y1="{y}" x2="{goal:.1f}" y2="{y + ROW - 2}" '
        'stroke="#808080" stroke-width="2"/>',
        f'<text x="{max(one, end) + 4:.1f}" y="{y + 14}" font-size="10">{ratio:.2f}, {escape(peer)}</text>',
    ]


def _place(ratio: float) -> float:
    inside = min(max(ratio, LEAST), MOST)
    return LEFT + WIDTH * math.log2(inside / LEAST) / math.log2(MOST / LEAST)
