"""As many multiplications and additions as a core can do: what products are measured against."""

from typing import Any

from netdsl.kernels.cpu.emission import (
    LANES,
    NOTHING,
    WORD,
    Value,
    emits,
    floats,
    multiply_add,
    splat,
    store_vector,
)
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine


@emits(NOTHING, WORD, WORD)
def _sums(builder: Any, target: Value, turns: Value) -> None:
    factor = splat(builder, builder.load(floats(builder, target), align=4))

    def turn(_: Value, held: Carried) -> Carried:
        return [multiply_add(builder, each, factor, factor, fused=machine().fma) for each in held]

    held = repeat(builder, turns, [factor] * machine().sums, turn)
    for i, each in enumerate(held):
        store_vector(builder, each, floats(builder, target, i * LANES))


@kernel
def multiply_adds(target: int, turns: int) -> None:
    """Multiply and add in independent sums, all in registers; `target` has a line of 16 floats for each."""
    _sums(target, turns)
