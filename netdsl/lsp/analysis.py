"""All that is known of one text: its tree, what its names mean, its mistakes, its shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from netdsl.diagnostics import Diagnostic, DiagnosticError, Severity, Source
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.lsp.resolution import resolve
from netdsl.lsp.schemas import Schemas, Told
from netdsl.lsp.sightings import Sightings
from netdsl.lsp.symbols import Index
from netdsl.run.reading import Reader
from netdsl.semantics import Files, Survey, data_wanted, load_files, survey
from netdsl.semantics.schema import Schema
from netdsl.syntax import attempt, tree

_MOST_TRAININGS: Final = 8
_NO_DATA_HERE: Final = frozenset({"E0525"})


@dataclass(frozen=True, slots=True)
class Request:
    """A text to look at: its place, and the texts of other open files, which stand for what is on disk."""

    path: Path
    text: str
    others: Mapping[Path, str] = field(default_factory=dict)
    allowed: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What was found of a text.

    `paths` are the places of the user's files by their names; `trees` what could be read of them. In `files`
    declarations with mistakes of syntax stand without the lines that are wrong; it is None where imports go
    so wrong that names mean nothing. `readable` tells that there were no such mistakes, `pending` that data
    is still being read.
    """

    request: Request
    source: Source
    files: Files | None
    trees: Mapping[str, tree.File]
    paths: Mapping[str, Path]
    index: Index
    sightings: Sightings
    surveys: Mapping[str | None, Survey]
    schemas: Mapping[str | None, Schema]
    diagnostics: tuple[Diagnostic, ...]
    readable: bool = False
    pending: bool = False

    @property
    def file(self) -> tree.File:
        """Return the tree of the text itself, as far as it could be read."""
        return self.trees[self.source.name]


class _Reader(Reader):
    """Reads files as the editor has them; to the lenient one a file that cannot be read is empty."""

    def __init__(self, request: Request, lenience: int) -> None:
        super().__init__(request.path, request.allowed, request.text)
        self._others = request.others
        self._lenience = lenience
        self._count = 0
        self.paths = {str(request.path): request.path}

    def __call__(self, path: str, importing: str) -> Source:
        if self._lenience > 1:
            return self._empty(path)
        try:
            return super().__call__(path, importing)
        except DiagnosticError:
            if not self._lenience:
                raise
            return self._empty(path)

    def source(self, name: str, path: Path) -> Source:
        self.paths[name] = path
        other = self._others.get(path)
        source = Source(name, other) if other is not None else super().source(name, path)
        return self._empty(name) if self._lenience and attempt(source).diagnostics else source

    def _empty(self, name: str) -> Source:
        self._count += 1
        return Source(f"{name}#{self._count}", "")


def analyze(
    request: Request, schemas: Schemas, ready: Callable[[], None], superseded: Callable[[], bool]
) -> Analysis:
    """Return all that is known of a text.

    `ready` is called when data that was not there in time is there. Raises SupersededError as soon as
    `superseded` says that nobody waits for it.
    """
    files, reader, failed = _loaded(request)
    sightings = Sightings(superseded)
    source = Source(str(request.path), request.text)
    if files is None:
        trees = {source.name: tree.File(source, ())}
        return Analysis(request, source, None, trees, reader.paths, Index(), sightings, {}, {}, failed)
    mended = _mended(files)
    surveys: dict[str | None, Survey] = {}
    found: dict[str | None, Schema] = {}
    told: list[Diagnostic] = []
    pending = False
    for name in [] if failed else _trainings(mended):
        plan = data_wanted(mended, {}, name)
        data = Told() if plan is None else schemas.get(plan, request.path.parent, ready)
        surveys[name] = survey(mended, {}, name, data.schema, sightings)
        pending |= data.pending
        if data.schema is not None:
            found[name] = data.schema
        if mended is files:
            told += [*map(_about_data, data.diagnostics), *surveys[name].diagnostics]
        else:
            told += survey(files, {}, name, None).diagnostics
    trees = _trees(mended, reader)
    return Analysis(
        request,
        files.file.source,
        mended,
        trees,
        reader.paths,
        resolve(mended, trees),
        sightings,
        surveys,
        found,
        tuple(_once([*failed, *_fitting(told, files)])),
        files.salvage is None,
        pending,
    )


def _loaded(request: Request) -> tuple[Files | None, _Reader, tuple[Diagnostic, ...]]:
    """Return the files, read more leniently each time they cannot be, and what was wrong the first time."""
    failed: tuple[Diagnostic, ...] = ()
    for lenience in range(3):
        reader = _Reader(request, lenience)
        try:
            return load_files(reader.main(), reader), reader, failed
        except DiagnosticError as error:
            failed = failed or error.diagnostics
    return None, reader, failed


def _mended(files: Files) -> Files:
    """Return files with what is left of the declarations that could not be read whole."""
    damaged = files.salvage.damaged if files.salvage else ()
    if files.salvage is None:
        return files
    every = sorted((*files.file.declarations, *damaged), key=lambda each: each.span.start)
    sections = tuple(each for each in every if isinstance(each, tree.Section))
    named = [each for each in damaged if not isinstance(each, tree.Import)]
    declarations = {each.name.text: each for each in named if each.name is not None}
    declarations |= files.main.declarations
    main = replace(files.main, declarations=declarations, sections=sections)
    file = replace(files.file, declarations=tuple(every))
    return replace(files, main=main, file=file, modules=(main, *files.modules[1:]), salvage=None)


def _trees(files: Files, reader: _Reader) -> dict[str, tree.File]:
    trees = {files.main.name: files.file}
    for module in files.modules[1:]:
        text = reader.texts.get(module.name, "")
        # The declarations are made anew, so only their places are compared with those of the module.
        trees[module.name] = attempt(Source(module.name, text)).file
    return trees


def _trainings(files: Files) -> list[str | None]:
    """Return the names of the trainings; None where there is one without a name, or none at all."""
    trains = [each for each in files.main.sections if each.kind == "train"]
    names = list(dict.fromkeys(each.name.text for each in trains if each.name))
    if len(trains) > 1 and names:
        return [*names[:_MOST_TRAININGS]]
    return [None]


def _about_data(diagnostic: Diagnostic) -> Diagnostic:
    """Return what is told of data: that it is not on this machine is no mistake in the file."""
    if diagnostic.code not in _NO_DATA_HERE:
        return diagnostic
    help = "shapes that hang on it are checked when it is here: `netdsl train` downloads it"
    return replace(diagnostic, severity=Severity.NOTE, help=help)


def _fitting(told: list[Diagnostic], files: Files) -> Iterator[Diagnostic]:
    """Yield what is told, less severely where a file may be meant to be imported and not to be run."""
    to_run = any(each.kind != "model" for each in files.main.sections) or any(
        isinstance(each, tree.Definition) and each.kind == "model"
        for each in files.main.declarations.values()
    )
    for each in told:
        if each.code != "E0601" or each.primary is not None:
            yield each
        elif to_run:
            yield replace(each, severity=Severity.NOTE)


def _once(told: list[Diagnostic]) -> Iterator[Diagnostic]:
    seen = set()
    for each in told:
        span = each.primary.span if each.primary else None
        key = (each.code, each.message, span and (span.source.name, span.start, span.end))
        if key not in seen:
            seen.add(key)
            yield each
