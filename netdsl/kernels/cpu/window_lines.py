"""What pools do with one window of an image: 16 channels of a place, or one channel of 16 examples, are a
vector in a register. `place` are the floats from one place of a line to the next."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    I32,
    LANES,
    NOTHING,
    PANEL,
    WORD,
    ZEROS,
    Value,
    advance,
    emits,
    floats,
    load_vector,
    splat,
    store_vector,
)
from netdsl.kernels.cpu.looping import Carried, repeat

_NUMBERS = ir.VectorType(I32, LANES)


def _over_places(
    builder: Any,
    x: Value,
    steps: tuple[Value, Value],
    extents: tuple[Value, Value],
    held: Carried,
    body: Callable[[Value, Value, Value, Carried], Carried],
) -> list[Value]:
    """Emit loops over the places of a window; `body` is given a row, a column, a pointer and what is held."""
    (line, place), (rows, columns) = steps, extents
    start = floats(builder, x)

    def row(down: Value, held: Carried) -> Carried:
        begin = advance(builder, start, builder.mul(down, line))

        def column(across: Value, held: Carried) -> Carried:
            return body(down, across, advance(builder, begin, builder.mul(across, place)), held)

        return repeat(builder, columns, held, column)

    return repeat(builder, rows, held, row)


def _tap(builder: Any, first: Value, size: Value, down: Value, across: Value) -> Value:
    """Return the number of a place within its window, in each lane."""
    number = builder.add(first, builder.add(builder.mul(down, size), across))
    return splat(builder, builder.trunc(number, I32))


@emits(NOTHING, *[WORD] * 9)
def best_line(
    builder: Any,
    x: Value,
    line: Value,
    place: Value,
    rows: Value,
    columns: Value,
    tap: Value,
    size: Value,
    y: Value,
    numbers: Value,
) -> None:
    """Store the greatest number of each lane and its tap, the first of equals; NaN is greater than any."""

    def body(down: Value, across: Value, here: Value, held: Carried) -> Carried:
        best, number = held
        value = load_vector(builder, here)
        first = builder.icmp_signed("<", number, _taps(0))
        wins = builder.or_(_wins(builder, value, best), first)
        told = _tap(builder, tap, size, down, across)
        return [builder.select(wins, value, best), builder.select(wins, told, number)]

    least = ir.Constant(PANEL, [float("-inf")] * LANES)
    none = _taps(-1)
    best, number = _over_places(builder, x, (line, place), (rows, columns), [least, none], body)
    store_vector(builder, best, floats(builder, y))
    store_vector(builder, builder.bitcast(number, PANEL), floats(builder, numbers))


def _wins(builder: Any, value: Value, best: Value) -> Value:
    """Tell in which lanes a value is greater, or the first that is no number."""
    was_one = builder.fcmp_ordered("ord", best, best)
    return builder.and_(builder.fcmp_unordered(">", value, best), was_one)


def _taps(number: int) -> Value:
    return ir.Constant(_NUMBERS, [number] * LANES)


def _of_four(builder: Any, x: Value, line: Value, place: Value) -> list[Value]:
    """Return pointers to the places of a window of two by two."""
    start = floats(builder, x)
    below = advance(builder, start, line)
    return [start, advance(builder, start, place), below, advance(builder, below, place)]


@emits(NOTHING, *[WORD] * 5)
def best_of_four(builder: Any, x: Value, line: Value, place: Value, y: Value, numbers: Value) -> None:
    """Store what `best_line` does, of a whole window of two by two: a third of its time without loops."""
    first, *others = (load_vector(builder, each) for each in _of_four(builder, x, line, place))
    best, number = first, _taps(0)
    for tap, value in enumerate(others, 1):
        wins = _wins(builder, value, best)
        best = builder.select(wins, value, best)
        number = builder.select(wins, _taps(tap), number)
    store_vector(builder, best, floats(builder, y))
    store_vector(builder, builder.bitcast(number, PANEL), floats(builder, numbers))


@emits(NOTHING, *[WORD] * 5)
def give_to_four(builder: Any, dx: Value, line: Value, place: Value, dy: Value, numbers: Value) -> None:
    """Set the places of a window of two by two that no other window sees."""
    given = load_vector(builder, floats(builder, dy))
    number = load_vector(builder, floats(builder, numbers), _NUMBERS)
    for tap, here in enumerate(_of_four(builder, dx, line, place)):
        hit = builder.icmp_signed("==", number, _taps(tap))
        store_vector(builder, builder.select(hit, given, ZEROS), here)


@emits(NOTHING, *[WORD] * 6)
def sum_line(
    builder: Any, x: Value, line: Value, place: Value, rows: Value, columns: Value, y: Value
) -> None:
    """Store the sum of each lane over the places of a window."""

    def body(_: Value, __: Value, here: Value, held: Carried) -> Carried:
        return [builder.fadd(held[0], load_vector(builder, here))]

    (total,) = _over_places(builder, x, (line, place), (rows, columns), [ZEROS], body)
    store_vector(builder, total, floats(builder, y))


@emits(NOTHING, *[WORD] * 9)
def give_line(
    builder: Any,
    dx: Value,
    line: Value,
    place: Value,
    rows: Value,
    columns: Value,
    tap: Value,
    size: Value,
    dy: Value,
    numbers: Value,
) -> None:
    """Add each lane of a line to the place of the window that its number tells."""
    given = load_vector(builder, floats(builder, dy))
    number = load_vector(builder, floats(builder, numbers), _NUMBERS)

    def body(down: Value, across: Value, here: Value, _: Carried) -> Carried:
        hit = builder.icmp_signed("==", number, _tap(builder, tap, size, down, across))
        share = builder.select(hit, given, ZEROS)
        store_vector(builder, builder.fadd(load_vector(builder, here), share), here)
        return []

    _over_places(builder, dx, (line, place), (rows, columns), [], body)


@emits(NOTHING, *[WORD] * 6)
def spread_line(
    builder: Any, dx: Value, line: Value, place: Value, rows: Value, columns: Value, dy: Value
) -> None:
    """Add a line to each place of a window."""
    given = load_vector(builder, floats(builder, dy))

    def body(_: Value, __: Value, here: Value, ___: Carried) -> Carried:
        store_vector(builder, builder.fadd(load_vector(builder, here), given), here)
        return []

    _over_places(builder, dx, (line, place), (rows, columns), [], body)
