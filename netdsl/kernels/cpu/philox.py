"""Philox4x32-10 as instructions: the same numbers, to the bit, as `netdsl.operations.philox` defines.

Four words come from one counter, and serve four elements that are neighbors in row-major order.
"""

import math
from typing import Any, Final

from numba.core import types

from netdsl.kernels.cpu.emission import NOTHING, WORD, Value, advance, emits, floats
from netdsl.kernels.cpu.expressions import Number, fma, formula, polynomial
from netdsl.kernels.cpu.mathematics import logarithm

_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_STEP_24: Final = 2.0**-24

Words = tuple[Number, Number, Number, Number]

draw = formula(types.float32, types.int64, types.int64, types.int64)
"""A draw is a function of the key (seed XOR stream), the step, and a place."""


def philox(key: Number, step: Number, block: Number) -> Words:
    """Return the four words of a block of elements."""
    words = (block.to_int(), step.to_int(), (block >> 32).to_int(), step.to_int().like(0))
    k0, k1 = key.to_int(), (key >> 32).to_int()
    for _ in range(10):
        words = _mixed(words, k0, k1)
        k0, k1 = k0 + _WEYL[0], k1 + _WEYL[1]
    return words


def _mixed(words: Words, k0: Number, k1: Number) -> Words:
    c0, c1, c2, c3 = words
    first = c0.to_long() * _MULTIPLIERS[0]
    second = c2.to_long() * _MULTIPLIERS[1]
    return (
        (second >> 32).to_int() ^ c1 ^ k0,
        second.to_int(),
        (first >> 32).to_int() ^ c3 ^ k1,
        first.to_int(),
    )


def _fraction(word: Number) -> Number:
    return (word >> 8).to_float() * _STEP_24


def _normal(a: Number, b: Number) -> tuple[Number, Number]:
    """Return two numbers of a standard normal distribution, by Box and Muller.

    The angle is a fraction of a turn, so its nearest eighth is taken off without rounding.
    """
    u = ((a >> 8) + 1).to_float() * _STEP_24
    radius = (logarithm(u) * -2.0).call("sqrt")
    v = _fraction(b)
    quarter = ((v * 4.0) + 0.5).call("floor")
    r = (v - quarter * 0.25) * (2 * math.pi)
    z = r * r
    sine = fma(polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1) * z, r, r)
    cosine = polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    cosine = fma(cosine * z, z, fma(z, -0.5, 1.0))
    is_0, is_1, is_2 = (quarter.equals(float(n)) for n in range(3))
    is_4 = quarter.equals(4.0)
    even = (is_0 | is_4).choose(cosine, is_1.choose(-sine, is_2.choose(-cosine, sine)))
    odd = (is_0 | is_4).choose(sine, is_1.choose(cosine, is_2.choose(-sine, -cosine)))
    return radius * even, radius * odd


def _four_normals(words: Words) -> Words:
    return (*_normal(words[0], words[1]), *_normal(words[2], words[3]))


def _picked(of: Words, index: Number) -> Number:
    low = (index & 1).equals(0)
    first, second = low.choose(of[0], of[1]), low.choose(of[2], of[3])
    return (index & 2).equals(0).choose(first, second)


@draw
def uniform32(key: Number, step: Number, index: Number) -> Number:
    """Return the even draw from [0, 1) of an element."""
    return _fraction(_picked(philox(key, step, index >> 2), index))


@draw
def gaussian32(key: Number, step: Number, index: Number) -> Number:
    """Return the normal draw of an element."""
    return _picked(_four_normals(philox(key, step, index >> 2)), index)


@emits(NOTHING, *[WORD] * 5)
def store_uniforms(builder: Any, target: Value, place: Value, key: Value, step: Value, block: Value) -> None:
    """Store the even draws of a block's four elements, `place` floats after an address."""
    words = philox(Number(builder, key), Number(builder, step), Number(builder, block))
    _store(builder, floats(builder, target, place), tuple(_fraction(word) for word in words))


@emits(NOTHING, *[WORD] * 5)
def store_gaussians(builder: Any, target: Value, place: Value, key: Value, step: Value, block: Value) -> None:
    """Store the normal draws of a block's four elements, `place` floats after an address."""
    words = philox(Number(builder, key), Number(builder, step), Number(builder, block))
    _store(builder, floats(builder, target, place), _four_normals(words))


def _store(builder: Any, place: Value, numbers: tuple[Number, ...]) -> None:
    for i, number in enumerate(numbers):
        builder.store(number.value, advance(builder, place, i), align=4)
