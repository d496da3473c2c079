"""Tiles whose left factor is gathered through a table: the sums of convolutions.

A tile is some lines of 16 sums, or of two panels of 16. Its sum goes over the entries of a table, each
`[start in A, group of A, start in B, steps]`: so many neighboring lines of B, each times one number of A for
each line of the tile, or, lane by lane, times 16 of them. Each sum is one chain of fused multiply-adds in the
order of the table: its bits depend neither on the shape of the tile nor on the width of the registers.

A core with registers of 16 numbers can multiply and add as often as it can load. So a number of A is read
once for two panels where there are two (88 to 94 % of peak in the first cache, one panel 80 %), and lines
of A are known to be neighbors where they are (constants in the addresses; with a register for the distance
one panel reaches 66 %).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from llvmlite import ir

from netdsl.kernels.cpu.emission import (
    F32,
    I32,
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

HALF: Final = LANES // 2

Kind = TypeVar("Kind")

ENTRY: Final = 4
"""Words of an entry of a table."""

STRIPS: Final = 32
"""What is added to the kind of a tile of several strips: as many of so many lines as fit."""

LANEWISE: Final = 64
"""What is added to the kind of a tile that multiplies lane by lane."""

PAIRED: Final = 128
"""What is added to the kind of a tile of two panels."""

APART: Final = 192
"""What is added to the kind of a tile whose lines of A are any distance apart, not neighbors of 16."""

HALVED: Final = 256
"""What is added to the kind of a tile whose lines are two places of 8 channels each."""

TURN: Final = 8
"""Vectors of a tile from which on a turn of its loop is one step, not two: enough work for a branch."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a tile is made of: strips of lines that follow each other, in so many panels.

    `line` are the floats from line to line of A where they are known. Lines that are two places of 8 channels
    are stored as such (`halved`), or two lines of B are one (`two_lines`).
    """

    lines: int
    strips: int = 1
    panels: int = 1
    line: int | None = LANES
    lanewise: bool = False
    halved: bool = False
    two_lines: bool = False

    @property
    def sums(self) -> int:
        """Vectors that are summed up."""
        return self.lines * self.strips * self.panels


_HALF_A_LINE: Final = ir.VectorType(F32, HALF)

Place = tuple[Value | None, Value]
"""Floats from the first line of a tile to the first of a strip, and from there to a line."""


@emits(WORD)
def tallest(builder: Any) -> Value:
    """Return how many lines the highest tile has."""
    return whole(machine().rows[0])


@emits(WORD)
def tallest_pair(builder: Any) -> Value:
    """Return how many lines the highest tile of two panels has, 0 where there is none."""
    return whole(_most_paired())


@emits(WORD)
def tallest_lanewise(builder: Any) -> Value:
    """Return how many lines the highest tile has that multiplies lane by lane."""
    return whole(_most_lanewise())


@emits(WORD)
def tallest_apart(builder: Any) -> Value:
    """Return how many lines the highest tile has whose lines of A are any distance apart."""
    return whole(_most_apart())


def _most_apart() -> int:
    return machine().rows[0] * 3 // 4 if machine().rows[0] >= LANES else machine().rows[0]


def _most_lanewise() -> int:
    return min(8, machine().rows[0])


def _most_paired() -> int:
    """28 sums, two lines of B and a number of A fill 31 registers; with 16 of 8 numbers one panel does."""
    return 14 if machine().rows[0] >= LANES else 0


def _image_kinds() -> dict[int, Shape]:
    """Return the tiles there are. What is compiled is time before a first step: strips are of a fifth of the
    greatest height at least, and tiles that few layers need stop at three quarters of it."""
    kinds = {APART + lines: Shape(lines, line=None) for lines in range(1, _most_apart() + 1)}
    kinds |= _of_each_height(0, machine().rows[0], Shape(0))
    return kinds | _of_each_height(PAIRED, _most_paired(), Shape(0, panels=2)) | lanewise_kinds()


def _halved_kinds() -> dict[int, Shape]:
    most, shape = machine().rows[0], Shape(0, line=2 * LANES, halved=True)
    apart = {HALVED + APART + lines: replace(shape, lines=lines, line=None) for lines in range(1, most + 1)}
    return _of_each_height(HALVED, most, shape) | apart


def _of_each_height(plus: int, tall: int, shape: Shape) -> dict[int, Shape]:
    one = {plus + lines: replace(shape, lines=lines) for lines in range(1, tall + 1)}
    several = range(tall // 5 + 1, tall // 2 + 1)
    return one | {
        plus + STRIPS + lines: replace(shape, lines=lines, strips=tall // lines) for lines in several
    }


def lanewise_kinds() -> dict[int, Shape]:
    """Return the tiles that multiply lane by lane."""
    heights = range(1, _most_lanewise() + 1)
    return {LANEWISE + lines: Shape(lines, line=None, lanewise=True) for lines in heights}


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors of a tile. Strides are in floats: of A from strip to strip, line to line, step to step and
    group to group; of B from panel to panel."""

    a: Value
    a_strip: Value
    a_line: Value
    a_step: Value
    a_group: Value
    b: Value
    b_panel: Value


@emits(NOTHING, *[WORD] * 16)
def windowed_tile(builder: Any, kind: Value, *words: Value) -> None:
    """Compute one tile of C = start + A B, `start` a line for each panel.

    `kind` is its shape: lines, plus STRIPS, PAIRED, LANEWISE or APART; the other words are: table, entries,
    a, a_strip, a_line, a_step, a_group, b, b_panel, c, c_strip, c_line, c_panel, start, start_panel. Strides
    are in floats.
    """
    choose(builder, "tile", kind, words, _image_kinds(), _image_tile)


@emits(NOTHING, *[WORD] * 16)
def halved_tile(builder: Any, kind: Value, *words: Value) -> None:
    """Compute the same for lines that are two places of 8 channels: `kind` is HALVED plus the shape.

    Lines of A are 32 apart, two places, or, with APART, any distance.
    """
    choose(builder, "halved", kind, words, _halved_kinds(), _image_tile)


def _image_tile(builder: Any, shape: Shape, words: Sequence[Value]) -> None:
    """Emit a tile; the words are the arguments of `windowed_tile` but for the kind."""
    table, entries, a, a_strip, a_line, a_step, a_group, b, b_panel = words[:9]
    c, c_strip, c_line, c_panel, start, start_panel = words[9:]
    factors = Factors(floats(builder, a), a_strip, a_line, a_step, a_group, floats(builder, b), b_panel)
    firsts = [
        load_vector(builder, floats(builder, start, builder.mul(start_panel, whole(panel))))
        for panel in range(shape.panels)
    ]
    if shape.halved:
        firsts = [_halves(builder, _half(builder, each, 0), _half(builder, each, 0)) for each in firsts]
    sums = summed(builder, shape, (table, entries), factors, firsts * (shape.lines * shape.strips))
    places = _places(builder, shape, c_strip, c_line)
    if shape.halved:
        for each, place in zip(sums, places, strict=True):
            target = _at(builder, floats(builder, c), place)
            for half in (0, 1):
                store_vector(builder, _half(builder, each, half), advance(builder, target, LANES * half))
        return
    for panel in range(shape.panels):
        target = floats(builder, c, builder.mul(c_panel, whole(panel)))
        for each, place in zip(sums[panel :: shape.panels], places, strict=True):
            store_vector(builder, each, _at(builder, target, place))


def choose(
    builder: Any,
    name: str,
    kind: Value,
    words: Sequence[Value],
    kinds: Mapping[int, Kind],
    tile: Callable[[Any, Kind, Sequence[Value]], None],
) -> None:
    """Emit a tile of each kind, and the choice among them.

    Each is a function by itself: LLVM compiles many small ones in half the time of a large one.
    """
    after = builder.append_basic_block("after")
    choice = builder.switch(kind, after)
    signature = ir.FunctionType(ir.VoidType(), [I64] * len(words))
    for number, shape in kinds.items():
        function = ir.Function(builder.module, signature, f"netdsl.{name}{number}")
        function.linkage = "internal"
        function.attributes.add("noinline")
        inside = ir.IRBuilder(function.append_basic_block())
        tile(inside, shape, function.args)
        inside.ret_void()
        case = builder.append_basic_block(f"{name}{number}")
        choice.add_case(whole(number), case)
        builder.position_at_end(case)
        builder.call(function, words)
        builder.branch(after)
    builder.position_at_end(after)


def _places(builder: Any, shape: Shape, strip: Value, line: Value | int) -> list[Place]:
    """Return where the lines of a tile lie."""
    return [
        (
            builder.mul(strip, whole(s)) if s else None,
            whole(line * i) if isinstance(line, int) else builder.mul(line, whole(i)),
        )
        for s in range(shape.strips)
        for i in range(shape.lines)
    ]


def _at(builder: Any, start: Value, place: Place) -> Value:
    strip, line = place
    return advance(builder, start if strip is None else advance(builder, start, strip), line)


def summed(
    builder: Any, shape: Shape, table: tuple[Value, Value], factors: Factors, sums: Sequence[Value]
) -> list[Value]:
    """Emit the sums over the entries of a table; those of a line's panels are neighbors in `sums`."""
    words, entries = builder.inttoptr(table[0], I64.as_pointer()), table[1]
    line = factors.a_line if shape.line is None else shape.line
    places = _places(builder, shape, factors.a_strip, line)

    def steps(count: int) -> Callable[[Value, Carried], Carried]:
        def turn(_: Value, held: Carried) -> Carried:
            left, right, *sums = held
            for _ in range(count):
                lines = [
                    _line(builder, shape, advance(builder, right, builder.mul(factors.b_panel, whole(panel))))
                    for panel in range(shape.panels)
                ]
                products: list[Value] = []
                for place in places:
                    number = _number(builder, shape, _at(builder, left, place))
                    for line in lines:
                        total = sums[len(products)]
                        products.append(multiply_add(builder, number, line, total, fused=machine().fma))
                sums = products
                left = advance(builder, left, factors.a_step)
                right = advance(builder, right, 2 * LANES if shape.two_lines else LANES)
            # LLVM would count with one register and add that to all addresses, and a multiplication by what
            # is read from a sum of two registers is two operations for the core: 66 % of peak, not 80 %.
            return [hidden(builder, left), right, *sums]

        return turn

    def entry(index: Value, sums: Carried) -> Carried:
        start, group, line, count = (
            builder.load(advance(builder, words, builder.add(builder.mul(index, whole(ENTRY)), whole(i))))
            for i in range(ENTRY)
        )
        left = advance(builder, factors.a, builder.add(start, builder.mul(group, factors.a_group)))
        held: Carried = [left, advance(builder, factors.b, line), *sums]
        if shape.lanewise or shape.sums >= TURN:
            held = repeat(builder, count, held, steps(1))
        else:
            held = repeat(builder, builder.lshr(count, whole(1)), held, steps(2))
            held = repeat(builder, builder.and_(count, whole(1)), held, steps(1))
        return held[2:]

    return repeat(builder, entries, sums, entry)


def _number(builder: Any, shape: Shape, place: Value) -> Value:
    """Return what a line of B is multiplied by: a number in all lanes, or one in each."""
    return load_vector(builder, place) if shape.lanewise else splat(builder, builder.load(place, align=4))


def _half(builder: Any, line: Value, number: int) -> Value:
    """Return the first or the second half of a line."""
    mask = [HALF * number + i for i in range(HALF)]
    return builder.shuffle_vector(line, line, ir.Constant(ir.VectorType(I32, HALF), mask))


def _halves(builder: Any, first: Value, second: Value) -> Value:
    """Return two vectors of half a line as one."""
    mask = ir.Constant(ir.VectorType(I32, LANES), [*range(LANES)])
    return builder.shuffle_vector(first, second, mask)


def _line(builder: Any, shape: Shape, place: Value) -> Value:
    """Return a line of B."""
    if not shape.two_lines:
        return load_vector(builder, place)
    halves = [load_vector(builder, advance(builder, place, i), _HALF_A_LINE) for i in (0, LANES)]
    return _halves(builder, *halves)
