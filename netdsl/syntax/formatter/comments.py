"""The comments of a source, which stand in no tree, taken one after the other."""

import re
from collections.abc import Iterator
from typing import Final

from netdsl.diagnostics import Source
from netdsl.lazy_dataclass import dataclass

_COMMENT: Final = re.compile(r'"[^"\n]*"?|#[^\n]*')


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, and whether it stands in a line of its own."""

    text: str
    start: int
    end: int
    alone: bool


class Comments:
    """The comments of a source, in order; each is handed out once."""

    def __init__(self, source: Source) -> None:
        self._text = source.text
        self._rest = list(_comments(source.text))[::-1]

    def before(self, offset: int) -> Iterator[Comment]:
        """Yield the comments that begin before an offset, and were not handed out yet."""
        while self._rest and self._rest[-1].start < offset:
            yield self._rest.pop()

    def beside(self, start: int, end: int) -> Comment | None:
        """Return the next comment, if it begins before `end` in the line where `start` is."""
        following = self._rest[-1] if self._rest else None
        if following is None or following.start >= end or "\n" in self._text[start : following.start]:
            return None
        return self._rest.pop()

    def after(self, sign: str, offset: int) -> int:
        """Return the place behind the next sign that stands in no comment; else the offset itself."""
        for match in re.compile(rf"#[^\n]*|{re.escape(sign)}").finditer(self._text, offset):
            if match[0] == sign:
                return match.end()
        return offset

    def blank_between(self, start: int, end: int) -> bool:
        """Tell whether an empty line stands between two places."""
        return self._text.count("\n", start, end) > 1


def _comments(text: str) -> Iterator[Comment]:
    for match in _COMMENT.finditer(text):
        if match[0].startswith("#"):
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            yield Comment(match[0].rstrip(), match.start(), match.end(), not line.strip(" \t\ufeff"))
