"""Tiles whose left factor is gathered through a table: the sums of convolutions.

A tile is some lines of 16 sums. Its sum goes over the entries of a table, each
`[start in A, group of A, start in B, steps]`: so many neighboring lines of B, each times one number of A for
each line of the tile, or, lane by lane, times 16 of them. Each sum is one chain of fused multiply-adds in the
order of the table: its bits depend neither on the height of the tile nor on the width of the registers.
"""

from collections.abc import Callable
from typing import Any, Final

from netdsl.kernels.cpu.emission import (
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

ENTRY: Final = 4
"""Words of an entry of a table."""

LANEWISE: Final = 64
"""What is added to the kind of a tile that multiplies lane by lane."""


@emits(WORD)
def tallest(builder: Any) -> Value:
    """Return how many lines the highest tile has."""
    return whole(machine().rows[0])


@emits(WORD)
def tallest_lanewise(builder: Any) -> Value:
    """Return how many lines the highest tile has that multiplies lane by lane."""
    return whole(_most_lanewise())


def _most_lanewise() -> int:
    return min(8, machine().rows[0])


def _kinds(strips: bool) -> dict[int, tuple[int, int]]:
    """Return the tiles there are: strips of lines that follow each other, and the lines of a strip.

    `h` is one strip of so many lines; `tallest + h` as many strips of `h` lines as fit. Tiles that multiply
    lane by lane are one strip.
    """
    most = machine().rows[0]
    one = {height: (1, height) for height in range(1, most + 1)}
    lanewise = {LANEWISE + height: (1, height) for height in range(1, _most_lanewise() + 1)}
    several = {most + height: (most // height, height) for height in range(1, most // 2 + 1) if strips}
    return one | lanewise | several


@emits(NOTHING, *[WORD] * 15)
def windowed_tile(builder: Any, *arguments: Value) -> None:
    """Compute one tile of C = start + A B, of one strip or several; its arguments are those of `_tile`."""
    _tile(builder, _kinds(strips=True), *arguments)


@emits(NOTHING, *[WORD] * 15)
def windowed_strip(builder: Any, *arguments: Value) -> None:
    """Compute one tile of C = start + A B, of one strip; its arguments are those of `_tile`."""
    _tile(builder, _kinds(strips=False), *arguments)


def _tile(
    builder: Any,
    kinds: dict[int, tuple[int, int]],
    kind: Value,
    table: Value,
    entries: Value,
    a: Value,
    a_strip: Value,
    a_line: Value,
    a_step: Value,
    a_group: Value,
    b: Value,
    c: Value,
    c_strip: Value,
    c_line: Value,
    start: Value,
    start_line: Value,
    start_strip: Value,
) -> None:
    """Emit one tile of C = start + A B.

    `kind` is its shape (see `_kinds`), plus LANEWISE to multiply lane by lane. Strides are in floats: from
    strip to strip, from line to line and, of A, from step to step and from group to group.
    """
    table = builder.inttoptr(table, I64.as_pointer())
    left, right = floats(builder, a), floats(builder, b)
    after = builder.append_basic_block("after")
    choice = builder.switch(kind, after)
    for number, shape in kinds.items():
        case = builder.append_basic_block(f"tile{number}")
        choice.add_case(whole(number), case)
        builder.position_at_end(case)
        firsts = _places(builder, floats(builder, start), shape, start_strip, start_line)
        sums = [load_vector(builder, each) for each in firsts]
        offsets = _offsets(builder, shape, a_strip, a_line)
        strides, lanewise = (a_group, a_step), number > LANEWISE
        sums = _over_entries(builder, table, entries, (left, right), strides, offsets, sums, lanewise)
        places = _places(builder, floats(builder, c), shape, c_strip, c_line)
        for each, place in zip(sums, places, strict=True):
            store_vector(builder, each, place)
        builder.branch(after)
    builder.position_at_end(after)


def _offsets(builder: Any, shape: tuple[int, int], strip: Value, line: Value) -> list[Value]:
    strips, lines = shape
    return [
        builder.add(builder.mul(strip, whole(s)), builder.mul(line, whole(i)))
        for s in range(strips)
        for i in range(lines)
    ]


def _places(builder: Any, start: Value, shape: tuple[int, int], strip: Value, line: Value) -> list[Value]:
    return [advance(builder, start, offset) for offset in _offsets(builder, shape, strip, line)]


def _over_entries(
    builder: Any,
    table: Value,
    entries: Value,
    starts: tuple[Value, Value],
    strides: tuple[Value, Value],
    offsets: list[Value],
    sums: list[Value],
    lanewise: bool,
) -> list[Value]:
    group, step = strides

    def steps(count: int) -> Callable[[Value, Carried], Carried]:
        def turn(_: Value, held: Carried) -> Carried:
            left, right, *sums = held
            for _ in range(count):
                line = load_vector(builder, right)
                sums = [
                    _product(builder, advance(builder, left, offset), line, each, lanewise)
                    for offset, each in zip(offsets, sums, strict=True)
                ]
                left, right = advance(builder, left, step), advance(builder, right, LANES)
            return [left, right, *sums]

        return turn

    def entry(index: Value, sums: Carried) -> Carried:
        words = [
            builder.load(advance(builder, table, builder.add(builder.mul(index, whole(ENTRY)), whole(i))))
            for i in range(ENTRY)
        ]
        left = advance(builder, starts[0], builder.add(words[0], builder.mul(words[1], group)))
        held: Carried = [left, advance(builder, starts[1], words[2]), *sums]
        if lanewise:
            held = repeat(builder, words[3], held, steps(1))
        else:
            held = repeat(builder, builder.lshr(words[3], whole(1)), held, steps(2))
            held = repeat(builder, builder.and_(words[3], whole(1)), held, steps(1))
        return held[2:]

    return repeat(builder, entries, sums, entry)


def _product(builder: Any, left: Value, line: Value, total: Value, lanewise: bool) -> Value:
    number = load_vector(builder, left) if lanewise else splat(builder, builder.load(left, align=4))
    return multiply_add(builder, number, line, total, fused=machine().fma)
