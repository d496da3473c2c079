"""Writes the overrides of the command line into the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.diagnostics import Source, Span
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.semantics.files import Files, Module
from netdsl.semantics.overrides import is_called, positional_names
from netdsl.syntax import parse, tree


@dataclass(frozen=True, slots=True)
class Edit:
    """A place of the main file and the text that comes there; an empty place is where something is added."""

    start: int
    end: int
    text: str


def resolved_text(files: Files, overrides: Mapping[str, str]) -> str:
    """Return the `.net` file with the overrides written into it: alone it gives the same experiment.

    The overrides must be ones that `elaborate` takes.
    """
    text = files.file.source.text
    for name, value in overrides.items():
        edit = _edit(name, value, files, text)
        text = text[: edit.start] + edit.text + text[edit.end :]
        files = _reread(files, text)
    return text


def _reread(files: Files, text: str) -> Files:
    """Return the files with the main one read again, so that the next edit finds its place."""
    parsed = parse(Source(files.file.source.name, text))
    sections = tuple(each for each in parsed.declarations if isinstance(each, tree.Section))
    return replace(files, file=parsed, main=replace(files.main, sections=sections))


def _edit(name: str, value: str, files: Files, text: str) -> Edit:
    for each in files.file.declarations:
        if isinstance(each, tree.Param) and each.name.text == name:
            return _replacing(each.default.span, value)
    block, *path = name.split(".")
    sections = list(files.main.sections)
    section = next(each for each in sections if is_called(each, block, sections))
    field = next((each for each in section.fields if each.name.text == path[0]), None)
    if field is None:
        return _added_field(section, path[0], value, text)
    return _inside(field.value, path[1:], value, files.main)


def _replacing(span: Span, text: str) -> Edit:
    return Edit(span.start, span.end, text)


def _added_field(section: tree.Section, name: str, value: str, text: str) -> Edit:
    brace = text.rindex("}", section.span.start, section.span.end)
    line = text.rfind("\n", 0, brace) + 1
    if text[line:brace].strip():
        return Edit(brace, brace, f"\n    {name} = {value}\n")
    return Edit(line, line, f"    {name} = {value}\n")


def _inside(expr: tree.Expr, path: Sequence[str], value: str, module: Module) -> Edit:
    """Return the edit of an argument or a part of a field."""
    if not path:
        return _replacing(expr.span, value)
    match expr:
        case tree.Group(value=inner):
            return _inside(inner, path, value, module)
        case tree.Path(span=span):
            return Edit(span.end, span.end, f"({path[0]}={value})")
        case tree.Call(named=named, positional=positional, span=span):
            names = positional_names(expr, module)
            if path[0] in names:
                return _inside(positional[names.index(path[0])], path[1:], value, module)
            given, empty = named, not named and not positional
        case tree.Record(fields=fields, span=span):
            given, empty = fields, not fields
        case _:
            raise AssertionError(f"{expr.span}: nothing to override inside")
    for each in given:
        if each.name.text == path[0]:
            return _inside(each.value, path[1:], value, module)
    end = span.end - 1
    return Edit(end, end, f"{path[0]}={value}" if empty else f", {path[0]}={value}")
