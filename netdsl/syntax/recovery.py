"""Going on behind a mistake, so that all mistakes of a text are told in one run.

A declaration that does not parse is parsed again with the statement that is at fault blanked out, until it
parses or nothing is left of it. Blanks keep everything else in its place, so that all spans stay true.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from lark import Token
from lark.exceptions import UnexpectedInput, UnexpectedToken

from netdsl.diagnostics import Diagnostic, Severity, Source, suggest
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.syntax import tables, tree
from netdsl.syntax.builder import Builder
from netdsl.syntax.limits import TooMuch
from netdsl.syntax.mistakes.brackets import bracket_mistake
from netdsl.syntax.mistakes.situation import Situation
from netdsl.syntax.mistakes.spelling import closed, misspelled
from netdsl.syntax.mistakes.unexpected import unexpected
from netdsl.syntax.reading import Fault, Line, Reading, read
from netdsl.syntax.words import DECLARATIONS, SECTIONS

# More than this nobody reads in one go.
_MOST: Final = 50
# How many characters are parsed again at most, in all.
_WORK: Final = 2**19


@dataclass(frozen=True, slots=True)
class Salvage:
    """What could be read of a text, every mistake, and the words in the heads of what could not be read.

    A name among `lost` is probably declared, only not in a form that can be read. `damaged` is what is left
    of declarations without the lines that are wrong: something to look at, and not what was meant.
    """

    file: tree.File
    diagnostics: tuple[Diagnostic, ...]
    lost: frozenset[str]
    damaged: tuple[tree.Declaration, ...] = ()

    def independent(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Return, of mistakes found in what could be read, those that do not come of what could not be."""
        return tuple(each for each in found if not self._follows(each))

    def _follows(self, diagnostic: Diagnostic) -> bool:
        """Tell whether a diagnostic may only be there because something was lost; warnings always may."""
        if diagnostic.severity is not Severity.ERROR or diagnostic.primary is None:
            return True
        place = diagnostic.primary.span.text
        return place in self.lost or any(f"`{name}`" in diagnostic.message for name in self.lost)


@dataclass(slots=True)
class _Draft:
    """The text with blanks where mistakes were, and what was found in it so far."""

    source: Source
    reading: Reading
    characters: list[str]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    blanked: set[int] = field(default_factory=set)
    """The first pieces of the lines that were blanked out."""
    closers: dict[int, int] = field(default_factory=dict)
    """How many braces a declaration lacks at its end, by its first piece."""
    lost: set[str] = field(default_factory=set)
    damaged: list[tree.Declaration] = field(default_factory=list)
    work: int = _WORK

    def blank(self, line: Line) -> bool:
        """Blank a line out, but the brace that closes a body; return whether anything was there."""
        if line.first in self.blanked:
            return False
        self.blanked.add(line.first)
        pieces = self.reading.pieces
        if line.head and line.depth:
            # A body inside of a body is none: it goes as a whole.
            line = replace(line, end=self.reading.body_end(line), head=False)
        start, end = pieces[line.first].start, pieces[line.end - 1].end
        start += pieces[line.first].text == "}"
        kept = [each if each == "\n" else " " for each in self.characters[start:end]]
        if line.head and kept:
            # As many characters as before: every place in the text is counted from its beginning.
            section = (
                pieces[line.first].text in SECTIONS
                or suggest(pieces[line.first].text, DECLARATIONS) in SECTIONS
            )
            head = "train" if section else "layer _"
            room = min(len(head), len(kept) - 1)
            kept[:room] = head[:room]
            kept[-1] = "{"
        self.characters[start:end] = kept
        return True


def salvage(source: Source, text: str, known: tuple[Diagnostic, ...] = ()) -> Salvage:
    """Return what can be read of a source, and every mistake found in it, with those that are known.

    `text` is the source's without hidden characters, everything in the same place.
    """
    draft = _Draft(source, read(text), list(text), list(known))
    for index, diagnostic in islice(misspelled(source, draft.reading.pieces), _MOST):
        draft.diagnostics.append(diagnostic)
        draft.blank(draft.reading.line_at(index))
    for fault in draft.reading.faults[:_MOST]:
        _set_aside(draft, fault)
    declarations = [
        each for first, end in draft.reading.declarations for each in _declared(draft, first, end)
    ]
    if not draft.diagnostics:
        _attempt(draft, text, 0)  # each declaration parses, only not one after the other
    diagnostics = sorted(draft.diagnostics, key=place)
    file = tree.File(source, tuple(declarations))
    return Salvage(file, tuple(diagnostics), frozenset(draft.lost), tuple(draft.damaged))


def place(diagnostic: Diagnostic) -> int:
    """Return where a diagnostic stands in its source, to put them in order."""
    return diagnostic.primary.span.start if diagnostic.primary else 0


def _set_aside(draft: _Draft, fault: Fault) -> None:
    """Tell of a bracket without a partner, and make the text fit without it."""
    reading = draft.reading
    if not _excused(draft, fault):
        draft.diagnostics.append(bracket_mistake(draft.source, reading, fault))
    if fault.opener is not None and fault.body:
        first = reading.declaration_at(fault.opener)
        draft.closers[first] = draft.closers.get(first, 0) + 1
    elif fault.opener is not None:
        draft.blank(reading.line_at(fault.opener))
    elif fault.at is not None:
        draft.characters[reading.pieces[fault.at].start] = " "


def _excused(draft: _Draft, fault: Fault) -> bool:
    """Tell whether what is told already may be the cause: an open text, another bracket before it."""
    line = draft.reading.line_at(fault.line)
    hidden = any(not closed(piece) for piece in draft.reading.pieces[line.first : line.end])
    return hidden or (fault.opener is None and line.first in draft.blanked)


def _declared(draft: _Draft, first: int, end: int) -> tuple[tree.Declaration, ...]:
    """Return a declaration if it parses as it stands; else tell all its mistakes, and return nothing."""
    pieces = draft.reading.pieces
    start, stop = pieces[first].start, pieces[end - 1].end
    intact = not any(first <= line < end for line in draft.blanked) and first not in draft.closers
    while draft.work > 0 and len(draft.diagnostics) < _MOST:
        draft.work -= stop - start
        text = "".join(draft.characters[start:stop]) + "\n}" * draft.closers.get(first, 0)
        found = _attempt(draft, text, start)
        if intact and isinstance(found, tuple):
            return found
        intact = False
        if isinstance(found, tuple) and first not in draft.blanked:
            draft.damaged += found
        if isinstance(found, tuple) or (found.first == first and not found.head) or not draft.blank(found):
            break
    head = pieces[first : draft.reading.line_at(first).end]
    draft.lost.update(piece.text for piece in head if piece.kind == "word")
    return ()


def _attempt(draft: _Draft, text: str, start: int) -> tuple[tree.Declaration, ...] | Line:
    """Return the declarations of a text that begins at `start`, or the line that is at fault."""
    builder = Builder(draft.source, start)
    try:
        declarations = builder.build(tables.parser().parse(text)).declarations
    except TooMuch as much:
        much.offset += start
        draft.diagnostics.append(much.told(draft.source))
        return draft.reading.line_at(draft.reading.piece_at(much.offset))
    except UnexpectedInput as error:
        index = draft.reading.piece_at(start + _offset(error))
        situation = Situation(draft.source, draft.reading, index, _accepts(error))
        draft.diagnostics.append(unexpected(situation))
        return situation.line
    draft.diagnostics += builder.diagnostics
    draft.lost |= builder.lost
    return declarations


def _offset(error: UnexpectedInput) -> int:
    """Return where the token that does not fit stands; `->` and `else` take in what is before them."""
    match error:
        case UnexpectedToken(token=Token(type="_ARROW", end_pos=int(end))):
            return end - len("->")
        case UnexpectedToken(token=Token(type="_ELSE", end_pos=int(end))):
            return end - len("else")
    return error.pos_in_stream or 0


def _accepts(error: UnexpectedInput) -> frozenset[str]:
    parser = error.interactive_parser
    return frozenset(parser.accepts()) if parser else frozenset()  # type: ignore[no-untyped-call]
