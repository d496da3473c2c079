"""The text of a kernel of the CPU, and how a launch passes its arguments."""

from __future__ import annotations

from hashlib import sha256

from netdsl.lazy_dataclass import dataclass
from netdsl.lowering.text import INDENT, NestedText
from netdsl.program import Count, Kernel, symbol

DIRECT = 11
"""Arguments that a launch passes; further ones lie in memory, behind the last of these."""

INDEPENDENT = "independent()"
"""Stands first in a loop whose iterations touch no memory that another one writes."""


@dataclass(slots=True)
class KernelText(NestedText):
    """Collects a kernel of the CPU."""

    def finish(self, stem: str, about: tuple[str, ...]) -> Kernel:
        """Return the kernel; equal texts have equal names."""
        self.close_to(1)
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
