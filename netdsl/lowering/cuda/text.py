"""The text of a device kernel, and what a launch passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from netdsl.kernels.cuda.kernel import Kind
from netdsl.lowering.text import INDENT, NestedText
from netdsl.program import Count, Kernel


def kernel_name(stem: str, text: str, kinds: Sequence[str], threads: int) -> str:
    """Return the name of a kernel: programs of one device share what is compiled, by names. A copy of whole
    numbers reads as one of floats does."""
    about = "\n".join([text, *kinds, str(threads)])
    return f"{stem}_{sha256(about.encode()).hexdigest()[:8]}"


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
        """Return the kernel; equal ones have equal names."""
        self.close_to(1)
        code = "\n".join(INDENT + line for line in self.blocks[0].lines or ["pass"])
        names = ", ".join(self.arguments)
        kinds = tuple(self.kinds.values())
        name = kernel_name(stem, f"({names}):\n{code}", kinds, threads)
        return Kernel(name, f"def {name}({names}):\n{code}\n", about, kinds, threads)

    def passed(self) -> tuple[Count, ...]:
        """Return what a launch passes for the parameters."""
        return tuple(self.arguments.values())
