"""What is shown where the pointer rests: formula, shapes, parameters, memory, gradient, the comment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lsprotocol import types

from netdsl.files import size_text
from netdsl.graph import count
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.chains import steps_of
from netdsl.lsp.documentation import builtin_text, comment_of, declaration_text, setting_text
from netdsl.lsp.gradients import gradient_lines
from netdsl.lsp.navigation import occurrence_at
from netdsl.lsp.positions import range_of
from netdsl.lsp.sightings import Sighting
from netdsl.lsp.symbols import Occurrence, Symbol
from netdsl.semantics.experiment import Weight
from netdsl.semantics.items import Poison, Tensor, written
from netdsl.syntax import tree

_BYTES: Final = 4
_MOST_PATHS: Final = 4


def hover(analysis: Analysis, wanted: types.HoverParams, encoding: str) -> types.Hover | None:
    """Return what is known of the name at a position."""
    found = occurrence_at(analysis, wanted.position, encoding)
    if found is None:
        return None
    text = "\n\n".join(each for each in _parts(analysis, found) if each)
    content = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(content, range_of(found.span, encoding)) if text else None


def _parts(analysis: Analysis, found: Occurrence) -> Iterator[str]:
    symbol = found.symbol
    if symbol is None:
        yield builtin_text(found.meaning)  # type: ignore[arg-type]
        yield from _use(analysis, found)
        return
    yield f"```net\n{declaration_text(symbol)}\n```"
    if isinstance(symbol.declaration, tree.Setting):
        owner = f" of `{symbol.owner.name.text}`" if symbol.owner else ""
        yield f"setting{owner}: {setting_text(symbol.declaration)}"
    yield from _value(analysis, found, symbol)
    yield from _use(analysis, found)
    yield comment_of(symbol)
    if symbol.kind == "data":
        yield _schema(analysis, symbol.name)


# ---- what a name stands for ---------------------------------------------------------------------


def _value(analysis: Analysis, found: Occurrence, symbol: Symbol) -> Iterator[str]:
    """Yield the shape of a value, or what a param or setting stands for."""
    if symbol.kind in ("tensor", "binding", "state", "extent", "setting", "each", "param", "output"):
        places = [found.span, symbol.span, *(each.span for each in analysis.index.of(symbol))]
        seen = next((each for each in map(analysis.sightings.at, places) if each is not None), None)
        if seen is not None and seen.shape_text is not None:
            yield f"shape `{seen.shape_text}` of one example"
        elif seen is not None and symbol.kind != "setting":
            items = [each for each in seen.items if not isinstance(each, (Tensor, Poison))]
            texts = list(dict.fromkeys(written(each) for each in items))
            yield "is " + ", ".join(f"`{each}`" for each in texts[:_MOST_PATHS]) if texts else ""


# ---- a use in a chain or a call -----------------------------------------------------------------


def _use(analysis: Analysis, found: Occurrence) -> Iterator[str]:
    """Yield what a use does: its shapes, its parameters, its gradient."""
    seen = _seen_from(analysis, found)
    if seen is None or seen.shape_text is None:
        return
    before = next((each.before for each in steps_of(analysis.file) if each.span == seen.span), None)
    given = analysis.sightings.at(before) if before else None
    flow = f"`{given.shape_text}` → " if given is not None and given.shape_text else "gives "
    size = max(map(count, seen.shapes))
    yield f"{flow}`{seen.shape_text}`, {size_text(size * _BYTES)} an example"
    yield _weights(analysis, seen.paths)
    for path in seen.paths[:1]:
        lines = gradient_lines(analysis, path)
        if lines:
            yield "gradient\n```text\n" + "\n".join(lines) + "\n```"


def _seen_from(analysis: Analysis, found: Occurrence) -> Sighting | None:
    """Return what was seen of the call or stage that begins with a name."""
    symbol = found.symbol
    if symbol is not None and symbol.kind not in ("layer", "model", "loss", "metric", "label"):
        return None
    here = [
        each
        for each in analysis.sightings.in_file(found.span.source.name)
        if each.span.start == found.span.start and each.shape_text is not None
    ]
    if symbol is not None and symbol.kind == "label":
        here = [
            each
            for each in analysis.sightings.in_file(found.span.source.name)
            if each.paths and _labels(each, found)
        ]
    return max(here, key=lambda each: each.span.end, default=None)


def _labels(seen: Sighting, label: Occurrence) -> bool:
    between = seen.span.source.text[seen.span.end : label.span.start]
    return seen.span.end < label.span.start and between.split() == ["as"]


def _weights(analysis: Analysis, paths: list[str]) -> str:
    """Say what parameters the uses at a place have, and what memory they take."""
    weights = {each.path: each for survey in analysis.surveys.values() for each in survey.weights}
    rows = []
    for path in paths:
        inside = [each for each in weights.values() if each.path.startswith(f"{path}/")]
        learned = [each for each in inside if each.is_parameter]
        if learned:
            total = sum(count(each.shape) for each in learned)
            frozen = ", frozen" if all(each.frozen for each in learned) else ""
            size = f"{total:,} parameters, {size_text(total * _BYTES)}{frozen}"
            rows.append(f"`{path}`: {size} ({_listed(learned, path)})")
    more = [f"… {len(rows) - _MOST_PATHS} more"] if len(rows) > _MOST_PATHS else []
    return "  \n".join([*rows[:_MOST_PATHS], *more])


def _listed(weights: list[Weight], path: str) -> str:
    shown = [f"`{each.path.removeprefix(path + '/')}` {list(each.shape)}" for each in weights[:6]]
    return ", ".join([*shown, *(["…"] if len(weights) > 6 else [])])


# ---- data ---------------------------------------------------------------------------------------


def _schema(analysis: Analysis, name: str) -> str:
    """Say what fields and rows a data block has."""
    schema = next((each for each in analysis.schemas.values() if each.name == name), None)
    if schema is None:
        return ""
    rows = ", ".join(f"{part} {count:,}" for part, count in schema.rows.items() if count)
    fields = [
        f"- `{each.name}` {list(each.shape)}, {each.kind}"
        + (f" of {len(each.classes)} classes" if each.classes else "")
        + (", the target" if each.target else "")
        for each in schema.fields
    ]
    return "\n".join([f"rows: {rows}", "", *fields])
