"""Addresses, atomics and the processor's own words, as kernels see them."""

from typing import Any

from llvmlite import ir
from numba.core import types

from netdsl.kernels.cpu.emission import F32, I1, I8, I32, I64, NOTHING, VOID, WORD, Value, emits, external
from netdsl.kernels.cpu.machine import machine


@emits(types.CPointer(types.float32), WORD)
def at(builder: Any, address: Value) -> Value:
    """Return the float32 numbers at an address; indexing them checks nothing."""
    return builder.inttoptr(address, F32.as_pointer())


@emits(types.CPointer(types.int32), WORD)
def at_int(builder: Any, address: Value) -> Value:
    """Return the int32 numbers at an address: labels, indices, and any four bytes to be copied."""
    return builder.inttoptr(address, I32.as_pointer())


@emits(types.CPointer(types.int64), WORD)
def at_long(builder: Any, address: Value) -> Value:
    """Return the int64 numbers at an address: orders of rows, launch tables, context blocks."""
    return builder.inttoptr(address, I64.as_pointer())


@emits(WORD, WORD, WORD)
def atomic_add(builder: Any, address: Value, amount: Value) -> Value:
    """Add to a word that other threads write, and return what it was."""
    return builder.atomic_rmw("add", builder.inttoptr(address, I64.as_pointer()), amount, "acq_rel")


@emits(WORD, WORD)
def atomic_load(builder: Any, address: Value) -> Value:
    """Read a word that other threads write; what they wrote before it is seen too."""
    return builder.load_atomic(builder.inttoptr(address, I64.as_pointer()), "acquire", 8)


@emits(NOTHING, WORD, WORD)
def atomic_store(builder: Any, address: Value, value: Value) -> None:
    """Write a word that other threads read, after all that was written before."""
    builder.store_atomic(value, builder.inttoptr(address, I64.as_pointer()), "release", 8)


@emits(NOTHING)
def pause(builder: Any) -> None:
    """Tell the processor that this is a waiting loop."""
    if machine().x86:
        builder.call(external(builder, "llvm.x86.sse2.pause", VOID), [])


@emits(NOTHING)
def give_way(builder: Any) -> None:
    """Let another thread have this core."""
    builder.call(external(builder, "sched_yield", I32), [])


@emits(WORD)
def cycles(builder: Any) -> Value:
    """Return the processor's counter of cycles."""
    return builder.call(external(builder, "llvm.readcyclecounter", I64), [])


@emits(types.int32)
def rounding_mode(builder: Any) -> Value:
    """Return the word that says how floats are rounded (0 where there is none)."""
    if not machine().x86:
        return ir.Constant(I32, 0)
    place = builder.alloca(I32)
    read = external(builder, "llvm.x86.sse.stmxcsr", VOID, I8.as_pointer())
    builder.call(read, [builder.bitcast(place, I8.as_pointer())])
    return builder.load(place)


@emits(NOTHING, types.int32)
def set_rounding_mode(builder: Any, mode: Value) -> None:
    """Set that word."""
    if not machine().x86:
        return
    place = builder.alloca(I32)
    builder.store(mode, place)
    write = external(builder, "llvm.x86.sse.ldmxcsr", VOID, I8.as_pointer())
    builder.call(write, [builder.bitcast(place, I8.as_pointer())])


@emits(NOTHING, *[WORD] * 12)
def call_kernel(builder: Any, *words: Value) -> None:
    """Call the kernel at the first word with the other eleven."""
    kind = ir.FunctionType(VOID, [I64] * 11)
    builder.call(builder.inttoptr(words[0], kind.as_pointer()), list(words[1:]))


def ask_for_line(builder: Any, address: Value) -> None:
    """Emit a prefetch."""
    line = external(builder, "llvm.prefetch.p0", VOID, I8.as_pointer(), I32, I32, I32)
    settings = [ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)]
    builder.call(line, [builder.inttoptr(address, I8.as_pointer()), *settings])


@emits(NOTHING, WORD, WORD, WORD)
def move_words(builder: Any, source: Value, target: Value, count: Value) -> None:
    """Copy words of four bytes; the places do not overlap."""
    pointer = I8.as_pointer()
    copy = external(builder, "llvm.memcpy.p0.p0.i64", VOID, pointer, pointer, I64, I1)
    size = builder.shl(count, ir.Constant(I64, 2))
    places = [builder.inttoptr(each, pointer) for each in (target, source)]
    builder.call(copy, [*places, size, ir.Constant(I1, 0)])
