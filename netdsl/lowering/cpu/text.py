"""The text of a program's generated kernels, as one module."""

from collections.abc import Iterable

from netdsl.program import Kernel


def module_text(kernels: Iterable[Kernel]) -> str:
    """Return a module that defines kernels, each headed by the formulas it computes."""
    parts = ["from netdsl.kernels.cpu.prelude import *  # noqa: F403"]
    for kernel in kernels:
        about = "".join(f"# {line}\n" for line in kernel.about)
        parts.append(f"{about}{kernel.text}")
    return "\n\n".join(parts) + "\n"
