"""The text of a kernel while it is written: parameters, nested blocks of lines, and what is known in each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from netdsl.lazy_dataclass import dataclass, field
from netdsl.program import Count, count_of

INDENT: Final = "    "


@dataclass(slots=True)
class Block:
    """Lines at one depth of nesting, and the variables that are set there: by what they are the value of."""

    header: str = ""
    lines: list[str] = field(default_factory=list)
    known: dict[object, str] = field(default_factory=dict)

    def copy(self) -> Block:
        """Return a copy to come back to."""
        return Block(self.header, list(self.lines), dict(self.known))


@dataclass(slots=True)
class NestedText:
    """Collects a kernel. `blocks` are the open ones, outermost first; `arguments` has what a launch passes
    for each parameter."""

    blocks: list[Block] = field(default_factory=lambda: [Block()])
    arguments: dict[str, Count] = field(default_factory=dict)
    variables: int = 0

    def parameter(self, name: str, argument: Count | int) -> str:
        """Return the name of a parameter, which is added unless it is there."""
        self.arguments.setdefault(name, count_of(argument))
        return name

    def line(self, text: str, depth: int = -1) -> None:
        """Add a line to an open block."""
        self.blocks[depth].lines.append(text)

    def lines(self, texts: Iterable[str]) -> None:
        """Add lines to the innermost block."""
        self.blocks[-1].lines.extend(texts)

    def open(self, header: str) -> int:
        """Open a block; return its depth."""
        self.blocks.append(Block(header))
        return len(self.blocks) - 1

    def close(self) -> None:
        """Close the innermost block, which joins the lines of the one around it."""
        block = self.blocks.pop()
        self.lines([block.header, *(INDENT + line for line in block.lines or ["pass"])])

    def close_to(self, depth: int) -> None:
        """Close blocks until so many are open."""
        while len(self.blocks) > depth:
            self.close()

    def variable(self, stem: str) -> str:
        """Return a new name that tells what it is the value of."""
        self.variables += 1
        return f"{stem}_{self.variables}"
