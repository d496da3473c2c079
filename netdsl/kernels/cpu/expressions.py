"""Formulas written with Python's operators and emitted as LLVM instructions.

A formula is a function of `Number`s. It becomes a function of its own in the kernel's module, inlined where
it is called and vectorized with the loop around it. There are no fast-math flags: what is written is what is
computed, so NaN and infinity pass through as IEEE 754 says and the same text gives the same bits. `fma` is
the one place where rounding depends on the machine: it rounds once where there is an instruction for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from llvmlite import ir
from numba.core import types

from netdsl.kernels.cpu.emission import F32, F64, I1, I32, I64, Value, emits, external, multiply_add
from netdsl.kernels.cpu.machine import machine


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A value of a formula: float32 or float64, or an integer of 32 or 64 bits, told by its LLVM type."""

    builder: Any
    value: Value

    def __add__(self, other: Number | float) -> Number:
        return self._with("fadd", "add", other)

    def __sub__(self, other: Number | float) -> Number:
        return self._with("fsub", "sub", other)

    def __rsub__(self, other: float) -> Number:
        return self.like(other) - self

    def __mul__(self, other: Number | float) -> Number:
        return self._with("fmul", "mul", other)

    def __truediv__(self, other: Number | float) -> Number:
        return self._with("fdiv", "", other)

    def __rtruediv__(self, other: float) -> Number:
        return self.like(other) / self

    def __neg__(self) -> Number:
        return Number(self.builder, self.builder.fneg(self.value))

    def __and__(self, other: Number | int) -> Number:
        return self._with("", "and_", other)

    def __or__(self, other: Number | int) -> Number:
        return self._with("", "or_", other)

    def __xor__(self, other: Number | int) -> Number:
        return self._with("", "xor", other)

    def __lshift__(self, bits: int) -> Number:
        return self._with("", "shl", bits)

    def __rshift__(self, bits: int) -> Number:
        """Shift zeros in from the left, whatever the sign."""
        return self._with("", "lshr", bits)

    def __lt__(self, other: Number | float) -> Number:
        return self._compared("<", other)

    def __gt__(self, other: Number | float) -> Number:
        return self._compared(">", other)

    def __ge__(self, other: Number | float) -> Number:
        return self._compared(">=", other)

    def like(self, other: Number | float) -> Number:
        """Return a constant of this number's type; a number as it is."""
        return (
            other if isinstance(other, Number) else Number(self.builder, ir.Constant(self.value.type, other))
        )

    def equals(self, other: Number | float) -> Number:
        """Tell whether two are equal; NaN equals nothing."""
        return self._compared("==", other)

    def is_nan(self) -> Number:
        """Tell whether it is not a number."""
        return Number(self.builder, self.builder.fcmp_unordered("uno", self.value, self.value))

    def choose(self, yes: Number | float, no: Number | float) -> Number:
        """Return one of two by this truth, without a branch."""
        kind = yes if isinstance(yes, Number) else no
        assert isinstance(kind, Number)
        return Number(
            self.builder, self.builder.select(self.value, kind.like(yes).value, kind.like(no).value)
        )

    def bits(self) -> Number:
        """Return the bits of a float as an integer of the same width."""
        kind = I32 if self.value.type == F32 else I64
        return Number(self.builder, self.builder.bitcast(self.value, kind))

    def as_float(self) -> Number:
        """Return the float with these bits."""
        kind = F32 if self.value.type == I32 else F64
        return Number(self.builder, self.builder.bitcast(self.value, kind))

    def to_float(self) -> Number:
        """Return a whole number, or a float64, as the nearest float32."""
        if self.value.type == F64:
            return Number(self.builder, self.builder.fptrunc(self.value, F32))
        return Number(self.builder, self.builder.sitofp(self.value, F32))

    def to_double(self) -> Number:
        """Return a float32 as float64."""
        return Number(self.builder, self.builder.fpext(self.value, F64))

    def to_int(self) -> Number:
        """Return the low half of a 64-bit integer."""
        return Number(self.builder, self.builder.trunc(self.value, I32))

    def to_long(self) -> Number:
        """Return a 32-bit integer, taken as unsigned, in 64 bits."""
        return Number(self.builder, self.builder.zext(self.value, I64))

    def call(self, name: str, *others: Number) -> Number:
        """Return an LLVM intrinsic of this number and others of its type."""
        kind = self.value.type
        suffix = "f32" if kind == F32 else "f64"
        values = [self.value, *(other.value for other in others)]
        function = external(self.builder, f"llvm.{name}.{suffix}", kind, *[kind] * len(values))
        return Number(self.builder, self.builder.call(function, values))

    def _with(self, floating: str, whole: str, other: Number | float) -> Number:
        name = floating if self.value.type in (F32, F64) else whole
        return Number(self.builder, getattr(self.builder, name)(self.value, self.like(other).value))

    def _compared(self, sign: str, other: Number | float) -> Number:
        right = self.like(other).value
        if self.value.type in (F32, F64):
            return Number(self.builder, self.builder.fcmp_ordered(sign, self.value, right))
        return Number(self.builder, self.builder.icmp_signed(sign, self.value, right))


def fma(a: Number, b: Number | float, c: Number | float) -> Number:
    """Return a*b + c, rounded once where the machine can."""
    values = (a.value, a.like(b).value, a.like(c).value)
    return Number(a.builder, multiply_add(a.builder, *values, fused=machine().fma))


def polynomial(x: Number, *coefficients: float) -> Number:
    """Return a polynomial by Horner's rule, the highest power first."""
    total = x.like(coefficients[0])
    for coefficient in coefficients[1:]:
        total = fma(total, x, coefficient)
    return total


Formula = Callable[..., Number]

_KINDS: Final = {
    types.float32: F32,
    types.float64: F64,
    types.int32: I32,
    types.uint32: I32,
    types.int64: I64,
    types.boolean: I1,
}


def formula(result: Any, *arguments: Any) -> Callable[[Formula], Callable[..., Any]]:
    """Make a formula callable from kernels, for numbers of the given types."""

    def decorate(written: Formula) -> Callable[..., Any]:
        def emitter(builder: Any, *values: Value) -> Value:
            return builder.call(_function(builder.module, written, result, arguments), values)

        emitter.__name__ = written.__name__
        emitter.__doc__ = inspect.getdoc(written)
        return emits(result, *arguments)(emitter)

    return decorate


def _function(module: Any, written: Formula, result: Any, arguments: tuple[Any, ...]) -> Value:
    """Return the formula as a function of the module, written there when it is first called."""
    name = f"netdsl.{written.__name__}"
    if name in module.globals:
        return module.globals[name]
    kind = ir.FunctionType(_KINDS[result], [_KINDS[each] for each in arguments])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(written(*(Number(builder, each) for each in function.args)).value)
    return function
