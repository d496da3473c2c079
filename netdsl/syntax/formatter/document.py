"""Text with places where it may be broken into lines (Wadler's pretty printer, in Lindig's strict form).

Source: P. Wadler, A prettier printer, 2003; C. Lindig, Strictly pretty, 2000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from netdsl.lazy_dataclass import dataclass

STEP: Final = 4


@dataclass(frozen=True, slots=True)
class Break:
    """A newline where the group around it is broken, else `flat`."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Newline:
    """A newline in any case: every group around it is broken."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A text that only stands where the group around it is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Documents that stand in one line if they fit; else their own breaks are newlines, `step` deeper."""

    parts: tuple[Document, ...]
    step: int
    whole: bool
    """Whether it is laid out as one, apart from the group around it."""
    forced: bool
    """Whether a newline stands in it."""


Document: TypeAlias = str | Break | Newline | Broken | Group


def group(*parts: Document) -> Group:
    """Return documents that are broken together, or not at all."""
    return Group(parts, 0, whole=True, forced=_forced(parts))


def indented(*parts: Document) -> Group:
    """Return documents that are broken with the group around them, and indented then."""
    return Group(parts, STEP, whole=False, forced=_forced(parts))


def _forced(parts: Sequence[Document]) -> bool:
    return any(isinstance(each, Newline) or (isinstance(each, Group) and each.forced) for each in parts)


def write(document: Document, width: int) -> str:
    """Return the text of a document, in lines of that width where it can be broken so."""
    writer = _Writer(width)
    writer.write(document)
    return "".join(writer.text)


@dataclass(frozen=True, slots=True)
class _Part:
    document: Document
    indent: int
    flat: bool


class _Writer:
    def __init__(self, width: int) -> None:
        self.width = width
        self.column = 0
        self.text: list[str] = []

    def write(self, document: Document) -> None:
        rest = [_Part(document, 0, flat=False)]
        while rest:
            part = rest.pop()
            match part.document:
                case str(text):
                    self._put(text)
                case Break(text) if part.flat:
                    self._put(text)
                case Break() | Newline():
                    self._next_line(part.indent)
                case Broken(text):
                    self._put("" if part.flat else text)
                case Group() as each:
                    flat = part.flat or (each.whole and not each.forced and self._fits(each, rest))
                    inside = [_Part(inner, part.indent + each.step, flat) for inner in each.parts]
                    rest += reversed(inside)

    def _put(self, text: str) -> None:
        self.text.append(text)
        self.column += len(text)

    def _next_line(self, indent: int) -> None:
        if self.text:
            self.text[-1] = self.text[-1].rstrip(" ")
        self.text.append("\n" + " " * indent)
        self.column = indent

    def _fits(self, document: Group, rest: Sequence[_Part]) -> bool:
        """Tell whether a group, with what follows up to the next newline, fits into the line."""
        room = self.width - self.column
        for text in _line(document, rest):
            room -= len(text)
            if room < 0:
                return False
        return True


def _line(document: Group, rest: Sequence[_Part]) -> Iterator[str]:
    """Yield the texts up to the first newline, the document itself being in one line."""
    behind = reversed(rest)
    stack: list[tuple[Document, bool]] = [(document, True)]
    while True:
        if not stack:
            part = next(behind, None)
            if part is None:
                return
            stack.append((part.document, part.flat))
        each, flat = stack.pop()
        match each:
            case str(text):
                yield text
            case Break(text) if flat:
                yield text
            case Break() | Newline():
                return
            case Broken(text):
                yield "" if flat else text
            case Group(parts):
                stack += [(inner, flat) for inner in reversed(parts)]
