"""Where the parser stopped: what stands there, before it, around it, and what could go on."""

from functools import cached_property

from netdsl.diagnostics import Source, Span
from netdsl.lazy_dataclass import dataclass
from netdsl.syntax.mistakes.report import quote
from netdsl.syntax.reading import Line, Reading
from netdsl.syntax.scan import Piece
from netdsl.syntax.words import RESERVED, SECTIONS


@dataclass(frozen=True)
class Situation:
    """The piece that does not fit, by its index, and the names of the tokens that would."""

    source: Source
    reading: Reading
    index: int
    accepts: frozenset[str]

    @cached_property
    def found(self) -> Piece | None:
        """Return what does not fit; None at the end of a line, of a body or of the file."""
        pieces = self.reading.pieces
        piece = pieces[self.index] if self.index < len(pieces) else None
        return None if piece and (piece.kind == "newline" or self.ends_body) else piece

    @cached_property
    def ends_body(self) -> bool:
        """Tell whether the body ends here, while something was still to come."""
        pieces = self.reading.pieces
        here = self.index < len(pieces) and pieces[self.index].text == "}"
        return here and self.reading.line_at(self.index).first == self.index

    @cached_property
    def before(self) -> Piece | None:
        """Return the piece before it, across the end of a line."""
        return self._near(range(self.index - 1, -1, -1))

    @cached_property
    def after(self) -> Piece | None:
        """Return the piece after it, across the end of a line."""
        return self._near(range(self.index + 1, len(self.reading.pieces)))

    def _near(self, indices: range) -> Piece | None:
        pieces = self.reading.pieces
        return next((pieces[i] for i in indices if pieces[i].kind != "newline"), None)

    @cached_property
    def line(self) -> Line:
        """Return the statement, field or head that it stands in; the last one at the end of the text."""
        return self.reading.line_at(min(self.index, len(self.reading.pieces)) - self.ends_body)

    @cached_property
    def first(self) -> Piece:
        """Return the piece that the line begins with."""
        return self.reading.pieces[self.line.first]

    @cached_property
    def keyword(self) -> Piece:
        """Return the piece that the declaration begins with."""
        return self.reading.pieces[self.reading.declaration_at(self.line.first)]

    @cached_property
    def at_top(self) -> bool:
        """Tell whether the line is the first of a declaration."""
        return self.first is self.keyword

    @cached_property
    def in_section(self) -> bool:
        """Tell whether the declaration has fields, not statements."""
        return self.keyword.text in SECTIONS

    @cached_property
    def opener(self) -> Piece | None:
        """Return the innermost bracket around it that was opened in this line."""
        around = self.reading.inside[self.index] if self.index < len(self.reading.inside) else -1
        return self.reading.pieces[around] if around >= self.line.first else None

    @cached_property
    def beside(self) -> list[Piece]:
        """Return the pieces of the line before it that stand in the same bracket."""
        inside = self.reading.inside
        around = inside[self.index if self.found else self.line.first]
        return [self.reading.pieces[i] for i in range(self.line.first, self.index) if inside[i] == around]

    def span(self, piece: Piece | None = None) -> Span:
        """Return where a piece stands; without one, what does not fit, or the place where the line ends."""
        piece = piece or self.found
        if piece is not None:
            return Span(self.source, piece.start, piece.end)
        end = min(self.before.end if self.before else 0, len(self.source.text))
        return Span(self.source, end, min(end + 1, len(self.source.text)))

    @cached_property
    def shown(self) -> str:
        """Return how it is called in a message."""
        return quote(self.found.text) if self.found else "the end of the line"

    @cached_property
    def follows_value(self) -> bool:
        """Tell whether what stands before it ends a value."""
        piece = self.before
        if piece is None:
            return False
        named = piece.kind == "word" and (piece.text not in RESERVED or piece.text in ("yes", "no"))
        return named or piece.kind in ("number", "text", "quoted") or piece.text in (")", "]")

    @cached_property
    def wants_value(self) -> bool:
        """Tell whether a value could stand here."""
        return {"NUMBER", "LPAR"} <= self.accepts
