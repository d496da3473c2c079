"""How a line of a user's text is shown on a terminal, and in which column each character stands."""

import unicodedata
from collections.abc import Sequence
from itertools import accumulate

_TAB = 4
_WIDTH = 140
_BEFORE = 40


def printable(text: str) -> str:
    """Return a text with what could steer a terminal or hide from the eye written as `<U+202E>`."""
    return text if text.isascii() and text.isprintable() else "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if character == "\t":
        return " " * _TAB
    # Control, format (bidirectional, zero-width), lone surrogates, private use, line separators.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return f"<U+{ord(character):04X}>"
    return character


def _width(shown: str) -> int:
    if len(shown) > 1:
        return len(shown)
    if unicodedata.combining(shown):
        return 0
    return 2 if unicodedata.east_asian_width(shown) in "WF" else 1


class Cells:
    """A line as it is shown: `column(i)` is where its i-th character starts."""

    def __init__(self, text: str) -> None:
        self._pieces = [_shown(each) for each in text]
        self._starts = [0, *accumulate(_width(each) for each in self._pieces)]

    def column(self, offset: int) -> int:
        """Return the column of a character; what lies behind the line's end stands right after it."""
        return self._starts[max(0, min(offset, len(self._pieces)))]

    def window(self, marked: Sequence[int]) -> tuple[str, int]:
        """Return the line, or of a very long one the part around the marks, and how far it moved left."""
        if self._starts[-1] <= _WIDTH:
            return "".join(self._pieces), 0
        left = max(0, min(marked, default=0) - _BEFORE)
        kept = [i for i, start in enumerate(self._starts[:-1]) if left <= start < left + _WIDTH]
        text = "".join(self._pieces[i] for i in kept) + ("…" if kept[-1] < len(self._pieces) - 1 else "")
        return (text, 0) if kept[0] == 0 else ("…" + text, self._starts[kept[0]] - 1)
