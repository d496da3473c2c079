"""The products of Winograd's convolutions: for each frequency one of matrices, of tiles by channels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netdsl.kernels.cpu.emission import (
    I64,
    LANES,
    NOTHING,
    WORD,
    ZEROS,
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
from netdsl.kernels.cpu.memory import ask_for_line
from netdsl.kernels.cpu.turning import emit_min16
from netdsl.kernels.cpu.windowed import PAIRED, Shape, choose
from netdsl.kernels.cpu.winograd_transforms import SPREAD


def _has_pairs() -> bool:
    return machine().rows[0] >= LANES


def _most_tiles() -> int:
    """28 sums, two lines and a number fill 31 registers, if a register is a line."""
    return 14 if _has_pairs() else machine().rows[0]


def _channels_at_once() -> int:
    """Return for how many of 16 channels a gradient is summed at once: 16 sums do not wait for each other,
    and with two panels there are 10 loads for 16 multiply-adds."""
    return 8 if _has_pairs() else 4 if machine().rows[0] >= 4 else 2


@emits(WORD)
def panels_at_once(builder: Any) -> Value:
    """Return how many panels a product is of at most."""
    return whole(2 if _has_pairs() else 1)


@emits(WORD)
def most_tiles(builder: Any) -> Value:
    """Return how many tiles a product is of at most."""
    return whole(_most_tiles())


@emits(NOTHING, *[WORD] * 9)
def sums_of_tiles(builder: Any, kind: Value, *words: Value) -> None:
    """Compute one frequency of the outputs of some tiles: sums over channels.

    `kind` is the number of tiles, an even one, plus PAIRED for two panels of outputs; the other words are:
    transformed X, the floats from panel to panel of it, panels, channels, transformed weights and the floats
    from panel to panel of them, outputs and the floats from panel to panel of these.
    """
    kinds = {tiles: Shape(tiles) for tiles in range(2, _most_tiles() + 1, 2)}
    if _has_pairs():
        kinds |= {PAIRED + tiles: replace(shape, panels=2) for tiles, shape in kinds.items()}
    choose(builder, "frequency", kind, words, kinds, _outputs)


def _outputs(builder: Any, shape: Shape, words: Sequence[Value]) -> None:
    x, x_panel, panels, channels, u, u_panel, y, y_panel = words
    wide = shape.panels

    def group(index: Value, held: Carried) -> Carried:
        left, right, sums = held[0], held[1 : 1 + wide], held[1 + wide :]
        count = emit_min16(builder, builder.sub(channels, builder.shl(index, whole(4))))
        for number in range(shape.lines):
            ask_for_line(builder, builder.ptrtoint(advance(builder, left, SPREAD * number + LANES), I64))
        sums = _summed(builder, count, (left, SPREAD, 1), (right, LANES), sums)
        right = [advance(builder, each, LANES * LANES) for each in right]
        return [advance(builder, left, x_panel), *right, *sums]

    right = [_panel(builder, u, u_panel, panel) for panel in range(wide)]
    held = [floats(builder, x), *right, *[ZEROS] * shape.sums]
    targets = [_panel(builder, y, y_panel, panel) for panel in range(wide)]
    for number, each in enumerate(repeat(builder, panels, held, group)[1 + wide :]):
        store_vector(builder, each, advance(builder, targets[number % wide], SPREAD * (number // wide)))


@emits(NOTHING, *[WORD] * 8)
def sums_over_tiles(builder: Any, panels: Value, *words: Value) -> None:
    """Add to one frequency of the gradient of 16 channels' weights: sums over tiles.

    It is for one panel of outputs or two; the other words are: tiles, transformed X, transformed dY and the
    floats from panel to panel of it, sums and the floats from panel to panel of these, and 0 where they
    begin.
    """
    kinds = {
        number: Shape(_channels_at_once(), panels=number) for number in ((1, 2) if _has_pairs() else (1,))
    }
    choose(builder, "gradient", panels, words, kinds, _gradient)


def _gradient(builder: Any, shape: Shape, words: Sequence[Value]) -> None:
    tiles, x, dy, dy_panel, sums, sums_panel, adds = words
    wide = shape.panels
    right = [_panel(builder, dy, dy_panel, panel) for panel in range(wide)]
    targets = [_panel(builder, sums, sums_panel, panel) for panel in range(wide)]
    is_more = builder.icmp_signed("!=", adds, whole(0))

    def some(index: Value, held: Carried) -> Carried:
        left, *targets = held
        places = [advance(builder, each, LANES * i) for i in range(shape.lines) for each in targets]
        begun = [builder.select(is_more, load_vector(builder, each), ZEROS) for each in places]
        ended = _summed(builder, tiles, (left, 1, SPREAD), (right, SPREAD), begun)
        for each, place in zip(ended, places, strict=True):
            store_vector(builder, each, place)
        below = [advance(builder, each, LANES * shape.lines) for each in targets]
        return [advance(builder, left, shape.lines), *below]

    repeat(builder, whole(LANES // shape.lines), [floats(builder, x), *targets], some)


def _summed(
    builder: Any,
    count: Value,
    left: tuple[Value, int, int],
    right: tuple[Sequence[Value], int],
    sums: Sequence[Value],
) -> list[Value]:
    """Emit so many steps of sums: each number of a left factor times a line of each panel of a right one.

    `left` is where its numbers lie, how far apart, and how far from step to step; `right` where lines lie,
    and how far from step to step. Those of a number's panels are neighbors in `sums`.
    """
    start, apart, step = left
    lines, line_step = right
    wide = len(lines)

    def turn(_: Value, held: Carried) -> Carried:
        place, *others = held
        factors = [load_vector(builder, each) for each in others[:wide]]
        made = []
        for number, total in enumerate(others[wide:]):
            if number % wide == 0:
                one = splat(builder, builder.load(advance(builder, place, apart * (number // wide)), align=4))
            made.append(multiply_add(builder, one, factors[number % wide], total, fused=machine().fma))
        # LLVM would count with one register and add that to all addresses (see `windowed.py`).
        place = hidden(builder, advance(builder, place, step))
        return [place, *(advance(builder, each, line_step) for each in others[:wide]), *made]

    return repeat(builder, count, [start, *lines, *sums], turn)[1 + wide :]


def _panel(builder: Any, address: Value, apart: Value, number: int) -> Value:
    return floats(builder, address, builder.mul(apart, whole(number)))
