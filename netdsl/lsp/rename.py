"""Another name for a thing, in its file and those that import it, unless that would change what is meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from netdsl.diagnostics import Span
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.navigation import occurrence_at
from netdsl.lsp.positions import range_of
from netdsl.lsp.reporting import address_of
from netdsl.lsp.symbols import Occurrence, Symbol
from netdsl.syntax.words import RESERVED

Look = Callable[[Path, str, Mapping[Path, str]], Awaitable[Analysis]]
"""Analyzes a text in the place of a file, with others in the places of theirs."""

_NAME = re.compile(r"[^\W\d](?:\w|[\u0300-\u036f])*")


class Refusal(JsonRpcInvalidParams):
    """Tell the user why something cannot be renamed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


def prepared(
    analysis: Analysis, wanted: types.PrepareRenameParams, encoding: str
) -> types.PrepareRenamePlaceholder | None:
    """Return the name at a position, if it can be renamed. Raises Refusal where there is a reason why not."""
    found = occurrence_at(analysis, wanted.position, encoding)
    if found is None:
        return None
    _own(found)
    return types.PrepareRenamePlaceholder(range_of(found.span, encoding), found.span.text)


def _own(found: Occurrence) -> Symbol:
    """Return what is meant, if it belongs to the user. Raises Refusal if it does not."""
    symbol = found.symbol
    if symbol is None:
        raise Refusal(f"`{found.span.text}` is a word of the language")
    if symbol.library:
        cure = "copy its definition into a file of your own to change it"
        raise Refusal(f"`{symbol.name}` belongs to the library; {cure}")
    return symbol


def check_name(name: str) -> None:
    """Raise Refusal for a text that can be no name."""
    if not _NAME.fullmatch(name) or not unicodedata.is_normalized("NFC", name):
        raise Refusal(f"`{name[:40]}` is no name: letters, digits and `_`, no digit first")
    if name in RESERVED:
        raise Refusal(f"`{name}` is a word of the language, and names nothing")


async def renamed(
    analysis: Analysis,
    others: Iterable[Analysis],
    wanted: types.RenameParams,
    encoding: str,
    look: Look,
) -> types.WorkspaceEdit | None:
    """Return the edits that rename the thing at a position.

    `others` are analyses of the files that may import this one. The new texts are looked at: where a name
    would come to mean something else, or a mistake would be made, nothing is renamed.
    Errors: Refusal, with the reason.
    """
    found = occurrence_at(analysis, wanted.position, encoding)
    if found is None:
        raise Refusal("there is no name here that could be changed")
    symbol, name = _own(found), wanted.new_name.strip()
    check_name(name)
    if name == symbol.name:
        return types.WorkspaceEdit(changes={})
    home = analysis.paths[symbol.span.source.name]
    places: dict[Path, list[Span]] = {}
    looked = [analysis, *others]
    for each in looked:
        for span in _occurrences(each, home, symbol):
            path = each.paths[span.source.name]
            if span not in places.setdefault(path, []):
                places[path].append(span)
    await _check(looked, places, name, symbol, home, look)
    changes = {
        address_of(path): [types.TextEdit(range_of(span, encoding), name) for span in spans]
        for path, spans in places.items()
    }
    return types.WorkspaceEdit(changes=dict(changes))


def _occurrences(analysis: Analysis, home: Path, symbol: Symbol) -> list[Span]:
    """Return where an analysis finds a symbol of a file; each analysis has symbols of its own."""
    same = {
        id(each.meaning): each.meaning
        for found in analysis.index.files.values()
        for each in found
        if isinstance(each.meaning, Symbol)
        and not each.meaning.library
        and each.meaning.span.start == symbol.span.start
        and analysis.paths.get(each.meaning.span.source.name) == home
    }
    return [each.span for meaning in same.values() for each in analysis.index.of(meaning)]


# ---- whether it means the same ------------------------------------------------------------------


async def _check(
    looked: list[Analysis], places: dict[Path, list[Span]], name: str, symbol: Symbol, home: Path, look: Look
) -> None:
    """Raise Refusal where a text would mean something else with the new name."""
    for before in looked:
        path = before.request.path
        if not places.keys() & set(before.paths.values()):
            continue
        texts = {each: _replaced(spans, name) for each, spans in places.items()}
        after = await look(path, texts.get(path, before.request.text), texts)
        _check_mistakes(before, after, name)
        if _meanings(before, places, name) != _meanings(after, {}, name):
            raise Refusal(f"with the name `{name}` something else would be meant in `{path.name}`")


def _replaced(spans: list[Span], name: str) -> str:
    text = spans[0].source.text
    for span in sorted(spans, key=lambda each: each.start, reverse=True):
        text = text[: span.start] + name + text[span.end :]
    return text


def _check_mistakes(before: Analysis, after: Analysis, name: str) -> None:
    old = [each.code for each in before.diagnostics if each.is_error]
    for each in after.diagnostics:
        if each.is_error and each.code in old:
            old.remove(each.code)
        elif each.is_error:
            raise Refusal(f"`{name}` cannot be the name: {each.message}")


def _meanings(
    analysis: Analysis, places: dict[Path, list[Span]], name: str
) -> list[tuple[str, int, str, int]]:
    """Return what each name means, by places as they will be when `places` have the new name."""
    found = []
    for file, occurrences in sorted(analysis.index.files.items()):
        for each in occurrences:
            meaning = each.meaning
            if isinstance(meaning, Symbol):
                source, start = meaning.span.source.name, meaning.span.start
                target = (source, _moved(analysis, source, start, places, name))
            else:
                target = (f"{meaning.kind} {meaning.name}", 0)
            found.append((file, _moved(analysis, file, each.span.start, places, name), *target))
    return found


def _moved(analysis: Analysis, file: str, offset: int, places: dict[Path, list[Span]], name: str) -> int:
    spans = places.get(analysis.paths.get(file, Path()), [])
    return offset + sum(len(name) - (each.end - each.start) for each in spans if each.start < offset)
