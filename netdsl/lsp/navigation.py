"""From a name to its declaration, to all its uses, and to another name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from netdsl.diagnostics import Span
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.positions import lines_of, range_of
from netdsl.lsp.reporting import address_of, location
from netdsl.lsp.symbols import Occurrence, Symbol
from netdsl.syntax import tree


def occurrence_at(analysis: Analysis, position: types.Position, encoding: str) -> Occurrence | None:
    """Return the name at a position."""
    offset = lines_of(analysis.source, encoding).offset(position)
    return analysis.index.at(analysis.source.name, offset)


def definition(
    analysis: Analysis, wanted: types.DefinitionParams, encoding: str
) -> list[types.Location] | None:
    """Return where the name at a position is declared; of an import, the file."""
    uri = wanted.text_document.uri
    found = occurrence_at(analysis, wanted.position, encoding)
    if found is not None and found.symbol is not None:
        place = location(found.symbol.span, analysis, uri, encoding)
        return [place] if place else None
    offset = lines_of(analysis.source, encoding).offset(wanted.position)
    imported = _imported(analysis, offset)
    return None if imported is None else [types.Location(imported, types.Range(_START, _START))]


_START = types.Position(0, 0)


def _imported(analysis: Analysis, offset: int) -> str | None:
    for each in analysis.file.declarations:
        if isinstance(each, tree.Import) and each.path.span.start <= offset <= each.path.span.end:
            found = (analysis.request.path.parent / each.path.value).resolve()
            return address_of(found) if found in analysis.paths.values() else None
    return None


def references(
    analysis: Analysis, wanted: types.ReferenceParams, encoding: str
) -> list[types.Location] | None:
    """Return where the thing at a position is named, in the file and in what it imports."""
    found = occurrence_at(analysis, wanted.position, encoding)
    if found is None or found.symbol is None:
        return None
    declared = wanted.context.include_declaration
    places = [each.span for each in analysis.index.of(found.symbol) if declared or not each.declares]
    if declared and found.symbol.library:
        places.append(found.symbol.span)
    located = (location(each, analysis, wanted.text_document.uri, encoding) for each in places)
    return [each for each in located if each is not None]


def highlights(
    analysis: Analysis, wanted: types.DocumentHighlightParams, encoding: str
) -> list[types.DocumentHighlight] | None:
    """Return where the thing at a position is named in this file."""
    found = occurrence_at(analysis, wanted.position, encoding)
    if found is None:
        return None
    here = (each for each in analysis.index.in_file(analysis.source.name) if each.meaning == found.meaning)
    kinds = types.DocumentHighlightKind
    return [
        types.DocumentHighlight(range_of(each.span, encoding), kinds.Write if each.declares else kinds.Read)
        for each in here
    ]


# ---- the outline --------------------------------------------------------------------------------

_KINDS = {
    "model": types.SymbolKind.Class,
    "param": types.SymbolKind.Constant,
    "data": types.SymbolKind.Struct,
    "train": types.SymbolKind.Event,
    "search": types.SymbolKind.Event,
    "evaluate": types.SymbolKind.Event,
    "import": types.SymbolKind.Module,
}


def outline(analysis: Analysis, _: object, encoding: str) -> list[types.DocumentSymbol]:
    """Return the declarations of a file, with what stands in each."""
    return [_declared(each, encoding) for each in analysis.file.declarations]


def _declared(each: tree.Declaration, encoding: str) -> types.DocumentSymbol:
    match each:
        case tree.Import(path=path):
            return _entry(path.value, "import", each.span, path.span, encoding)
        case tree.Param():
            return _entry(each.name.text, "param", each.span, each.name.span, encoding)
        case tree.Definition():
            inner = [
                _entry(one.name.text, "", one.span, one.name.span, encoding)
                for one in each.body
                if isinstance(one, (tree.Bind, tree.State))
            ]
            return _entry(each.name.text, each.kind, each.span, each.name.span, encoding, inner)
        case tree.Section(name=name):
            fields = [
                _entry(one.name.text, "field", one.span, one.name.span, encoding) for one in each.fields
            ]
            first = Span(each.span.source, each.span.start, each.span.start + len(each.kind))
            title = each.kind if name is None else name.text
            return _entry(title, each.kind, each.span, name.span if name else first, encoding, fields)


def _entry(
    name: str, kind: str, span: Span, chosen: Span, encoding: str, inner: Iterable[types.DocumentSymbol] = ()
) -> types.DocumentSymbol:
    plain = {"": types.SymbolKind.Variable, "field": types.SymbolKind.Field}
    return types.DocumentSymbol(
        name=name or "?",
        kind=plain.get(kind) or _KINDS.get(kind, types.SymbolKind.Function),
        range=range_of(span, encoding),
        selection_range=range_of(chosen, encoding),
        detail=kind if kind != "field" else None,
        children=list(inner),
    )


def foldings(analysis: Analysis, _: object, encoding: str) -> list[types.FoldingRange]:
    """Return what can be folded: declarations over several lines, and comments of several lines."""
    lines = lines_of(analysis.source, encoding)
    found = []
    for each in analysis.file.declarations:
        first, last = lines.position(each.span.start).line, lines.position(each.span.end).line
        if last > first:
            found.append(types.FoldingRange(first, last, kind=types.FoldingRangeKind.Region))
    for first, last in _comments(analysis.source.text):
        found.append(types.FoldingRange(first, last, kind=types.FoldingRangeKind.Comment))
    return found


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of each block of comments."""
    first: int | None = None
    rows = text.split("\n")
    for number, row in enumerate([*rows, ""]):
        if row.lstrip().startswith("#"):
            first = number if first is None else first
        elif first is not None:
            if number - first > 1:
                yield first, number - 1
            first = None


def symbol_at(analysis: Analysis, position: types.Position, encoding: str) -> Symbol | None:
    """Return the declared thing that is named at a position."""
    found = occurrence_at(analysis, position, encoding)
    return found.symbol if found else None
