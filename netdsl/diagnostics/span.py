"""Where something stands in a text that a user wrote."""

from netdsl.lazy_dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """A text with the name that messages call it by (a path as the user gave it)."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters of a source: offsets, lines and columns follow from it."""

    source: Source = field(repr=False, compare=False)
    start: int
    end: int

    @property
    def line(self) -> int:
        """Return the line the span begins in, from 1."""
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Return the column the span begins in, from 1, in characters."""
        return self.start - (self.source.text.rfind("\n", 0, self.start) + 1) + 1

    @property
    def text(self) -> str:
        """Return the characters covered."""
        return self.source.text[self.start : self.end]

    def to(self, other: "Span") -> "Span":
        """Return the span from the start of this one to the end of the other."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"
