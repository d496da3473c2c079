"""The text of a kernel while it is written: parameters, nested blocks of lines, and what is known in each."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from netdsl.lazy_dataclass import dataclass, field
from netdsl.program import Count, Kernel, count_of, symbol

DIRECT = 11
"""Arguments that a launch passes; further ones lie in memory, behind the last of these."""

INDENT = "    "

INDEPENDENT = "independent()"
"""Stands first in a loop whose iterations touch no memory that another one writes."""


@dataclass(slots=True)
class Block:
    """Lines at one depth of nesting, and the variables that were set there: by what they are the value of."""

    header: str = ""
    lines: list[str] = field(default_factory=list)
    known: dict[object, str] = field(default_factory=dict)

    def copy(self) -> Block:
        """Return a copy to come back to."""
        return Block(self.header, list(self.lines), dict(self.known))


@dataclass(slots=True)
class KernelText:
    """Collects a kernel. `blocks` are the open ones, outermost first."""

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
        self.lines([block.header, *(INDENT + line for line in block.lines)])

    def variable(self, stem: str) -> str:
        """Return a new name that tells what it is the value of."""
        self.variables += 1
        return f"{stem}_{self.variables}"

    def finish(self, stem: str, about: tuple[str, ...]) -> Kernel:
        """Return the kernel; equal texts have equal names."""
        while len(self.blocks) > 1:
            self.close()
        names = list(self.arguments)
        shown = names if len(names) <= DIRECT else [*names[: DIRECT - 1], "more"]
        body = [
            f"{name} = at_long(more)[{i}]" for i, name in enumerate(names[len(shown) - 1 :]) if shown != names
        ]
        code = "\n".join(INDENT + line for line in [*body, *self.blocks[0].lines] or ["pass"])
        digest = sha256(f"{', '.join(shown)}\n{code}".encode()).hexdigest()[:8]
        name = f"{stem}_{digest}"
        signature = ", ".join(f"{each}: int" for each in shown)
        return Kernel(name, f"@kernel\ndef {name}({signature}) -> None:\n{code}\n", about)

    def passed(self) -> tuple[list[Count], list[Count]]:
        """Return the arguments of a call: those of the launch, and those that lie in memory."""
        arguments = list(self.arguments.values())
        if len(arguments) <= DIRECT:
            return arguments, []
        return [*arguments[: DIRECT - 1], symbol("block")], arguments[DIRECT - 1 :]
