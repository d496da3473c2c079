"""What a core can do at most: multiply and add in registers, and stream through memory."""

from typing import Any

from netdsl.kernels.cpu.emission import (
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
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.matrix_tiles import BLOCK, add_products, configure_tiles, release_tiles


@emits(NOTHING, WORD, WORD)
def _sums(builder: Any, target: Value, turns: Value) -> None:
    factor = splat(builder, builder.load(floats(builder, target), align=4))

    def turn(_: Value, held: Carried) -> Carried:
        return [multiply_add(builder, each, factor, factor, fused=machine().fma) for each in held]

    held = repeat(builder, turns, [factor] * machine().sums, turn)
    for i, each in enumerate(held):
        store_vector(builder, each, floats(builder, target, i * LANES))


@emits(NOTHING, WORD, WORD, WORD)
def _stream(builder: Any, target: Value, source: Value, lines: Value) -> None:
    def turn(_: Value, held: Carried) -> Carried:
        for i in range(0, 4 * LANES, LANES):
            to, other = (advance(builder, each, i) for each in held)
            both = builder.fadd(load_vector(builder, to), load_vector(builder, other))
            store_vector(builder, both, to)
        return [advance(builder, each, 4 * LANES) for each in held]

    start = floats(builder, target), floats(builder, source)
    repeat(builder, builder.lshr(lines, whole(2)), start, turn)


@kernel
def multiply_adds(target: int, turns: int) -> None:
    """Multiply and add in independent sums, all in registers; `target` has a line of 16 floats for each."""
    _sums(target, turns)


@kernel
def multiply_tiles(source: int, turns: int) -> None:
    """Multiply and add in tiles: each turn is a float32 product of 32 rows by 32 columns, 32 steps deep, of
    factors in parts; `source` has two blocks of each."""
    configure_tiles()
    for _ in range(turns):
        add_products(1, source, BLOCK, source + 2 * BLOCK, BLOCK)
    release_tiles()


@kernel
def add_lines(target: int, source: int, lines: int) -> None:
    """Add lines of 16 floats to others, four at a time: two are read and one is written, as in an update."""
    _stream(target, source, lines)
