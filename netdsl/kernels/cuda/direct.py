"""The kernel of a contraction whose tiles would be mostly empty: a thread makes one element of the result.

Depthwise convolutions are these: each group has one column. Neighboring threads make neighbors in memory, so
they read neighbors too; what several of them read is in the cache.
"""

from __future__ import annotations

from typing import Final

from netdsl.kernels.cuda.addressing import Operand, address, decomposed, partial, scaled, sum_text, volume
from netdsl.kernels.cuda.contracted import Contraction, partial_sums
from netdsl.kernels.cuda.kernel import CudaKernel, Kind, make, text_of
from netdsl.program import count_of

THREADS: Final = 256
_SOME_ROWS: Final = 64
"""Examples for which axes are put in order: any number but few gives the same."""


def direct_kernel(given: Contraction, splits: int) -> CudaKernel:
    """Write the kernel; with several splits, of the first summed axis, its sums go to scratch memory."""
    target = given.result if splits == 1 else partial_sums(given)
    total = text_of(volume(given.axes))
    strides = {name: each.stride for each in given.result.coordinates for name, _ in each.terms}
    apart = {axis.name: count_of(strides[axis.name]).value({"rows": _SOME_ROWS}) for axis in given.axes}
    axes = sorted(given.axes, key=lambda axis: -int(apart[axis.name]))
    prefixes = {axis.name: "x_" for axis in axes} | {axis.name: "k_" for axis in given.summed}
    first, *others = given.summed
    lines = [
        f"tiles = index(({total} + {THREADS - 1}) // {THREADS})",
        f"element = index(cuda.blockIdx.x % tiles * {THREADS} + cuda.threadIdx.x)",
        "split = index(cuda.blockIdx.x // tiles)",
        f"share = ({text_of(first.extent)} + {splits - 1}) // {splits}",
        "k_begin = index(split * share)",
        f"k_end = min(k_begin + share, {text_of(first.extent)})",
        f"if element < {total}:",
        *(f"    {line}" for line in decomposed("element", axes, "x_")),
        "    v = f32(0.0)",
        f"    for k_{first.name} in range(k_begin, k_end):",
    ]
    for depth, axis in enumerate(others):
        lines.append("    " * (2 + depth) + f"for k_{axis.name} in range({text_of(axis.extent)}):")
    lines += ["    " * (2 + len(others)) + line for line in _term(given, prefixes)]
    lines += [
        f"    at = {address(target, prefixes)}",
        *(f"    {line}" for line in (given.finish if splits == 1 else ())),
        f"    {target.name}[at] = v",
    ]
    parameters: dict[str, Kind] = {given.left.name: "float", given.right.name: "float", target.name: "float"}
    if splits == 1:
        parameters.update(given.finish_parameters)
    blocks = ((volume(given.axes), THREADS), (splits, 1))
    return make(f"{given.family} direct", parameters, "\n".join(lines), THREADS, blocks)


def _term(given: Contraction, prefixes: dict[str, str]) -> list[str]:
    """Return lines that add one product, if both of its factors are there."""
    lines: list[str] = []
    checks: list[str] = []
    factors: list[str] = []
    for letter, operand in (("a", given.left), ("b", given.right)):
        places, inside = _places(letter, operand, prefixes)
        lines += places
        checks += inside
        factors.append(f"{operand.name}[{_address(letter, operand, prefixes)}]")
    add = f"v += {factors[0]} * {factors[1]}"
    return [*lines, f"if {' and '.join(checks)}:", f"    {add}"] if checks else [*lines, add]


def _places(letter: str, operand: Operand, prefixes: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return lines that work out coordinates which may lie outside, and tests that they do not."""
    lines: list[str] = []
    checks: list[str] = []
    for number, each in enumerate(operand.coordinates):
        if each.checked:
            name = f"{letter}_place{number}"
            lines.append(f"{name} = signed({partial(each, prefixes, offset=True)})")
            checks += [f"{name} >= 0", f"{name} < {each.extent * each.divide}"]
            checks += [f"{name} % {each.divide} == 0"] * (each.divide > 1)
    return lines, checks


def _address(letter: str, operand: Operand, prefixes: dict[str, str]) -> str:
    terms = [] if str(operand.offset) == "0" else [text_of(operand.offset)]
    for number, each in enumerate(operand.coordinates):
        place = f"{letter}_place{number}"
        if each.checked:
            terms.append(scaled(f"({place} // {each.divide})" if each.divide > 1 else place, each.stride))
        else:
            terms += [
                scaled(prefixes[name] + name, count_of(each.stride) * factor) for name, factor in each.terms
            ]
    return sum_text(terms)
