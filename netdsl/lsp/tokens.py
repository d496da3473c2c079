"""What kind of thing each name of a file is, for its color."""

from __future__ import annotations

from typing import Final

from lsprotocol import types

from netdsl.lsp.analysis import Analysis
from netdsl.lsp.positions import lines_of, width
from netdsl.lsp.symbols import Occurrence, Symbol

_TYPES: Final = (
    "class",
    "function",
    "method",
    "variable",
    "parameter",
    "property",
    "enumMember",
    "namespace",
)
_MODIFIERS: Final = ("declaration", "defaultLibrary", "readonly")
LEGEND: Final = types.SemanticTokensLegend(list(_TYPES), list(_MODIFIERS))

_OF_SYMBOL: Final = {
    "model": "class",
    "param": "variable",
    "tensor": "parameter",
    "setting": "parameter",
    "extent": "parameter",
    "binding": "variable",
    "state": "variable",
    "each": "variable",
    "label": "property",
    "output": "property",
    "figure": "property",
    "import": "namespace",
    "data": "class",
    "train": "class",
    "search": "class",
    "evaluate": "class",
}
_OF_BUILTIN: Final = {
    "function": "function",
    "source": "function",
    "argument": "parameter",
    "field": "property",
    "word": "enumMember",
    "special": "variable",
    "constant": "variable",
}


def semantic_tokens(analysis: Analysis, _: object, encoding: str) -> types.SemanticTokens:
    """Return the names of a file with their kinds, as differences from one to the next."""
    lines = lines_of(analysis.source, encoding)
    data: list[int] = []
    line = column = 0
    for each in analysis.index.in_file(analysis.source.name):
        if "\n" in each.span.text:
            continue
        start = lines.position(each.span.start)
        kind, modifiers = _kind(each)
        delta = start.line - line
        data += [
            delta,
            start.character - (column if delta == 0 else 0),
            width(each.span.text, encoding),
            _TYPES.index(kind),
            modifiers,
        ]
        line, column = start.line, start.character
    return types.SemanticTokens(data)


def _kind(each: Occurrence) -> tuple[str, int]:
    meaning = each.meaning
    if isinstance(meaning, Symbol):
        kind = _OF_SYMBOL.get(meaning.kind, "function")
        readonly = meaning.kind == "param"
        return kind, each.declares | meaning.library << 1 | readonly << 2
    return _OF_BUILTIN.get(meaning.kind, "variable"), 1 << 1
