"""The text of a device kernel, and what a launch passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from netdsl.kernels.cuda.kernel import Kind
from netdsl.lowering.text import INDENT, NestedText
from netdsl.program import Count, Kernel


@dataclass(slots=True)
class DeviceText(NestedText):
    """Collects a kernel of a device. `kinds` tells of each parameter what it is."""

    kinds: dict[str, Kind] = field(default_factory=dict)

    def parameter(self, name: str, argument: Count | int, kind: Kind = "count") -> str:
        """Return the name of a parameter, which is added unless it is there."""
        self.kinds.setdefault(name, kind)
        return NestedText.parameter(self, name, argument)

    @contextmanager
    def at(self, depth: int) -> Iterator[None]:
        """Write into the block of a depth for a while: what is set there is set before the blocks inside."""
        inside = self.blocks[depth + 1 :]
        del self.blocks[depth + 1 :]
        try:
            yield
        finally:
            self.blocks.extend(inside)

    def finish(self, stem: str, about: tuple[str, ...], threads: int) -> Kernel:
        """Return the kernel; equal texts have equal names."""
        self.close_to(1)
        code = "\n".join(INDENT + line for line in self.blocks[0].lines or ["pass"])
        names = ", ".join(self.arguments)
        name = f"{stem}_{sha256((names + code).encode()).hexdigest()[:8]}"
        kinds = tuple(self.kinds.values())
        return Kernel(name, f"def {name}({names}):\n{code}\n", about, kinds, threads)

    def passed(self) -> tuple[Count, ...]:
        """Return what a launch passes for the parameters."""
        return tuple(self.arguments.values())
