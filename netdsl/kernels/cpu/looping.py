"""Loops of LLVM whose values stay in registers from turn to turn."""

from collections.abc import Callable, Sequence
from typing import Any

from netdsl.kernels.cpu.emission import I64, Value, whole

Carried = Sequence[Value]


def repeat(
    builder: Any, count: Value, carried: Carried, body: Callable[[Value, Carried], Carried]
) -> list[Value]:
    """Emit a loop; `body` is given the number of the turn and the carried values, and returns their next."""
    before = builder.block
    head, turn, after = (builder.append_basic_block(name) for name in ("head", "turn", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index, held = builder.phi(I64), [builder.phi(value.type) for value in carried]
    for phi, value in zip([index, *held], [whole(0), *carried], strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", index, count), turn, after)
    builder.position_at_end(turn)
    following = body(index, held)
    for phi, value in zip([index, *held], [builder.add(index, whole(1)), *following], strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return held
