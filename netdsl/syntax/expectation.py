"""What could be written at a place in a text, whatever is wrong elsewhere in it."""

from typing import Final

from lark.exceptions import UnexpectedInput
from lark.lexer import PatternStr

from netdsl.lazy_dataclass import dataclass
from netdsl.syntax import tables
from netdsl.syntax.limits import TooMuch
from netdsl.syntax.reading import Reading, read
from netdsl.syntax.scan import Piece
from netdsl.syntax.words import SECTIONS

_WRITTEN: Final = {"_ARROW": "->", "_ELSE": "else"}
"""What tokens are written as that are no plain texts in the grammar."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the parser accepts at the end of a text.

    `tokens` are the names of the tokens, empty where the statement is wrong already. `line` is the first
    piece of the statement that is open, None where a new one begins; `keyword` opens the declaration around
    it, None at the top; `body` tells whether the place is in its braces.
    """

    reading: Reading
    tokens: frozenset[str]
    line: int | None
    keyword: Piece | None
    body: bool

    @property
    def keywords(self) -> list[str]:
        """Return the keywords and signs of more than one character that are accepted."""
        return sorted(text for token in self.tokens if (text := _texts().get(token)) is not None)

    @property
    def value(self) -> bool:
        """Tell whether a value could stand here."""
        return {"NUMBER", "LPAR"} <= self.tokens

    @property
    def name(self) -> bool:
        """Tell whether a name could stand here."""
        return "NAME" in self.tokens


def expectation(text: str) -> Expectation:
    """Return what could be written at the end of a text."""
    reading = read(text)
    opened = [
        each.opener for each in reading.faults if each.body and each.at is None and each.opener is not None
    ]
    last = reading.lines[-1] if reading.lines else None
    line = last.first if last and not last.head and last.end == len(reading.pieces) else None
    opener = max(opened, default=None)
    first = line if opener is None else reading.declaration_at(opener)
    keyword = None if first is None else reading.pieces[first]
    written = "" if line is None else text[reading.pieces[line].start :]
    tokens = _accepted(_head(text, reading, opener), written, keyword)
    return Expectation(reading, tokens, line, keyword, opener is not None)


def _head(text: str, reading: Reading, opener: int | None) -> str | None:
    """Return the text of a declaration up to the brace that its body begins with; None at the top."""
    if opener is None:
        return None
    first = reading.declaration_at(opener)
    return text[reading.pieces[first].start : reading.pieces[opener].end]


def _accepted(head: str | None, written: str, keyword: Piece | None) -> frozenset[str]:
    if head is None:
        return _after(written) or frozenset()
    found = _after(f"{head}\n{written}")
    if found is None:  # what is wrong may be the head
        plain = "train {" if keyword and keyword.text in SECTIONS else "layer _ {"
        found = _after(f"{plain}\n{written}")
    return found or frozenset()


def _after(text: str) -> frozenset[str] | None:
    """Return the tokens that the parser accepts behind a text; None if it does not get there."""
    parsing = tables.parser().parse_interactive(text)
    try:
        for token in parsing.iter_parse():
            if token.type == "_NL" and not token.value and (token.start_pos or 0) >= len(text.rstrip()):
                break  # the newline that the end of the file stands for
        return frozenset(parsing.accepts())  # type: ignore[no-untyped-call]
    except (UnexpectedInput, TooMuch):
        return None


def _texts() -> dict[str, str]:
    """Return how tokens are written: keywords, and signs of two characters."""
    plain = {
        each.name: each.pattern.value
        for each in tables.parser().terminals
        if isinstance(each.pattern, PatternStr)
    }
    return {**{name: text for name, text in plain.items() if text.isalpha()}, **_WRITTEN, "_RETURN": "return"}
