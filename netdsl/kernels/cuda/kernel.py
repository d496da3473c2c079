"""What a kernel of the CUDA target is, as data: its text, its parameters, and how many blocks it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from netdsl.program import Count, count_of

Kind: TypeAlias = Literal["float", "int", "bool", "long", "count"]
"""What a parameter is: the address of float32, int32, bytes or int64, or a whole number itself."""

Extent: TypeAlias = Count | int
"""A number of things, known when the text is written or a formula of `rows`."""

WARP: Final = 32
"""Threads of a warp: those of a block are a multiple of them."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a kernel."""

    name: str
    kind: Kind = "float"


@dataclass(frozen=True, slots=True)
class CudaKernel:
    """A kernel as text. It sees `cuda` and the words of `netdsl.kernels.cuda.words`, nothing else.

    Grids and blocks have one axis. The `blocks` are factors, each an extent and how much of it a block takes.
    Buffers begin at multiples of 256 bytes.
    """

    family: str
    name: str
    text: str
    parameters: tuple[Parameter, ...]
    threads: int
    blocks: tuple[tuple[Extent, int], ...] = ()

    def grid(self, rows: int) -> int:
        """Return how many blocks are launched for so many examples."""
        total = 1
        for extent, each in self.blocks:
            total *= -(-int(count_of(extent).value({"rows": rows})) // each)
        return total


@dataclass(frozen=True, slots=True)
class Work:
    """Kernels that follow each other. What they hand on lies in the parameter `scratch`, so many floats."""

    kernels: tuple[CudaKernel, ...]
    scratch: Extent = 0


def make(
    family: str,
    parameters: Mapping[str, Kind],
    body: str,
    threads: int,
    blocks: tuple[tuple[Extent, int], ...],
) -> CudaKernel:
    """Make a kernel of the lines of its body; it has a parameter `rows` where they speak of it."""
    used = dict(parameters)
    if re.search(r"\brows\b", body):
        used["rows"] = "count"
    name = family.replace(" ", "_")
    lines = [
        f"def {name}({', '.join(used)}):",
        *(f"    {line}" if line else "" for line in body.splitlines()),
    ]
    described = tuple(Parameter(key, kind) for key, kind in used.items())
    return CudaKernel(family, name, "\n".join(lines) + "\n", described, threads, blocks)


def text_of(extent: Extent) -> str:
    """Return an extent as a term of a text."""
    text = str(extent)
    return text if re.fullmatch(r"\w+", text) else f"({text})"


def indented(text: str, levels: int = 1) -> str:
    """Return lines moved to the right."""
    return "\n".join("    " * levels + line if line else "" for line in text.splitlines())
