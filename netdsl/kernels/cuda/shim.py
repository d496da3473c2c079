"""The words that kernels see beside `cuda`, as numba-cuda compiles them. This imports numba-cuda.

Everything is inlined: a call of another function of a device would ask for the device, and code is also made
where there is none. The engine under the kernels can be replaced by writing this file, and what it imports
from beside it, anew; what the words mean is told, in plain Python, by `netdsl.kernels.cuda.simulation`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import cuda
from numba.cuda import cgutils, types
from numba.cuda.extending import intrinsic

from netdsl.kernels.cuda import matrix_words
from netdsl.kernels.cuda.instructions import FLOAT, WORD, Signed, lane_number, shared, store_all

ALL_LANES: Final = ir.Constant(WORD, -1)


@intrinsic
def ld4(context: Any, pointer: Any, index: Any) -> Signed:
    """Read four neighbors at once, from a multiple of four."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        pointer, index = values
        place = builder.bitcast(builder.gep(pointer, [index]), ir.VectorType(FLOAT, 4).as_pointer())
        read = builder.load(place, align=16)
        parts = [builder.extract_element(read, lane_number(lane)) for lane in range(4)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.float32, 4)(pointer, types.int64), generate


@intrinsic
def st4(context: Any, pointer: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Signed:
    """Write four neighbors at once, to a multiple of four."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        store_all(builder, *values, align=16)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, *[types.float32] * 4), generate


@intrinsic
def st2(context: Any, pointer: Any, index: Any, a: Any, b: Any) -> Signed:
    """Write two neighbors at once, to a multiple of two."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        store_all(builder, *values, align=8)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, types.float32, types.float32), generate


shared_floats = shared("floats", types.float32, FLOAT)
shared_ints = shared("ints", types.int32, WORD)


def _short(operation: str) -> Any:
    """Make a word for a division of whole numbers below 2**31, which takes a fifth of the instructions that
    one of 64 bits with Python's signs does."""

    @intrinsic
    def short(context: Any, value: Any, divisor: Any) -> Signed:
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            short = [builder.trunc(each, WORD) for each in values]
            return builder.zext(getattr(builder, operation)(*short), ir.IntType(64))

        return types.int64(types.int64, types.int64), generate

    return short


def _whole(number: Any) -> Any:
    """Make a word that keeps the lower 32 bits of a whole number."""

    @intrinsic
    def whole(context: Any, value: Any) -> Signed:
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            return context.cast(builder, values[0], signature.args[0], number)

        return number(value), generate

    return whole


def _shuffled(builder: Any, value: Any, mask: int) -> Any:
    """Return the value that the lane has whose number differs in the bits of a mask."""
    kind = ir.FunctionType(FLOAT, [WORD, FLOAT, WORD, WORD])
    shuffle = cgutils.get_or_insert_function(builder.module, kind, "llvm.nvvm.shfl.sync.bfly.f32")
    return builder.call(shuffle, [ALL_LANES, value, lane_number(mask), lane_number(31)])


def _across(combine: Callable[[Any, Any, Any], Any]) -> Any:
    @intrinsic
    def across(context: Any, value: Any) -> Signed:
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            (total,) = values
            for mask in (16, 8, 4, 2, 1):
                total = combine(builder, total, _shuffled(builder, total, mask))
            return total

        return types.float32(types.float32), generate

    return across


def _maximum(builder: Any, a: Any, b: Any) -> Any:
    # What is no number wins, as in NumPy: `a` where it is unordered with itself or greater.
    keeps = builder.or_(builder.fcmp_unordered("uno", a, a), builder.fcmp_ordered(">", a, b))
    return builder.select(keeps, a, b)


warp_sum = _across(lambda builder, a, b: builder.fadd(a, b))
warp_max = _across(_maximum)


def _library(name: str, arity: int = 1) -> Any:
    """Make a word for a function of libdevice, of float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        kind = ir.FunctionType(FLOAT, [FLOAT] * arity)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    if arity == 2:

        @intrinsic
        def two(context: Any, a: Any, b: Any) -> Signed:
            return types.float32(types.float32, types.float32), generate

        return two

    @intrinsic
    def one(context: Any, a: Any) -> Signed:
        return types.float32(types.float32), generate

    return one


def _call(builder: Any, name: str, value: Any) -> Any:
    kind = ir.FunctionType(FLOAT, [FLOAT])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [value])


def _number(value: float) -> Any:
    return ir.Constant(FLOAT, value)


def _negated(builder: Any, value: Any) -> Any:
    # NVVM's form of LLVM has no instruction for it before devices of 2024.
    return builder.fsub(_number(-0.0), value)


@intrinsic
def sigmoid32(context: Any, x: Any) -> Signed:
    """Return 1 / (1 + exp(-x))."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        power = _call(builder, "__nv_expf", _negated(builder, values[0]))
        return builder.fdiv(_number(1.0), builder.fadd(_number(1.0), power))

    return types.float32(types.float32), generate


@intrinsic
def softplus32(context: Any, x: Any) -> Signed:
    """Return log(1 + exp(x)) without an overflow."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        power = _call(builder, "__nv_expf", _negated(builder, _call(builder, "__nv_fabsf", values[0])))
        positive = builder.fcmp_unordered(">", values[0], _number(0.0))
        above = builder.select(positive, values[0], _number(0.0))
        return builder.fadd(above, _call(builder, "__nv_log1pf", power))

    return types.float32(types.float32), generate


WORDS: Final[dict[str, object]] = {
    **matrix_words.WORDS,
    "cuda": cuda,
    "math": math,
    "f32": np.float32,
    "i32": np.int32,
    "i64": np.int64,
    "u32": np.uint32,
    "u64": np.uint64,
    "index": _whole(types.uint32),
    "signed": _whole(types.int32),
    "ld4": ld4,
    "st4": st4,
    "quo": _short("udiv"),
    "rem": _short("urem"),
    "st2": st2,
    "shared_floats": shared_floats,
    "shared_ints": shared_ints,
    "warp_sum": warp_sum,
    "warp_max": warp_max,
    "exp32": _library("__nv_expf"),
    "log32": _library("__nv_logf"),
    "log1p32": _library("__nv_log1pf"),
    "tanh32": _library("__nv_tanhf"),
    "sigmoid32": sigmoid32,
    "softplus32": softplus32,
    "erf32": _library("__nv_erff"),
    "sin32": _library("__nv_sinf"),
    "cos32": _library("__nv_cosf"),
    "sinpi32": _library("__nv_sinpif"),
    "cospi32": _library("__nv_cospif"),
    "arctan32": _library("__nv_atanf"),
    "pow32": _library("__nv_powf", 2),
    "sqrt32": _library("__nv_fsqrt_rn"),
    "floor32": _library("__nv_floorf"),
    "ceil32": _library("__nv_ceilf"),
    "round32": _library("__nv_rintf"),
}
"""Each word of a kernel's text, and what it is."""
