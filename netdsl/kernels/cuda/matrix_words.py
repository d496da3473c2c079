"""The words for matrix units, as numba-cuda compiles them: it has none for them, so they are PTX.

A warp multiplies matrices that its lanes hold together; which lane has what is told in
`netdsl.kernels.cuda.matrix_units`.
"""

from collections.abc import Sequence
from typing import Any, Final

from numba.cuda import types
from numba.cuda.extending import intrinsic

from netdsl.kernels.cuda.instructions import (
    FLOAT,
    HALF,
    WORD,
    Signed,
    four_results,
    instruction,
    lane_number,
    near_address,
    shared,
    store_all,
)


@intrinsic
def tf32(context: Any, value: Any) -> Signed:
    """Round to ten bits of fraction: to the nearest, ties away from 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        made = instruction(builder, "cvt.rna.tf32.f32 $0, $1;", WORD, values, "=r,f")
        return builder.bitcast(made, FLOAT)

    return types.float32(types.float32), generate


@intrinsic
def bf16(context: Any, value: Any) -> Signed:
    """Round to seven bits of fraction: to the nearest, ties to even."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        return instruction(builder, "cvt.rn.bf16.f32 $0, $1;", HALF, values, "=h,f")

    return types.uint16(types.float32), generate


@intrinsic
def st4_bf16(context: Any, pointer: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Signed:
    """Round four neighbors as `bf16` and write them at once, to a multiple of four."""

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        pointer, index, a, b, c, d = values
        # The first of two operands is the upper half of a word.
        words = [
            instruction(builder, "cvt.rn.bf16x2.f32 $0, $1, $2;", WORD, pair, "=r,f,f")
            for pair in ((b, a), (d, c))
        ]
        pointer = builder.bitcast(builder.gep(pointer, [index]), WORD.as_pointer())
        store_all(builder, pointer, lane_number(0), *words, align=8)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, *[types.float32] * 4), generate


def _matrices(turned: str) -> Any:
    text = f"ldmatrix.sync.aligned.m8n8.x4{turned}.shared.b16 {{$0,$1,$2,$3}}, [$4];"
    # What others have written to memory must be there.
    letters = "=r,=r,=r,=r,r,~{memory}"

    @intrinsic
    def matrices(context: Any, pointer: Any, index: Any) -> Signed:
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            place = near_address(builder, *values)
            return four_results(context, builder, signature, text, WORD, [place], letters)

        return types.UniTuple(types.uint32, 4)(pointer, types.int64), generate

    return matrices


def _multiplied(shape: str, kind: str, factor: Any) -> Any:
    text = (
        f"mma.sync.aligned.{shape}.row.col.f32.{kind}.{kind}.f32 "
        "{$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$10,$11,$12,$13};"
    )
    letters = "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f"
    four = types.UniTuple(types.float32, 4)

    @intrinsic
    def mma(context, a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            given = [*(builder.bitcast(each, WORD) for each in values[:6]), *values[6:]]
            return four_results(context, builder, signature, text, FLOAT, given, letters)

        return four(*[factor] * 6, *[types.float32] * 4), generate

    return mma


WORDS: Final[dict[str, object]] = {
    "tf32": tf32,
    "bf16": bf16,
    "st4_bf16": st4_bf16,
    "shared_halves": shared("halves", types.uint16, HALF),
    "ldmatrix": _matrices(""),
    "ldmatrix_turned": _matrices(".trans"),
    "mma_tf32": _multiplied("m16n8k8", "tf32", types.float32),
    "mma_bf16": _multiplied("m16n8k16", "bf16", types.uint32),
}
"""Each word, and what it is."""
