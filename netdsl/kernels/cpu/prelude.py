"""What the text of a generated kernel may use."""

import numpy as np
from numba.core import types

from netdsl.kernels.cpu.emission import emits
from netdsl.kernels.cpu.independence import independent
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.mathematics import (
    arctan32,
    ceil32,
    cos32,
    erf32,
    exp32,
    floor32,
    log1p32,
    log32,
    maximum32,
    minimum32,
    pow32,
    round32,
    sigmoid32,
    sin32,
    softplus32,
    sqrt32,
    tanh32,
)
from netdsl.kernels.cpu.memory import at, at_int, at_long
from netdsl.kernels.cpu.philox import gaussian32, uniform32
from netdsl.kernels.cpu.reductions import maximum_of, minimum_of, sum_of

f32 = np.float32
"""A float32 constant; a bare 0.5 would be float64, and all that it touches."""


@emits(types.float32, types.float32)
def float_of(builder: object, value: object) -> object:
    """Return a truth or a whole number as float32: yes is 1, no is 0."""
    return value


@emits(types.int32, types.int32)
def int_of(builder: object, value: object) -> object:
    """Return a number as int32, made whole towards 0."""
    return value


@emits(types.boolean, types.boolean)
def bool_of(builder: object, value: object) -> object:
    """Return whether a number is not 0; NaN is not."""
    return value


__all__ = [
    "arctan32",
    "at",
    "at_int",
    "at_long",
    "bool_of",
    "ceil32",
    "cos32",
    "erf32",
    "exp32",
    "f32",
    "float_of",
    "floor32",
    "gaussian32",
    "independent",
    "int_of",
    "kernel",
    "log1p32",
    "log32",
    "maximum32",
    "maximum_of",
    "minimum32",
    "minimum_of",
    "np",
    "pow32",
    "round32",
    "sigmoid32",
    "sin32",
    "softplus32",
    "sqrt32",
    "sum_of",
    "tanh32",
    "uniform32",
]
