"""The files of an experiment: the main one, what it imports, and the library; and which name means what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final, TypeAlias

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label, Source, Span
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.resources import resource_names, resource_text
from netdsl.semantics.problems import MistakeError, Problems, mistake
from netdsl.syntax import Salvage, attempt, outline, parse, tree

MOST_FILES: Final = 100

Declared: TypeAlias = tree.Param | tree.Definition | tree.Section

Read = Callable[[str, str], Source]
"""read(path as written, name of the importing file) -> the text."""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One file's declarations by name, and the modules it can see.

    `opened` are the imports without an alias; `again` are definitions whose name another one has already;
    `library` is None in the library itself. `owner` tells which
    module a name of the library's merged namespace belongs to.
    """

    name: str
    declarations: Mapping[str, tree.Param | tree.Definition | tree.Section]
    sections: tuple[tree.Section, ...] = ()
    again: tuple[tree.Definition, ...] = ()
    aliases: dict[str, Module] = field(default_factory=dict)
    opened: list[tuple[tree.Import, Module]] = field(default_factory=list)
    library: Module | None = None

    @property
    def is_library(self) -> bool:
        """Tell whether this is the library that comes with netdsl."""
        return self.library is None

    def visible(self) -> Iterator[str]:
        """Yield every name that can be referred to without an alias."""
        yield from self.declarations
        for _, module in self.opened:
            yield from module.declarations
        if self.library:
            yield from self.library.declarations


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A declaration with the module whose names its body sees."""

    declaration: tree.Param | tree.Definition | tree.Section
    module: Module


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """Everything that was read: the main file, all user modules (the main one first), the library.

    `salvage` is there where the main file could not be read whole: what stands in `file` is the rest, which
    is looked through for mistakes, and nothing else. `doubled` tells of names that are declared twice.
    """

    main: Module
    file: tree.File
    modules: tuple[Module, ...]
    library: Module
    salvage: Salvage | None = None
    doubled: tuple[Diagnostic, ...] = ()


def load_files(main: Source, read: Read) -> Files:
    """Parse a file, what it imports, and the library.

    Names are looked up in the file itself, then in its imports, then in the library; so a file may declare
    a name that the library has, and means its own by it.

    Errors: DiagnosticError with every mistake of imports. Mistakes of syntax in the main file and names that
    are declared twice are told by `plan_data`, together with those in what could be read.
    """
    problems = Problems()
    library = _library()
    loader = _Loader(read, library, problems)
    salvage = attempt(main)
    module = loader.load(salvage.file, ())
    if problems.has_errors:
        for each in (*salvage.diagnostics, *loader.doubled):
            problems.tell(each)
    problems.stop_if_any()
    damaged = salvage if salvage.diagnostics else None
    modules = tuple(loader.modules.values())
    return Files(module, salvage.file, modules, library, damaged, tuple(loader.doubled))


def find(module: Module, name: str, span: Span) -> Found | None:
    """Return the declaration that a name means in a module. Raises MistakeError where it could mean two."""
    if name in module.declarations:
        return Found(module.declarations[name], module)
    hits = [(each, opened) for each, opened in module.opened if name in opened.declarations]
    if len({id(opened) for _, opened in hits}) > 1:
        raise mistake(
            "E0104",
            f"`{name}` could mean two things",
            span,
            "two imports declare it",
            secondary=[Label(opened.declarations[name].span, "declared here") for _, opened in hits],
            help='import one of them with a name of its own: `import "…" as m`, and write `m.' + name + "`",
        )
    if hits:
        return Found(hits[0][1].declarations[name], hits[0][1])
    if module.library and name in module.library.declarations:
        return Found(module.library.declarations[name], module.library)
    return None


@cache
def _library() -> Module:
    declarations: dict[str, Callable[[], tree.Definition]] = {}
    for name in resource_names("library", ".net"):
        source = Source(f"library/{name}", resource_text(f"library/{name}"))
        for each in outline(source):
            assert each.name not in declarations, f"{source.name}: {each.name} is declared twice"
            declarations[each.name] = each.read
    return Module("library", Declarations(declarations))


class Declarations(Mapping[str, tree.Definition]):
    """The definitions of the library by name, each parsed when it is first asked for.

    All of them take 90 ms to parse, a third of what `netdsl check` takes; a network asks for a few.
    """

    def __init__(self, readers: Mapping[str, Callable[[], tree.Definition]]) -> None:
        self._readers = readers
        self._read: dict[str, tree.Definition] = {}

    def __getitem__(self, name: str) -> tree.Definition:
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._readers

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


class _Loader:
    def __init__(self, read: Read, library: Module, problems: Problems) -> None:
        self.read = read
        self.library = library
        self.problems = problems
        self.modules: dict[str, Module] = {}
        self.doubled: list[Diagnostic] = []

    def load(self, file: tree.File, importing: tuple[tree.Import, ...]) -> Module:
        module = Module(
            file.source.name,
            names := _declared(file, self.doubled),
            tuple(each for each in file.declarations if isinstance(each, tree.Section)),
            _again(file, names),
            library=self.library,
        )
        self.modules[file.source.name] = module
        for each in file.declarations:
            if isinstance(each, tree.Import):
                with self.problems.statement():
                    self._link(module, each, importing)
        return module

    def _link(self, module: Module, each: tree.Import, importing: tuple[tree.Import, ...]) -> None:
        imported = self._open(module, each, importing)
        if each.alias is None:
            module.opened.append((each, imported))
        elif each.alias.text in module.aliases or each.alias.text in module.declarations:
            raise mistake(
                "E0102", f"`{each.alias.text}` is declared twice", each.alias.span, "declared again"
            )
        else:
            module.aliases[each.alias.text] = imported

    def _open(self, module: Module, each: tree.Import, importing: tuple[tree.Import, ...]) -> Module:
        source = self._read(module, each)
        chain = (*importing, each)
        if any(step.span.source.name == source.name for step in chain):
            raise _cycle(source, chain)
        if source.name in self.modules:
            return self.modules[source.name]
        if len(self.modules) >= MOST_FILES:
            raise mistake(
                "E0405", f"more than {MOST_FILES} files are imported", each.path.span, "one too many"
            )
        try:
            parsed = parse(source)
        except DiagnosticError as error:
            for diagnostic in error.diagnostics:
                self.problems.tell(diagnostic)
            return Module(source.name, {}, library=self.library)
        return self.load(parsed, chain)

    def _read(self, module: Module, each: tree.Import) -> Source:
        """Read what is imported; where that fails, the import is shown."""
        try:
            return self.read(each.path.value, module.name)
        except DiagnosticError as error:
            place = Label(each.path.span, "imported here")
            raise MistakeError(replace(error.diagnostics[0], primary=place)) from error


def _cycle(source: Source, chain: tuple[tree.Import, ...]) -> MistakeError:
    names = [step.span.source.name for step in chain]
    start = names.index(source.name)
    return mistake(
        "E0106",
        "files import each other in a circle: " + " -> ".join([*names[start:], source.name]),
        chain[-1].path.span,
        "closes the circle",
        secondary=[Label(step.path.span, "imported here") for step in chain[start:-1]],
        help="move what both need into a third file",
    )


def _declared(file: tree.File, doubled: list[Diagnostic]) -> dict[str, Declared]:
    names: dict[str, Declared] = {}
    for each in _named(file.declarations):
        assert each.name is not None
        first = names.setdefault(each.name.text, each)
        if first is not each:
            assert first.name is not None
            doubled.append(
                mistake(
                    "E0102",
                    f"`{each.name.text}` is declared twice",
                    each.name.span,
                    "declared again",
                    secondary=[Label(first.name.span, "declared here")],
                    help="give one of them another name",
                ).diagnostic
            )
    return names


def _again(file: tree.File, names: Mapping[str, Declared]) -> tuple[tree.Definition, ...]:
    """Return the definitions that lost their name to an earlier declaration: their bodies are checked too."""
    definitions = (each for each in file.declarations if isinstance(each, tree.Definition))
    return tuple(each for each in definitions if names[each.name.text] is not each)


def _named(declarations: Iterable[tree.Declaration]) -> Iterator[Declared]:
    for each in declarations:
        if not isinstance(each, tree.Import) and each.name is not None:
            yield each
