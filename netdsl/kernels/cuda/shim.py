"""The words that kernels see beside `cuda`, as numba-cuda compiles them. This imports numba-cuda.

Everything is inlined: a call of another function of a device would ask for the device, and code is also made
where there is none. The engine under the kernels can be replaced by writing this file anew; what the words
mean is told, in plain Python, by `netdsl.kernels.cuda.simulation`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import cuda
from numba.cuda import cgutils, types
from numba.cuda.extending import intrinsic

_FLOAT: Final = ir.FloatType()
_WORD: Final = ir.IntType(32)
_FOUR: Final = ir.VectorType(_FLOAT, 4)
_ALL: Final = ir.Constant(_WORD, -1)

Signed = tuple[Any, Callable[..., Any]]


def _place(builder: Any, pointer: Any, index: Any) -> Any:
    """Return the address of four floats that lie at a multiple of 16 bytes."""
    place = builder.gep(pointer, [index])
    return builder.bitcast(place, _FOUR.as_pointer())


def _lane(number: int) -> Any:
    return ir.Constant(_WORD, number)


@intrinsic
def ld4(context: Any, pointer: Any, index: Any) -> Signed:
    """Read four neighbors at once, from a multiple of four."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        read = builder.load(_place(builder, *values), align=16)
        parts = [builder.extract_element(read, _lane(lane)) for lane in range(4)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.float32, 4)(pointer, types.int64), generate


@intrinsic
def st4(context: Any, pointer: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Signed:
    """Write four neighbors at once, to a multiple of four."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        four = ir.Constant(_FOUR, ir.Undefined)
        for lane, value in enumerate(values[2:]):
            four = builder.insert_element(four, value, _lane(lane))
        builder.store(four, _place(builder, *values[:2]), align=16)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, *[types.float32] * 4), generate


def _shared(prefix: str, number: Any, element: Any) -> Any:
    """Make a word for an array in shared memory: `word(slot, count)`, both numbers that stand in the text."""

    @intrinsic
    def shared(context: Any, slot: Any, count: Any) -> Signed | None:
        if not (isinstance(slot, types.Literal) and isinstance(count, types.Literal)):
            return None
        name, extent = f"{prefix}_{slot.literal_value}", count.literal_value

        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            array = ir.ArrayType(element, extent)
            place = cgutils.add_global_variable(builder.module, array, name, 3)
            place.linkage, place.align = "internal", 16
            place.initializer = ir.Constant(array, ir.Undefined)
            return builder.addrspacecast(builder.gep(place, [_lane(0), _lane(0)]), element.as_pointer())

        return types.CPointer(number)(slot, count), generate

    return shared


shared_floats = _shared("floats", types.float32, _FLOAT)
shared_ints = _shared("ints", types.int32, _WORD)


def _shuffled(builder: Any, value: Any, mask: int) -> Any:
    """Return the value that the lane has whose number differs in the bits of a mask."""
    kind = ir.FunctionType(_FLOAT, [_WORD, _FLOAT, _WORD, _WORD])
    shuffle = cgutils.get_or_insert_function(builder.module, kind, "llvm.nvvm.shfl.sync.bfly.f32")
    return builder.call(shuffle, [_ALL, value, _lane(mask), _lane(31)])


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
        kind = ir.FunctionType(_FLOAT, [_FLOAT] * arity)
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
    kind = ir.FunctionType(_FLOAT, [_FLOAT])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [value])


def _number(value: float) -> Any:
    return ir.Constant(_FLOAT, value)


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
    "cuda": cuda,
    "math": math,
    "f32": np.float32,
    "i32": np.int32,
    "i64": np.int64,
    "u32": np.uint32,
    "u64": np.uint64,
    "ld4": ld4,
    "st4": st4,
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
