"""The matrices of Winograd's convolutions along each axis of a tile, as sums of lines.

Down a tile they are those of F(2, 3) for the points 0, 1, -1 and infinity, across it those of F(4, 3) for the
points 0, 1, -1, 1/2, -2 and infinity: B^T for places, A^T to outputs and its transpose for theirs, G for
weights and its transpose back to them. With points 2 and -2 across, errors would be half as large again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from netdsl.kernels.cpu.emission import Value, multiply_add
from netdsl.kernels.cpu.machine import machine

Lines = Sequence[Value]
Transform = Callable[[Any, Lines], list[Value]]


def _times(builder: Any, factor: float, line: Value, more: Value | None = None) -> Value:
    """Return a number times a line, added to another."""
    number = ir.Constant(line.type, [factor] * line.type.count)
    if more is None:
        return builder.fmul(number, line)
    return multiply_add(builder, number, line, more, fused=machine().fma)


def places_down(builder: Any, d: Lines) -> list[Value]:
    """Return B^T d: four lines of four."""
    pairs = ("fsub", 0, 2), ("fadd", 1, 2), ("fsub", 2, 1), ("fsub", 1, 3)
    return [getattr(builder, name)(d[i], d[j]) for name, i, j in pairs]


def places_across(builder: Any, d: Lines) -> list[Value]:
    """Return B^T d: six lines of six."""
    even, odd = builder.fsub(d[4], d[2]), builder.fsub(d[3], d[1])
    first, last = builder.fadd(builder.fsub(d[0], d[2]), even), builder.fsub(builder.fsub(d[5], d[3]), odd)
    both, other = builder.fadd(d[3], d[2]), builder.fsub(d[3], d[2])
    return [
        _times(builder, 1.5, odd, first),
        _times(builder, 1.5, both, builder.fadd(even, odd)),
        _times(builder, 1.5, other, builder.fsub(even, odd)),
        _times(builder, 2.0, odd, even),
        _times(builder, -0.5, odd, even),
        _times(builder, 1.5, even, last),
    ]


def sums_down(builder: Any, m: Lines) -> list[Value]:
    """Return A^T m: two outputs of four lines."""
    both, other = builder.fadd(m[1], m[2]), builder.fsub(m[1], m[2])
    return [builder.fadd(m[0], both), builder.fsub(other, m[3])]


def sums_across(builder: Any, m: Lines) -> list[Value]:
    """Return A^T m: four outputs of six lines."""
    both, other = builder.fadd(m[1], m[2]), builder.fsub(m[1], m[2])
    third = _times(builder, 0.125, m[3], _times(builder, -8.0, m[4], other))
    return [
        builder.fadd(builder.fadd(m[0], both), builder.fadd(m[3], m[4])),
        _times(builder, 0.5, m[3], _times(builder, -2.0, m[4], other)),
        _times(builder, 0.25, m[3], _times(builder, 4.0, m[4], both)),
        builder.fadd(third, m[5]),
    ]


def outputs_down(builder: Any, y: Lines) -> list[Value]:
    """Return A y: four lines of two, the last with the opposite sign, which `taps_down` takes back."""
    return [y[0], builder.fadd(y[0], y[1]), builder.fsub(y[0], y[1]), y[1]]


def outputs_across(builder: Any, y: Lines) -> list[Value]:
    """Return A y: six lines of four."""
    even, odd = builder.fadd(y[0], y[2]), builder.fadd(y[1], y[3])
    near = _times(builder, 0.25, y[2], y[0]), _times(builder, 0.25, y[3], y[1])
    far = _times(builder, 4.0, y[2], y[0]), _times(builder, 4.0, y[3], y[1])
    return [
        y[0],
        builder.fadd(even, odd),
        builder.fsub(even, odd),
        _times(builder, 0.5, near[1], near[0]),
        _times(builder, -2.0, far[1], far[0]),
        y[3],
    ]


def weights_down(builder: Any, g: Lines) -> list[Value]:
    """Return G g: four lines of three taps."""
    ends = builder.fadd(g[0], g[2])
    both = builder.fadd(ends, g[1]), builder.fsub(ends, g[1])
    return [g[0], *(_times(builder, 0.5, each) for each in both), g[2]]


def weights_across(builder: Any, g: Lines) -> list[Value]:
    """Return G g: six lines of three taps."""
    ends = builder.fadd(g[0], g[2])
    near = _times(builder, 4.0, g[0], _times(builder, 2.0, g[1], g[2]))
    far = _times(builder, 4.0, g[2], _times(builder, -2.0, g[1], g[0]))
    return [
        g[0],
        _times(builder, 1 / 3, builder.fadd(ends, g[1])),
        _times(builder, 1 / 3, builder.fsub(g[1], ends)),
        _times(builder, -4 / 15, near),
        _times(builder, 1 / 15, far),
        g[2],
    ]


def taps_down(builder: Any, s: Lines) -> list[Value]:
    """Return G^T s: three taps of four lines, the last of which has the opposite sign."""
    both, other = builder.fadd(s[1], s[2]), builder.fsub(s[1], s[2])
    ends = _times(builder, 0.5, both)
    return [builder.fadd(s[0], ends), _times(builder, 0.5, other), builder.fsub(ends, s[3])]


def taps_across(builder: Any, s: Lines) -> list[Value]:
    """Return G^T s: three taps of six lines."""
    near, far = _times(builder, -4 / 15, s[3]), _times(builder, 1 / 15, s[4])
    other = _times(builder, 1 / 3, builder.fsub(s[1], s[2]))
    middle = _times(builder, 2.0, near, _times(builder, -2.0, far))
    return [
        builder.fadd(builder.fadd(s[0], other), _times(builder, 4.0, near, far)),
        _times(builder, 1 / 3, builder.fadd(s[1], s[2]), middle),
        builder.fadd(builder.fadd(s[5], other), _times(builder, 4.0, far, near)),
    ]
