"""The text of a device kernel while it is written: parameters, and nested blocks of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from netdsl.kernels.cuda.kernel import Kind
from netdsl.program import Count, Kernel, count_of

INDENT: Final = "    "


@dataclass(slots=True)
class Block:
    """Lines at one depth of nesting, and the variables that are set there: by what they are the value of."""

    header: str = ""
    lines: list[str] = field(default_factory=list)
    known: dict[object, str] = field(default_factory=dict)


@dataclass(slots=True)
class DeviceText:
    """Collects a kernel. `blocks` are the open ones, outermost first."""

    blocks: list[Block] = field(default_factory=lambda: [Block()])
    arguments: dict[str, tuple[Count, Kind]] = field(default_factory=dict)
    """What a launch passes for each parameter, and what that is."""

    variables: int = 0

    def parameter(self, name: str, argument: Count | int, kind: Kind = "count") -> str:
        """Return the name of a parameter, which is added unless it is there."""
        self.arguments.setdefault(name, (count_of(argument), kind))
        return name

    def line(self, text: str) -> None:
        """Add a line to the innermost open block."""
        self.blocks[-1].lines.append(text)

    def lines(self, texts: Iterable[str]) -> None:
        """Add lines to the innermost open block."""
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

    @contextmanager
    def at(self, depth: int) -> Iterator[None]:
        """Write into the block of a depth for a while: what is set there is set before the blocks inside."""
        inside = self.blocks[depth + 1 :]
        del self.blocks[depth + 1 :]
        try:
            yield
        finally:
            self.blocks.extend(inside)

    def variable(self, stem: str) -> str:
        """Return a new name that tells what it is the value of."""
        self.variables += 1
        return f"{stem}_{self.variables}"

    def finish(self, stem: str, about: tuple[str, ...], threads: int) -> Kernel:
        """Return the kernel; equal texts have equal names."""
        self.close_to(1)
        code = "\n".join(INDENT + line for line in self.blocks[0].lines or ["pass"])
        names = ", ".join(self.arguments)
        name = f"{stem}_{sha256((names + code).encode()).hexdigest()[:8]}"
        kinds = tuple(kind for _, kind in self.arguments.values())
        return Kernel(name, f"def {name}({names}):\n{code}\n", about, kinds, threads)

    def passed(self) -> tuple[Count, ...]:
        """Return what a launch passes for the parameters."""
        return tuple(count for count, _ in self.arguments.values())
