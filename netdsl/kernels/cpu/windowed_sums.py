"""Tiles of the gradients of convolutions' weights: sums over places, gathered through a table."""

from collections.abc import Sequence
from typing import Any

from netdsl.kernels.cpu.emission import (
    LANES,
    NOTHING,
    WORD,
    ZEROS,
    Value,
    emits,
    floats,
    load_vector,
    store_vector,
    whole,
)
from netdsl.kernels.cpu.machine import machine
from netdsl.kernels.cpu.windowed import STRIPS, Factors, Shape, choose, lanewise_kinds, summed


def _gradient_kinds() -> dict[int, Shape]:
    lines = range(1, machine().rows[0] + 1)
    return {each: Shape(each, line=1) for each in lines} | lanewise_kinds()


def _gradient_in_halves_kinds() -> dict[int, Shape]:
    """Return tiles of all rows of square windows of one channel, and of a row of any."""
    kinds = {lines: Shape(lines, line=1, two_lines=True) for lines in range(1, machine().rows[0] + 1)}
    rows = {
        STRIPS + taps + 1: Shape(taps + 1, taps, line=1, two_lines=True)
        for taps in range(2, _most_rows() + 1)
    }
    return kinds | rows


@emits(WORD)
def most_rows_of_taps(builder: Any) -> Value:
    """Return of how many rows of taps, at most, a tile of a gradient in halves can be."""
    return whole(_most_rows())


def _most_rows() -> int:
    """30 sums, a line of B and a number of A fill a machine's 32 registers, if a register is a line."""
    return 5 if machine().rows[0] >= LANES else 0


@emits(NOTHING, *[WORD] * 9)
def windowed_sums(builder: Any, kind: Value, *words: Value) -> None:
    """Compute some lines of C = A B, one below the other, or add to them if `adds` is not 0.

    `kind` is the number of lines, plus LANEWISE: then those of A are `a_line` apart, else neighbors. The
    other words are: table, entries, a, a_line, a_step, b, c, adds.
    """
    choose(builder, "sums", kind, words, _gradient_kinds(), _gradient_tile)


@emits(NOTHING, *[WORD] * 9)
def sums_in_halves(builder: Any, kind: Value, *words: Value) -> None:
    """Compute the same with the first halves of two lines of B as one, also in strips: STRIPS plus the lines
    of each, of which there is one less. `a_line` are the floats of A from strip to strip."""
    choose(builder, "sums", kind, words, _gradient_in_halves_kinds(), _gradient_tile)


def _gradient_tile(builder: Any, shape: Shape, words: Sequence[Value]) -> None:
    """Emit a tile; the words are the arguments of `windowed_sums` but for the kind."""
    table, entries, a, a_line, a_step, b, c, adds = words
    nothing = whole(0)
    factors = Factors(floats(builder, a), a_line, a_line, a_step, nothing, floats(builder, b), nothing)
    places = [floats(builder, c, LANES * i) for i in range(shape.sums)]
    is_more = builder.icmp_signed("!=", adds, nothing)
    sums = [builder.select(is_more, load_vector(builder, each), ZEROS) for each in places]
    sums = summed(builder, shape, (table, entries), factors, sums)
    for each, place in zip(sums, places, strict=True):
        store_vector(builder, each, place)
