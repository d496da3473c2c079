"""Places as an editor counts them: lines from 0, and columns in units of an encoding, mostly UTF-16."""

import re
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate

from lsprotocol import types

from netdsl.diagnostics import Source, Span

_LINE_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """Turns offsets of a text into positions and back."""

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self.text = text
        self.encoding = encoding
        ends = [(match.start(), match.end()) for match in _LINE_END.finditer(text)]
        self._starts = [0, *(end for _, end in ends)]
        self._ends = [*(start for start, _ in ends), len(text)]

    def position(self, offset: int) -> types.Position:
        """Return the position of an offset; one between the two characters of a line's end is its end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset) - 1
        before = self.text[self._starts[line] : min(offset, self._ends[line])]
        return types.Position(line, width(before, self.encoding))

    def offset(self, position: types.Position) -> int:
        """Return the offset of a position; what lies behind the end of a line or of the text is that end."""
        if position.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[position.line], self._ends[position.line]
        line = self.text[start:end]
        if line.isascii():
            return start + min(position.character, len(line))
        columns = list(accumulate((width(each, self.encoding) for each in line), initial=0))
        # In the middle of a character is before it.
        return start + bisect_right(columns, position.character) - 1

    def range(self, start: int, end: int) -> types.Range:
        """Return the range between two offsets."""
        return types.Range(self.position(start), self.position(end))

    def line_range(self, offset: int) -> types.Range:
        """Return the range of the line that an offset stands in, without its end."""
        line = bisect_right(self._starts, max(0, min(offset, len(self.text)))) - 1
        return self.range(self._starts[line], self._ends[line])


def width(text: str, encoding: str) -> int:
    """Return how many units a text has in an encoding."""
    if text.isascii():
        return len(text)
    match encoding:
        case "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        case "utf-32":
            return len(text)
        case _:
            return len(text) + sum(each > "\uffff" for each in text)


@lru_cache(maxsize=64)
def _lines(text: str, encoding: str) -> Lines:
    return Lines(text, encoding)


def lines_of(source: Source, encoding: str) -> Lines:
    """Return the lines of a source."""
    return _lines(source.text, encoding)


def range_of(span: Span, encoding: str) -> types.Range:
    """Return the range of a span."""
    return lines_of(span.source, encoding).range(span.start, span.end)
