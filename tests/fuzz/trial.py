"""One text through everything that reads a file: parser, formatter, names and shapes, messages, an editor."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from netdsl.data import open_data
from netdsl.diagnostics import Diagnostic, DiagnosticError, Source, render, to_github, to_json
from netdsl.lsp.analysis import Request, analyze
from netdsl.lsp.completion import completions
from netdsl.lsp.hints import shapes
from netdsl.lsp.schemas import Schemas
from netdsl.run.reading import decoded
from netdsl.semantics import load_files, plan_data, survey
from netdsl.semantics.experiment import DataPlan
from netdsl.semantics.schema import Schema
from netdsl.syntax import attempt, format_file, parse
from tests.fuzz.corpus import corpus
from tests.fuzz.generation import derived, network
from tests.fuzz.mutation import mutated

KINDS = {"mutated": mutated, "derived": derived, "network": network}
IN_AN_EDITOR = 0.1
"""How many texts are also looked at as an editor does."""


def text_of(seed: int, index: int) -> tuple[str, str]:
    """Return a text and how it was made; the same for the same numbers."""
    draws = Random(f"{seed}/{index}")
    kind = draws.choices(list(KINDS), (6, 1, 3))[0]
    return kind, KINDS[kind](draws)


def tried(text: str, seed: int, index: int) -> str:
    """Put a text through everything, and return what became of it: how far it came.

    Raises whatever goes wrong: a bug, unless it is a DiagnosticError, which is told as messages here.
    """
    source = decoded("fuzz.net", text.encode("utf-8", "replace"))
    salvage = attempt(source)
    _messages(salvage.diagnostics)
    if not salvage.diagnostics:
        _formatted(source)
    draws = Random(f"{seed}/{index}/place")
    if draws.random() < IN_AN_EDITOR:
        _edited(source.text, draws.randrange(len(source.text) + 1))
    return _checked(source)


def _messages(diagnostics: tuple[Diagnostic, ...]) -> None:
    assert all(each.code and each.message for each in diagnostics)
    render(diagnostics)
    for each in diagnostics:
        to_json(each)
        to_github(each)


def _formatted(source: Source) -> None:
    file = parse(source)
    text = format_file(file)
    again = parse(Source(source.name, text))
    assert again == file, "the formatter changes what a file says"
    assert format_file(again) == text, "the formatter is not idempotent"


def _checked(source: Source) -> str:
    try:
        files = load_files(source, _read)
        plan = plan_data(files, {}, None)
    except DiagnosticError as error:
        _messages(error.diagnostics)
        return "mistakes"
    schema = None if plan is None else _schema(plan)
    found = survey(files, {}, None, schema)
    _messages(found.diagnostics)
    if any(each.is_error for each in found.diagnostics):
        return "mistakes"
    return "sound" if found.experiment is not None else "no data"


def _read(path: str, importing: str) -> Source:
    if importing != "fuzz.net":
        return Source(path, "")
    files = corpus().files
    return Source(path, files[sum(map(ord, path)) % len(files)])


_known: dict[str, Schema | None] = {}


def _schema(plan: DataPlan) -> Schema | None:
    """Return the schema of data that comes with netdsl; None of any other."""
    key = repr((plan.source.name, plan.source.positional, plan.source.named, plan.split and plan.split.sizes))
    if plan.source.name not in ("digits", "moons", "mnist", "blobs", "circles", "spirals"):
        return None
    if key not in _known:
        if len(_known) > 500:
            _known.clear()
        try:
            _known[key] = open_data(_small(plan), folder=Path("/nowhere"), offline=True).schema
        except DiagnosticError as error:
            _messages(error.diagnostics)
            _known[key] = None
    schema = _known[key]
    return None if schema is None else replace(schema, span=plan.span)


def _small(plan: DataPlan) -> DataPlan:
    """Return a plan of few rows: how long drawing many takes is not asked here."""
    named: Mapping[str, object] = plan.source.named
    rows = named.get("n")
    if isinstance(rows, int) and rows > 10_000:
        return replace(plan, source=replace(plan.source, named={**named, "n": 10_000}))
    return plan


@cache
def _schemas() -> Schemas:
    return Schemas(allowed=())


def _edited(text: str, offset: int) -> None:
    request = Request(Path("/nowhere/fuzz.net"), text)
    analysis = analyze(request, _schemas(), lambda: None, lambda: False)
    _messages(analysis.diagnostics)
    list(shapes(analysis))
    completions(analysis, text, offset)
