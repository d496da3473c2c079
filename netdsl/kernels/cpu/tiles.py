"""Products of small matrices whose result stays in registers until it is whole.

A tile is up to 16 rows by 16 columns of C = start + A B. Each step of the sum takes 16 neighbors of B and one
number of A a row. Every element of C is one chain of fused multiply-adds over k in its own lane, so its bits
depend neither on the height of the tile nor on the width of the registers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils

from netdsl.kernels.cpu.emission import (
    F32,
    I64,
    LANES,
    NOTHING,
    WORD,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    multiply_add,
    splat,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.memory import ask_for_line

_LINE: Final = whole(LANES)


@dataclass(frozen=True, slots=True)
class Left:
    """The left factor: element (i, k) lies at `start + i*row + k*step`, in floats.

    With a `panel`, k counts in groups of 16 of which each begins `panel` floats after the one before.
    """

    start: Value
    row: Value
    step: Value
    panel: Value | None = None

    def below(self, builder: Any, rows: Value) -> "Left":
        """Return the same factor without its first rows."""
        return Left(
            advance(builder, self.start, builder.mul(rows, self.row)), self.row, self.step, self.panel
        )


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of 16 neighbors, `step` floats from one to the next: the right factor, or the result."""

    start: Value
    step: Value = _LINE

    def below(self, builder: Any, lines: Value) -> "Lines":
        """Return the same without its first lines."""
        return Lines(advance(builder, self.start, builder.mul(lines, self.step)), self.step)


def emit_tiles(builder: Any, rows: Value, depth: Value, a: Left, b: Lines, c: Lines, bias: Value) -> None:
    """Emit C[rows][16] = bias + A B for B[depth][16], in tiles of the machine's heights."""
    start = load_vector(builder, bias)

    def tile(height: int, done: Value) -> None:
        _emit_tile(builder, height, depth, a.below(builder, done), b, c.below(builder, done), start)

    done = whole(0)
    for height in machine().rows:
        count = builder.sdiv(builder.sub(rows, done), whole(height))

        def turn(_: Value, held: Carried, height: int = height) -> Carried:
            tile(height, held[0])
            return [builder.add(held[0], whole(height))]

        (done,) = repeat(builder, count, [done], turn)


def _emit_tile(builder: Any, height: int, depth: Value, a: Left, b: Lines, c: Lines, start: Value) -> None:
    offsets = [builder.mul(a.row, whole(i)) for i in range(height)]

    def steps(count: int) -> Callable[[Value, Carried], Carried]:
        def turn(_: Value, held: Carried) -> Carried:
            left, right, *sums = held
            for _ in range(count):
                line = load_vector(builder, right)
                sums = [
                    _add_product(builder, advance(builder, left, offset), line, each)
                    for offset, each in zip(offsets, sums, strict=True)
                ]
                left, right = advance(builder, left, a.step), advance(builder, right, b.step)
            return [left, right, *sums]

        return turn

    def in_pairs(count: Value, held: Carried) -> list[Value]:
        """Two steps a turn, then the odd one: a taken branch for every 32 multiply-adds is enough."""
        held = repeat(builder, builder.lshr(count, whole(1)), held, steps(2))
        return repeat(builder, builder.and_(count, whole(1)), held, steps(1))

    held: list[Value] = [a.start, b.start, *[start] * height]
    if a.panel is None:
        held = in_pairs(depth, held)
    else:
        panel = a.panel

        def group(_: Value, held: Carried) -> Carried:
            inside = repeat(builder, whole(LANES // 2), held, steps(2))
            return [advance(builder, held[0], panel), *inside[1:]]

        held = repeat(builder, builder.lshr(depth, whole(4)), held, group)
        held = in_pairs(builder.and_(depth, whole(LANES - 1)), held)
    for i, each in enumerate(held[2:]):
        store_vector(builder, each, advance(builder, c.start, builder.mul(c.step, whole(i))))


def _add_product(builder: Any, left: Value, line: Value, total: Value) -> Value:
    number = splat(builder, builder.load(left, align=4))
    return multiply_add(builder, number, line, total, fused=machine().fma)


@emits(NOTHING, *[WORD] * 8)
def tiles(
    builder: Any,
    rows: Value,
    depth: Value,
    a: Value,
    a_row: Value,
    a_panel: Value,
    b: Value,
    c: Value,
    bias: Value,
) -> None:
    """Compute C[rows][16] = bias + A B; A is row-major (`a_panel` 16) or in panels (`a_row` 16)."""
    left = Left(floats(builder, a), a_row, whole(1), a_panel)
    right, result = Lines(floats(builder, b)), Lines(floats(builder, c))
    emit_tiles(builder, rows, depth, left, right, result, floats(builder, bias))


@emits(NOTHING, *[WORD] * 10)
def placed_tiles(
    builder: Any,
    rows: Value,
    depth: Value,
    a: Value,
    a_row: Value,
    a_step: Value,
    a_group: Value,
    b: Value,
    b_step: Value,
    c: Value,
    c_row: Value,
) -> None:
    """Compute C[rows][16] = A B for lines of B and C anywhere; 16 steps of A are `a_group` from the next."""
    left = Left(floats(builder, a), a_row, a_step, a_group)
    right, result = Lines(floats(builder, b), b_step), Lines(floats(builder, c), c_row)
    emit_tiles(builder, rows, depth, left, right, result, floats(builder, emit_zeros(builder)))


@emits(NOTHING, *[WORD] * 6)
def turned_tiles(
    builder: Any, rows: Value, depth: Value, a: Value, a_step: Value, b: Value, c: Value
) -> None:
    """Compute C[rows][16] = A B where the rows of A are neighbors: A is stored transposed."""
    left = Left(floats(builder, a), whole(1), a_step)
    right, result = Lines(floats(builder, b)), Lines(floats(builder, c))
    emit_tiles(builder, rows, depth, left, right, result, floats(builder, emit_zeros(builder)))


@emits(NOTHING, WORD, WORD)
def prefetch_lines(builder: Any, address: Value, lines: Value) -> None:
    """Ask for cache lines that the next kernel will read."""

    def turn(index: Value, _: Carried) -> Carried:
        ask_for_line(builder, builder.add(address, builder.shl(index, whole(6))))
        return []

    repeat(builder, lines, [], turn)


@emits(WORD)
def zeros(builder: Any) -> Value:
    """Return the address of 16 zeros."""
    return emit_zeros(builder)


def emit_zeros(builder: Any) -> Value:
    """Emit the address of 16 zeros."""
    return builder.ptrtoint(_zero_line(builder.module), I64)


def _zero_line(module: Any) -> Value:
    name = "netdsl.zeros"
    if name in module.globals:
        return module.globals[name]
    line = ir.GlobalVariable(module, ir.ArrayType(F32, LANES), name)
    line.initializer = ir.Constant(line.value_type, [0.0] * LANES)
    line.global_constant = True
    line.linkage = "internal"
    line.align = 64
    return line


def stack_floats(count: int) -> Callable[..., Any]:
    """Return a function for kernels: the address of so many floats on the stack."""

    @emits(WORD)
    def place(builder: Any) -> Value:
        block = cgutils.alloca_once(builder, ir.ArrayType(F32, count))
        block.align = 64
        return builder.ptrtoint(block, I64)

    return place
