"""Laying a text out as `netdsl fmt` does."""

from __future__ import annotations

from lsprotocol import types

from netdsl.lsp.analysis import Analysis
from netdsl.lsp.positions import lines_of
from netdsl.syntax import format_file


def formatted(analysis: Analysis, _: object, encoding: str) -> list[types.TextEdit] | None:
    """Return the one edit that lays a text out; none where it has a mistake, or is laid out already."""
    if not analysis.readable:
        return None
    old, new = analysis.source.text, format_file(analysis.file)
    if old == new:
        return []
    start, end = _common(old, new)
    lines = lines_of(analysis.source, encoding)
    return [types.TextEdit(lines.range(start, len(old) - end), new[start : len(new) - end])]


def _common(old: str, new: str) -> tuple[int, int]:
    """Return how many characters two texts share at the beginning and, behind those, at the end.

    Whole lines are shared, so that no character and no end of a line is cut in two.
    """
    start = old.rfind("\n", 0, _shared(old, new)) + 1
    shared = _shared(old[start:][::-1], new[start:][::-1])
    tail = old[len(old) - shared :] if shared else ""
    return start, shared - (tail.find("\n") + 1) if "\n" in tail else 0


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
