"""How the pieces of a text hang together: brackets, statements, declarations, even where they are wrong."""

from bisect import bisect_right
from typing import Final

from netdsl.lazy_dataclass import dataclass, field
from netdsl.syntax.limits import NESTING
from netdsl.syntax.scan import Piece, pieces
from netdsl.syntax.words import DECLARATIONS

OPENER: Final = {")": "(", "]": "[", "}": "{"}
CLOSER: Final = {"(": ")", "[": "]", "{": "}"}
# A newline after one of these ends nothing, as in layout.py.
CONTINUES: Final = frozenset(
    "= := , -> { then in else and or not .. + - * / @ ^ == != <= >= < >".split()  # noqa: SIM905 - easier to read
)


@dataclass(frozen=True, slots=True)
class Line:
    """A statement, field, or the head of a body, as pieces `first` up to `end`, in so many bodies."""

    first: int
    end: int
    head: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A bracket without a partner: `opener` was never closed when `at` came, or `at` closes nothing.

    `line` is the piece that the opener's statement begins with; `body` tells the brace of a body.
    """

    opener: int | None
    at: int | None
    line: int
    body: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    index: int
    line: int
    body: bool


@dataclass(slots=True)
class Reading:
    """The pieces of a text, with the bracket each stands in, the lines, the declarations and the faults."""

    text: str
    pieces: list[Piece]
    whole: bool
    """Whether the pieces are all; of a text beyond the limits they are only the first."""
    inside: list[int] = field(default_factory=list)
    """For each piece the innermost bracket around it, -1 at the top."""
    lines: list[Line] = field(default_factory=list)
    declarations: list[tuple[int, int]] = field(default_factory=list)
    """The first piece of each declaration, and one past its last."""
    faults: list[Fault] = field(default_factory=list)

    def piece_at(self, offset: int) -> int:
        """Return the first piece that ends behind an offset; the number of pieces at the end of the text."""
        return bisect_right(self.pieces, offset, key=lambda piece: piece.end)

    def declaration_at(self, index: int) -> int:
        """Return the first piece of the declaration that a piece stands in, or of the one before it."""
        return self.declarations[max(0, bisect_right(self.declarations, (index, len(self.pieces))) - 1)][0]

    def body_end(self, head: Line) -> int:
        """Return the piece after the brace that closes the body of a head; the text's end if none does."""
        behind = bisect_right(self.lines, head.first, key=lambda line: line.first)
        lines = (each for each in self.lines[behind:] if each.depth <= head.depth)
        line = next(lines, None)
        return line.first + (self.pieces[line.first].text == "}") if line else len(self.pieces)

    def line_at(self, index: int) -> Line:
        """Return the line that a piece stands in, or the one before it."""
        return self.lines[max(0, bisect_right(self.lines, index, key=lambda line: line.first) - 1)]


def read(text: str) -> Reading:
    """Return how a text hangs together."""
    found, whole = pieces(text)
    reader = _Reader(Reading(text, found, whole))
    for index in range(len(found)):
        if len(reader.stack) > 2 * NESTING:
            del found[index:]  # what is behind so many open brackets cannot be told apart
            reader.reading.whole = False
            break
        reader.take(index)
    reader.finish()
    return reader.reading


class _Reader:
    """Goes through the pieces once, with a stack of open brackets."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.pieces = reading.pieces
        self.stack: list[_Open] = []
        self.line: int | None = None
        self.declaration: int | None = None
        self.last: Piece | None = None

    def take(self, index: int) -> None:
        piece = self.pieces[index]
        if self.stack and self._opens_declaration(index):
            self._give_up(index)
        elif self.stack and not self.stack[-1].body and self._opens_statement(index):
            self._close_statement(index)
        self.reading.inside.append(self.stack[-1].index if self.stack else -1)
        if piece.kind == "newline":
            self._newline(index)
            return
        self.line = index if self.line is None else self.line
        self.declaration = index if self.declaration is None else self.declaration
        if piece.kind == "open":
            self._open(index)
        elif piece.kind == "close":
            self._close(index)
        self.last = piece

    def finish(self) -> None:
        end = len(self.pieces)
        if self.reading.whole:
            self._unclosed(self.stack, None)
        self.stack = []
        self._end_line(end)
        self._end_declaration(end)

    def _opens_declaration(self, index: int) -> bool:
        """Tell whether a declaration surely begins here, though a bracket is open."""
        piece = self.pieces[index]
        if piece.text not in DECLARATIONS or self.reading.text[piece.start - 1] != "\n":
            return False
        follows = self.pieces[index + 1] if index + 1 < len(self.pieces) else None
        return follows is not None and (follows.kind in ("word", "text") or follows.text == "{")

    def _opens_statement(self, index: int) -> bool:
        """Tell whether a statement surely begins here, as far left as the one with the open bracket."""
        piece, before = self.pieces[index], self.pieces[index - 1]
        if piece.kind != "word" or before.kind != "newline" or self.last is None:
            return False
        follows = self.pieces[index + 1].text if index + 1 < len(self.pieces) else ""
        opened = self.pieces[self.stack[-1].line]
        complete = self.last.text not in CONTINUES and self.last.kind != "open"
        opens = piece.text == "return" or (follows in ("=", ":=") and complete)
        return opens and self._column(piece) <= self._column(opened)

    def _column(self, piece: Piece) -> int:
        return piece.start - self.reading.text.rfind("\n", 0, piece.start)

    def _close_statement(self, index: int) -> None:
        while self.stack and not self.stack[-1].body:
            self._unclosed([self.stack.pop()], index)
        self.last = None
        self._end_line(index)

    def _give_up(self, index: int) -> None:
        self._unclosed(self.stack, index)
        self.stack, self.last = [], None
        self._end_line(index)
        self._end_declaration(index)

    def _newline(self, index: int) -> None:
        joined = bool(self.stack) and not self.stack[-1].body
        if joined or self.line is None or (self.last and self.last.text in CONTINUES):
            return
        follows = index + 1
        while follows < len(self.pieces) and self.pieces[follows].kind == "newline":
            follows += 1
        if follows == len(self.pieces) or self.pieces[follows].text not in ("->", "else"):
            self._end_line(index)
            # What is indented still belongs to the line above, whatever it is.
            indented = follows < len(self.pieces) and self._column(self.pieces[follows]) > 1
            if not self.stack and not indented:
                self._end_declaration(index)

    def _open(self, index: int) -> None:
        assert self.line is not None
        body = self.pieces[index].text == "{" and not self._repeats(index)
        if body:
            while self.stack and not self.stack[-1].body:
                self._unclosed([self.stack.pop()], index)
        self.stack.append(_Open(index, self.line, body))
        if body:
            self._end_line(index + 1, head=True)

    def _repeats(self, index: int) -> bool:
        """Tell whether a brace is that of a `repeat`, and not of a body."""
        assert self.line is not None
        before = (each.text for each in reversed(self.pieces[self.line : index]))
        return next((each == "repeat" for each in before if each in ("repeat", "{", "}")), False)

    def _close(self, index: int) -> None:
        wanted = OPENER[self.pieces[index].text]
        match self._partner(wanted):
            case None:
                assert self.line is not None
                self.reading.faults.append(Fault(None, index, self.line))
            case depth:
                self._unclosed(self.stack[depth + 1 :], index)
                if self.stack[depth].body:
                    self._end_line(index)
                    self.line = index
                del self.stack[depth:]

    def _partner(self, wanted: str) -> int | None:
        """Return the place in the stack of what is closed; `)` and `]` stay inside of a body."""
        for depth in reversed(range(len(self.stack))):
            if self.pieces[self.stack[depth].index].text == wanted:
                return depth
            if self.stack[depth].body:
                return None
        return None

    def _unclosed(self, opened: list[_Open], at: int | None) -> None:
        self.reading.faults += [Fault(each.index, at, each.line, each.body) for each in opened]

    def _end_line(self, end: int, *, head: bool = False) -> None:
        if self.line is not None and self.line < end:
            depth = sum(each.body for each in self.stack) - head
            self.reading.lines.append(Line(self.line, end, head, depth))
        self.line = None

    def _end_declaration(self, end: int) -> None:
        if self.declaration is not None:
            self.reading.declarations.append((self.declaration, end))
        self.declaration = None
