"""Products of small matrices whose result stays in registers until it is whole.

A tile is some rows by 16 columns of C = start + A B, or by two panels of 16. Each step of the sum takes 16
neighbors of B and one number of A a row. A core loads two such numbers or lines in the time of two
multiply-adds; where a register is a whole line (AVX-512) it would wait for loads, so there a number of A is
taken for two panels at once. Every element of C is one chain of fused multiply-adds over k in its own lane,
so its bits depend neither on the height of the tile, nor on how many panels it has, nor on the width of the
registers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

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
    hidden,
    load_vector,
    multiply_add,
    splat,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.tile_places import LINE, Asking, Column, Left, Lines, Places, Soon
from netdsl.kernels.cpu.turning import emit_min16


def emit_tiles(
    builder: Any, rows: Value, depth: Value, a: Left, columns: Sequence[Column], soon: Soon | None = None
) -> None:
    """Emit C[rows][16] = start + A B for one panel or for two that share A, in tiles of the machine's
    heights."""
    done, number = whole(0), whole(0)
    for height in machine().rows if len(columns) == 1 else machine().paired_rows:
        count = builder.sdiv(builder.sub(rows, done), whole(height))

        def turn(_: Value, held: Carried, height: int = height) -> Carried:
            done, number = held
            below = [
                Column(each.b, each.c.below(builder, done), each.start.below(builder, done))
                for each in columns
            ]
            asking = Asking(builder, soon or Soon(), number, builder.lshr(depth, whole(1)))
            _emit_tile(builder, height, depth, a.below(builder, done), below, asking)
            return [builder.add(done, whole(height)), builder.add(number, whole(1))]

        done, number = repeat(builder, count, [done, number], turn)


def _emit_tile(
    builder: Any, height: int, depth: Value, a: Left, columns: Sequence[Column], asking: Asking
) -> None:
    places = Places(builder, a.row, height)
    heads, wide, streams = places.heads(a.start), len(columns), len(asking.first)

    def parted(held: Carried) -> tuple[list[Value], list[Value], list[Value]]:
        return [*held[:streams]], [*held[streams:][:wide]], [*held[streams + wide :]]

    def steps(count: int) -> Callable[[Value, Carried], Carried]:
        def turn(_: Value, held: Carried) -> Carried:
            left, (asked, right, sums) = held[: len(heads)], parted(held[len(heads) :])
            if count > 1:
                asked = asking.next(asked)
            for _ in range(count):
                lines = [load_vector(builder, each) for each in right]
                left = [hidden(builder, each) for each in left]
                for i, place in enumerate(places.below(left)):
                    number = splat(builder, builder.load(place, align=4))
                    for j, line in enumerate(lines, wide * i):
                        sums[j] = multiply_add(builder, number, line, sums[j], fused=machine().fma)
                left = [advance(builder, each, a.step) for each in left]
                right = [advance(builder, each, to.b.step) for each, to in zip(right, columns, strict=True)]
            return [*left, *asked, *right, *sums]

        return turn

    def in_pairs(count: Value, held: Carried) -> list[Value]:
        """Two steps a turn, then the odd one: a taken branch for every 32 multiply-adds is enough."""
        held = repeat(builder, builder.lshr(count, whole(1)), held, steps(2))
        return repeat(builder, builder.and_(count, whole(1)), held, steps(1))

    held: list[Value] = [*heads, *asking.first, *(each.b.start for each in columns)]
    held += [load_vector(builder, each.start.at(builder, i)) for i in range(height) for each in columns]
    if a.panel is None:
        held = in_pairs(depth, held)
    else:
        panel = a.panel

        def group(index: Value, held: Carried) -> Carried:
            left = builder.sub(depth, builder.shl(index, whole(4)))
            inside = in_pairs(emit_min16(builder, left), held)
            return [*(advance(builder, each, panel) for each in held[: len(heads)]), *inside[len(heads) :]]

        groups = builder.lshr(builder.add(depth, whole(LANES - 1)), whole(4))
        held = repeat(builder, groups, held, group)
    for j, each in enumerate(parted(held[len(heads) :])[2]):
        store_vector(builder, each, columns[j % wide].c.at(builder, j // wide))


@emits(NOTHING, *[WORD] * 9)
def tiles(
    builder: Any,
    rows: Value,
    depth: Value,
    a: Value,
    a_row: Value,
    a_panel: Value,
    b: Value,
    c: Value,
    start: Value,
    start_row: Value,
) -> None:
    """Compute C[rows][16] = start + A B; A is row-major (`a_panel` 16) or in panels (`a_row` 16).

    The sums start from lines `start_row` floats apart: 0 for one line, 16 to go on with what C is. Only where
    not `in_pairs()`.
    """
    if machine().paired_rows:
        return
    left = Left(floats(builder, a), a_row, whole(1), a_panel)
    none = whole(0)
    emit_tiles(
        builder, rows, depth, left, _panels(builder, 1, (b, none), (c, none), (start, start_row, none))
    )


@emits(NOTHING, *[WORD] * 17)
def paired_tiles(
    builder: Any,
    rows: Value,
    depth: Value,
    a: Value,
    a_row: Value,
    a_panel: Value,
    b: Value,
    b_panel: Value,
    c: Value,
    c_panel: Value,
    start: Value,
    start_row: Value,
    start_panel: Value,
    soon_1: Value,
    soon_2: Value,
    turns: Value,
    apart: Value,
    step: Value,
) -> None:
    """Compute two panels as `tiles` does one; they lie `b_panel`, `c_panel` and `start_panel` floats apart.
    Only where `in_pairs()`. What is read soon from two addresses on is asked for meanwhile."""
    left = Left(floats(builder, a), a_row, whole(1), a_panel)
    columns = _panels(builder, 2, (b, b_panel), (c, c_panel), (start, start_row, start_panel))
    emit_tiles(builder, rows, depth, left, columns, Soon((soon_1, soon_2), turns, apart, step))


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
    start = Lines(floats(builder, emit_zeros(builder)), whole(0))
    emit_tiles(builder, rows, depth, left, [Column(right, result, start)])


@emits(NOTHING, *[WORD] * 9)
def turned_tiles(
    builder: Any,
    rows: Value,
    depth: Value,
    a: Value,
    a_step: Value,
    b: Value,
    c: Value,
    soon_1: Value,
    soon_2: Value,
    lines: Value,
) -> None:
    """Compute C[rows][16] = A B where the rows of A are neighbors: A is stored transposed. So many `lines`
    from two addresses on are asked for meanwhile. Only where not `in_pairs()`."""
    if machine().paired_rows:
        return
    left = Left(floats(builder, a), whole(1), a_step)
    none = whole(0)
    start = emit_zeros(builder), none, none
    columns = _panels(builder, 1, (b, none), (c, none), start)
    emit_tiles(
        builder, rows, depth, left, columns, Soon((soon_1, soon_2), lines, builder.shl(depth, whole(5)))
    )


@emits(NOTHING, *[WORD] * 11)
def paired_turned_tiles(
    builder: Any,
    rows: Value,
    depth: Value,
    a: Value,
    a_step: Value,
    b: Value,
    b_panel: Value,
    c: Value,
    c_panel: Value,
    soon_1: Value,
    soon_2: Value,
    lines: Value,
) -> None:
    """Compute two panels as `turned_tiles` does one. Only where `in_pairs()`."""
    left = Left(floats(builder, a), whole(1), a_step)
    start = emit_zeros(builder), whole(0), whole(0)
    columns = _panels(builder, 2, (b, b_panel), (c, c_panel), start)
    emit_tiles(
        builder, rows, depth, left, columns, Soon((soon_1, soon_2), lines, builder.shl(depth, whole(5)))
    )


def _panels(
    builder: Any,
    count: int,
    b: tuple[Value, Value],
    c: tuple[Value, Value],
    start: tuple[Value, Value, Value],
) -> list[Column]:
    """Return neighboring panels: each argument is an address, the floats from line to line (16 for B and C),
    and those from panel to panel."""

    def lines(number: int, address: Value, line: Value, panel: Value) -> Lines:
        return Lines(floats(builder, address, builder.mul(panel, whole(number))), line)

    return [
        Column(lines(i, b[0], LINE, b[1]), lines(i, c[0], LINE, c[1]), lines(i, *start)) for i in range(count)
    ]


@emits(WORD)
def in_pairs(builder: Any) -> Value:
    """Return whether two panels are computed at once: 1 where there are registers for it, else 0."""
    return whole(int(bool(machine().paired_rows)))


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
        # Numba's own way would set it to zeros.
        with builder.goto_entry_block():
            block = builder.alloca(ir.ArrayType(F32, count))
        block.align = 64
        # LLVM looks for all that is done with a block that it knows, from each place that names it: hidden,
        # `product_back` takes 0.11 instead of 0.36 s to optimize.
        return hidden(builder, builder.ptrtoint(block, I64))

    return place


square = stack_floats(16 * 16)
"""Room for 16 rows of 16 floats on the stack."""

two_squares = stack_floats(2 * 16 * 16)
"""Room for twice as much."""
