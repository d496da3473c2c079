"""Shapes beside the text: what each stage of a chain gives, and what each name is bound to."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from netdsl.diagnostics import Span
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.chains import steps_of
from netdsl.lsp.positions import lines_of
from netdsl.syntax import tree


def inlay_hints(analysis: Analysis, wanted: types.InlayHintParams, encoding: str) -> list[types.InlayHint]:
    """Return the shapes to be shown in a range."""
    lines = lines_of(analysis.source, encoding)
    start, end = lines.offset(wanted.range.start), lines.offset(wanted.range.end)
    return [
        types.InlayHint(
            lines.position(span.end),
            text,
            types.InlayHintKind.Type,
            tooltip="the shape of one example",
            padding_left=True,
        )
        for span, text in sorted(shapes(analysis), key=lambda each: each[0].end)
        if start <= span.end <= end
    ]


def shapes(analysis: Analysis) -> Iterator[tuple[Span, str]]:
    """Yield the places behind which a shape is shown: heads and stages of chains, and bound formulas."""
    for step in steps_of(analysis.file):
        seen = analysis.sightings.at(step.span)
        if seen is not None and seen.shape_text is not None:
            yield step.whole, seen.shape_text
    for each in analysis.file.declarations:
        for statement in each.body if isinstance(each, tree.Definition) else ():
            if isinstance(statement, tree.Bind) and not isinstance(statement.value, tree.Chain):
                seen = analysis.sightings.at(statement.name.span)
                if seen is not None and seen.shape_text is not None:
                    yield statement.name.span, seen.shape_text
