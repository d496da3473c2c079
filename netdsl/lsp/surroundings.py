"""Where in a text something is being written: in which block, field, call and argument."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.lazy_dataclass import dataclass
from netdsl.syntax.expectation import Expectation, expectation
from netdsl.syntax.scan import Piece, pieces
from netdsl.syntax.words import SECTIONS


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a place.

    `word` is what is written of a name so far, `before` the piece before it. `field` is the field of a block
    whose value this is. `callee` are the names joined by points before the bracket that is open, `given` the
    arguments in it that have names, `argument` the one whose value this is, `path` the names and points right
    before the place: `m.`.
    """

    expected: Expectation
    word: str
    line: tuple[Piece, ...]
    field: str | None
    callee: tuple[str, ...]
    given: tuple[str, ...]
    argument: str | None
    path: tuple[str, ...]
    text: str | None
    """The text in quotes that is being written."""

    @property
    def kind(self) -> str | None:
        """Return the word that the declaration begins with."""
        return self.expected.keyword.text if self.expected.keyword else None

    @property
    def in_section(self) -> bool:
        """Tell whether this is the body of a block, which has fields."""
        return self.expected.body and self.kind in SECTIONS

    @property
    def before(self) -> str | None:
        """Return what stands before the word."""
        return self.line[-1].text if self.line else None

    @property
    def starts_line(self) -> bool:
        """Tell whether a statement, field or declaration begins here."""
        return not self.line


def surroundings(text: str, offset: int) -> Surroundings:
    """Return what stands around an offset of a text."""
    head = text[:offset]
    found, _ = pieces(head[head.rfind("\n") + 1 :])
    last = found[-1] if found else None
    start = head.rfind("\n") + 1
    ends_here = last is not None and start + last.end == len(head)
    written = last.text if last and ends_here and last.kind in ("word", "text") else ""
    quoted = (
        written[1:] if written.startswith('"') and (len(written) == 1 or not written.endswith('"')) else None
    )
    word = written if quoted is not None or not written.startswith('"') else ""
    expected = expectation(head[: len(head) - len(word)])
    reading = expected.reading
    line = () if expected.line is None else tuple(reading.pieces[expected.line :])
    line = tuple(each for each in line if each.kind != "newline")
    names = [each.text for each in line[:2]]
    bracket = list(_open_bracket(line))
    return Surroundings(
        expected,
        word,
        line,
        names[0] if len(names) == 2 and names[1] == "=" else None,
        _callee(line, bracket[0] if bracket else None),
        tuple(_named(line, bracket[0] + 1)) if bracket else (),
        _argument(line, bracket[0] + 1) if bracket else None,
        _path(line, len(line)),
        quoted,
    )


def _open_bracket(line: tuple[Piece, ...]) -> Iterator[int]:
    """Yield the brackets that are open at the end of a line, the innermost first."""
    depth = 0
    for index in reversed(range(len(line))):
        if line[index].kind == "close":
            depth += 1
        elif line[index].kind == "open":
            depth -= 1
            if depth < 0:
                yield index
                depth = 0


def _callee(line: tuple[Piece, ...], bracket: int | None) -> tuple[str, ...]:
    if bracket is None or line[bracket].text != "(" or bracket == 0 or line[bracket - 1].kind != "word":
        return ()
    return (*_path(line, bracket - 1), line[bracket - 1].text)


def _path(line: tuple[Piece, ...], end: int) -> tuple[str, ...]:
    """Return the names that stand before an index, each with a point behind it."""
    names: list[str] = []
    while end > 1 and line[end - 1].text == "." and line[end - 2].kind == "word":
        names.insert(0, line[end - 2].text)
        end -= 2
    return tuple(names)


def _named(line: tuple[Piece, ...], start: int) -> Iterator[str]:
    """Yield the names before `=` in the bracket that opens before `start`."""
    depth = 0
    for index in range(start, len(line)):
        depth += (line[index].kind == "open") - (line[index].kind == "close")
        if depth == 0 and line[index].text == "=" and line[index - 1].kind == "word":
            yield line[index - 1].text


def _argument(line: tuple[Piece, ...], start: int) -> str | None:
    """Return the name of the argument that is being written at the end of a line."""
    depth, found = 0, None
    for index in range(start, len(line)):
        depth += (line[index].kind == "open") - (line[index].kind == "close")
        if depth == 0 and line[index].text in (",", ";"):
            found = None
        elif depth == 0 and line[index].text == "=" and line[index - 1].kind == "word":
            found = line[index - 1].text
    return found
