"""Functions that kernels call and that are written as LLVM instructions.

A kernel is Python that Numba compiles; what Python cannot say (a fused multiply-add, a vector held in
registers, an atomic) is emitted here. Such a function is typed by its signature alone, so that a kernel's
text has one meaning and compiles fast.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from llvmlite import ir
from numba.core import cgutils, types

from netdsl.kernels.cpu.front_end import EmittedType

Value: TypeAlias = Any
"""An `ir.Value`; llvmlite has no type information."""

Emitter: TypeAlias = Callable[..., Any]

LANES: Final = 16
"""Columns of a panel: 16 float32 are one cache line, one register of AVX-512, two of AVX2."""

I1: Final = ir.IntType(1)
I8: Final = ir.IntType(8)
I32: Final = ir.IntType(32)
I64: Final = ir.IntType(64)
F32: Final = ir.FloatType()
F64: Final = ir.DoubleType()
VOID: Final = ir.VoidType()
PANEL: Final = ir.VectorType(F32, LANES)
ZEROS: Final = ir.Constant(PANEL, [0.0] * LANES)


def emits(result: Any, *arguments: Any) -> Callable[[Emitter], Callable[..., Any]]:
    """Make an emitter callable from kernels: it is given the builder and the arguments as LLVM values."""
    signature = result(*arguments)

    def decorate(emitter: Emitter) -> Callable[..., Any]:
        def generate(context: Any, builder: Any, values: Any) -> Any:
            value = emitter(builder, *values)
            return context.get_dummy_value() if value is None else value

        return Emitted(emitter, EmittedType(emitter.__name__, signature, generate))

    return decorate


class Emitted:
    """An emitted function as a kernel's text names it."""

    def __init__(self, emitter: Emitter, kind: EmittedType) -> None:
        self.__name__, self.__doc__, self._numba_type_ = emitter.__name__, emitter.__doc__, kind

    def __call__(self, *_: Any) -> Any:
        """Refuse to run: Python has no such instructions.

        Errors: TypeError.
        """
        raise TypeError(f"{self.__name__} is for kernels")


def whole(value: int) -> Value:
    """Return a 64-bit constant."""
    return ir.Constant(I64, value)


def external(builder: Any, name: str, result: Any, *arguments: Any) -> Value:
    """Return a function of LLVM or of the C library, declared once a module."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, list(arguments)), name)


def floats(builder: Any, address: Value, offset: Value | int = 0) -> Value:
    """Return a float pointer to an address plus a number of floats."""
    step = whole(offset) if isinstance(offset, int) else offset
    return builder.gep(builder.inttoptr(address, F32.as_pointer()), [step])


def advance(builder: Any, pointer: Value, offset: Value | int) -> Value:
    """Return a pointer moved by a number of elements."""
    return builder.gep(pointer, [whole(offset) if isinstance(offset, int) else offset])


def hidden(builder: Any, value: Value) -> Value:
    """Return a value that LLVM knows nothing about, so that it does not compute it in another way."""
    return builder.asm(ir.FunctionType(value.type, [value.type]), "", "=r,0", [value], False)


def load_vector(builder: Any, pointer: Value, kind: Any = PANEL) -> Value:
    """Load neighbors into a vector; nothing is asked of the address but that of a float."""
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=4)


def masked_load(builder: Any, pointer: Value, mask: Value, otherwise: Value) -> Value:
    """Load the lanes of a line that a mask has, and no memory beside them; the others are `otherwise`."""
    lanes, kind = otherwise.type.count, otherwise.type
    load = external(builder, f"llvm.masked.load.v{lanes}f32.p0", kind, F32.as_pointer(), I32, mask.type, kind)
    return builder.call(load, [pointer, ir.Constant(I32, 4), mask, otherwise])


def store_vector(builder: Any, value: Value, pointer: Value) -> None:
    """Store a vector to neighboring floats."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def splat(builder: Any, value: Value, lanes: int = LANES) -> Value:
    """Return a vector with the value in each lane."""
    kind = ir.VectorType(value.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, undefined, zeros)


def multiply_add(builder: Any, a: Value, b: Value, c: Value, fused: bool) -> Value:
    """Return a*b + c: rounded once where the machine can, else twice."""
    if not fused:
        return builder.fadd(builder.fmul(a, b), c)
    kind = a.type
    suffix = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    bits = "f64" if (kind.element if suffix else kind) == F64 else "f32"
    return builder.call(external(builder, f"llvm.fma.{suffix}{bits}", kind, kind, kind, kind), [a, b, c])


WORD: Final = types.intp
FLOAT: Final = types.float32
NOTHING: Final = types.void
