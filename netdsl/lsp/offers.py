"""What can be written, as an editor shows it: declarations, functions, and what blocks speak of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lsprotocol import types

from netdsl.lazy_dataclass import dataclass
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.documentation import teaching
from netdsl.lsp.parts import outputs_of
from netdsl.semantics.files import Module
from netdsl.semantics.functions import Function
from netdsl.semantics.parts import parts_of
from netdsl.semantics.signatures import signature
from netdsl.semantics.unmade import called_metrics
from netdsl.syntax import tree
from netdsl.syntax.words import DEFINITIONS, SECTIONS

Kind = types.CompletionItemKind

_KINDS: Final = {
    **dict.fromkeys(DEFINITIONS, Kind.Function),
    **dict.fromkeys(SECTIONS, Kind.Struct),
    "model": Kind.Class,
    "param": Kind.Constant,
}


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be written. `rank` orders offers: what belongs here most has the lowest."""

    name: str
    kind: types.CompletionItemKind
    rank: int
    detail: str = ""
    text: str = ""
    insert: str | None = None


def kind_of(each: tree.Param | tree.Definition | tree.Section) -> str:
    """Return the kind of a declaration, as its keyword calls it."""
    return "param" if isinstance(each, tree.Param) else each.kind


def declared(name: str, each: tree.Param | tree.Definition | tree.Section, rank: int) -> Offer:
    """Return the offer of a declaration."""
    detail = signature(each) if isinstance(each, tree.Definition) else each.span.text.split("\n")[0]
    return Offer(name, _KINDS.get(kind_of(each), Kind.Value), rank, detail, teaching(each.span))


def function(each: Function, rank: int) -> Offer:
    """Return the offer of a function of the language."""
    return Offer(each.name, Kind.Function, rank, each.usage, "a function of the language")


# ---- what only blocks speak of ------------------------------------------------------------------


def sources() -> Iterator[Offer]:
    """Yield the sources of data that netdsl has."""
    from netdsl.data.sources import source_names

    for name in source_names():
        yield Offer(name, Kind.Function, 1, "a source of data", "", f"{name}(")


def parts(analysis: Analysis) -> Iterator[Offer]:
    """Yield the parts of the models, as their weights are called."""
    for survey in analysis.surveys.values():
        paths = [each.path for each in survey.weights]
        for model in dict.fromkeys(path.split("/")[0] for path in paths):
            for part in parts_of(paths, model):
                written = f'"{part}"' if "/" in part else part
                yield Offer(written, Kind.Property, 1 + part.count("/"), f"a part of {model}")


def compared(analysis: Analysis, module: Module | None) -> Iterator[Offer]:
    """Yield the outputs of the models and the fields of the data."""
    for each in module.declarations.values() if module else ():
        if isinstance(each, tree.Definition) and each.kind == "model":
            for name in [named.name.text for named in outputs_of(each)] or [each.name.text]:
                yield Offer(name, Kind.Variable, 2, f"an output of {each.name.text}")
    for schema in analysis.schemas.values():
        for field in schema.fields:
            yield Offer(field.name, Kind.Variable, 2, f"a field of {schema.name}")


def figures() -> Iterator[Offer]:
    """Yield what figures a training has: those of its parts."""
    for part in ("valid", "train"):
        yield Offer(part, Kind.Variable, 1, f"{part}.loss and other figures", "", f"{part}.")


def metrics(module: Module | None) -> set[str]:
    """Return the names of the metrics that a file's trainings ask for."""
    trains = [each for each in module.sections if each.kind == "train"] if module else []
    asked = [field.value for each in trains for field in each.fields if field.name.text == "metrics"]
    return {name for each in asked for name in called_metrics(each)}
