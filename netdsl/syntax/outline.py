"""The definitions of a text that is known to be right, found without parsing it: the library's."""

import re
from collections.abc import Iterator
from typing import Final

from netdsl.diagnostics import Source
from netdsl.lazy_dataclass import dataclass
from netdsl.syntax import tables, tree
from netdsl.syntax.builder import Builder
from netdsl.syntax.words import DEFINITIONS

# The formatter lets declarations, and nothing else but comments and closing brackets, begin a line.
_HEAD: Final = re.compile(rf"^(?:{'|'.join(DEFINITIONS)})[ ]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Heading:
    """Where a definition stands, by its name."""

    name: str
    source: Source
    start: int
    end: int

    def read(self) -> tree.Definition:
        """Return the definition. Its places are those of the whole text."""
        builder = Builder(self.source, self.start)
        text = self.source.text[self.start : self.end]
        (definition,) = builder.build(tables.parser().parse(text)).declarations
        assert isinstance(definition, tree.Definition), f"{self.source.name}: {self.name} is no definition"
        assert not builder.diagnostics, f"{self.source.name}: {self.name} does not parse"
        return definition


def outline(source: Source) -> Iterator[Heading]:
    """Yield the definitions of a text in the formatter's layout, which has them begin a line."""
    heads = list(_HEAD.finditer(source.text))
    ends = [*(each.start() for each in heads[1:]), len(source.text)]
    for head, end in zip(heads, ends, strict=True):
        yield Heading(head[1], source, head.start(), end)
