"""What the names of a file stand for: each place where a name is written, and the declaration it means."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field
from netdsl.syntax import tree

Declared: TypeAlias = (
    tree.Definition
    | tree.Param
    | tree.Section
    | tree.Import
    | tree.Setting
    | tree.Tensor
    | tree.Bind
    | tree.State
    | tree.Stage
    | tree.Chain
    | tree.Named
    | tree.Repeat
)


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """A name that a file declares.

    `kind` is the word of the declaration (`layer`, `param`, `train`), or one of `import tensor extent setting
    binding state label output figure each`; `owner` is the definition in whose body or signature it stands.
    """

    name: str
    kind: str
    span: Span
    declaration: Declared
    owner: tree.Definition | None = None
    library: bool = False


@dataclass(frozen=True, slots=True)
class Builtin:
    """A name that belongs to the language.

    `kind` is one of function, argument, constant, special, word, source, field.
    """

    name: str
    kind: str
    of: str = ""
    """The function that an argument belongs to, the kind of block of a field."""


@dataclass(frozen=True, slots=True, eq=False)
class Occurrence:
    """A place where a name is written, and what it means there."""

    span: Span
    meaning: Symbol | Builtin
    declares: bool = False

    @property
    def symbol(self) -> Symbol | None:
        """Return the declared thing that is meant, if it is one."""
        return self.meaning if isinstance(self.meaning, Symbol) else None


@dataclass(slots=True)
class Index:
    """All occurrences of names in some files, by file and place."""

    files: dict[str, list[Occurrence]] = field(default_factory=lambda: defaultdict(list))

    def add(self, occurrence: Occurrence) -> None:
        """Add an occurrence."""
        self.files[occurrence.span.source.name].append(occurrence)

    def sort(self) -> None:
        """Put all occurrences in the order of their files; to be called once, after the last one."""
        for name, found in self.files.items():
            once = {(each.span.start, each.span.end): each for each in reversed(found)}
            self.files[name] = sorted(once.values(), key=lambda each: each.span.start)

    def at(self, file: str, offset: int) -> Occurrence | None:
        """Return the occurrence that an offset stands in, or right behind."""
        found = self.files.get(file, [])
        index = bisect_right(found, offset, key=lambda each: each.span.start) - 1
        here = found[index] if index >= 0 else None
        return here if here and here.span.start <= offset <= here.span.end else None

    def of(self, symbol: Symbol) -> Iterator[Occurrence]:
        """Yield the occurrences of a symbol in all files."""
        for found in self.files.values():
            yield from (each for each in found if each.meaning is symbol)

    def in_file(self, file: str) -> Iterable[Occurrence]:
        """Return the occurrences in a file, in order."""
        return self.files.get(file, [])
