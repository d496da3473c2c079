"""What the words for matrix units mean, in plain Python: what each lane holds, and how it is rounded.

With `group` a lane's number divided by four and `place` the rest, lanes hold c + a b, of 16 x 8 and depths:

- `c0 c1 c2 c3`: rows `group` and, the last two, `group + 8`; columns `2 place` and `2 place + 1`;
- tf32, 8 depths: `a0 a1 a2 a3`: rows `group`, `group + 8` and again, depths `place` and, the last two,
  `place + 4`; `b0 b1`: column `group`, depths `place` and `place + 4`;
- bf16, 16 depths: each is a pair, of depths `2 place` and `2 place + 1`, and 8 more instead of 4 more.

Products are exact and summed up in float32. In which order, and how sums are rounded within one matrix, is
the device's: here they are rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from netdsl.kernels.cuda.kernel import WARP


def to_tf32(values: Any) -> Any:
    """Round float32 to ten bits of fraction: to the nearest, ties away from 0. What is no number stays so."""
    return _rounded(values, np.uint32(0x1000), 13)


def to_bf16(values: Any) -> Any:
    """Round float32 to seven bits of fraction: to the nearest, ties to even. What is no number stays so."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return _rounded(values, np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)), 16)


def _rounded(values: Any, more: Any, dropped: int) -> Any:
    given = np.asarray(values, np.float32)
    with np.errstate(over="ignore"):
        bits = (given.view(np.uint32) + more) >> np.uint32(dropped) << np.uint32(dropped)
    return np.where(np.isfinite(given), bits.view(np.float32), given)[()]


def st4_bf16(memory: Any, index: int, *values: Any) -> None:
    """Round four neighbors and write them, to a multiple of four."""
    if index % 4:
        raise ValueError(f"st4_bf16 at {index}, which is no multiple of 4")
    for lane, value in enumerate(values):
        memory[index + lane] = to_bf16(value)


def matrices(told: Sequence[tuple[Any, int]], *, turned: bool) -> list[tuple[Any, ...]]:
    """Return four pairs for each lane of a warp, one of each matrix.

    Lanes `8 i` to `8 i + 7` tell where the lines of matrix i begin; a lane gets neighbors of line `group`, or
    of column `group` where matrices are `turned`.
    """
    for _, index in told:
        if index % 8:
            raise ValueError(f"ldmatrix at {index}, which is no multiple of 8")
    lines = [[memory[index + near] for near in range(8)] for memory, index in told]
    answers = []
    for lane in range(WARP):
        group, place = divmod(lane, 4)
        pairs = []
        for first in range(0, WARP, 8):
            if turned:
                pairs.append((lines[first + 2 * place][group], lines[first + 2 * place + 1][group]))
            else:
                pairs.append((lines[first + group][2 * place], lines[first + group][2 * place + 1]))
        answers.append(tuple(pairs))
    return answers


def multiplied(told: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return what each lane of a warp has of c + a b: of `told`, a0 to a3, b0, b1, c0 to c3 of each lane."""
    factors = np.array([each[:6] for each in told], np.float64).reshape(WARP // 4, 4, 6, -1)
    sums = np.array([each[6:] for each in told], np.float32).reshape(WARP // 4, 4, 4)
    depth = 8 * factors.shape[-1]
    _check_rounded(factors)
    # Axes: group, place, which half of the depths, which half of the rows, neighbors of a pair.
    a = factors[:, :, :4].reshape(8, 4, 2, 2, -1).transpose(3, 0, 2, 1, 4).reshape(16, depth)
    b = factors[:, :, 4:].transpose(2, 1, 3, 0).reshape(depth, 8)
    c = sums.reshape(8, 4, 2, 2).transpose(2, 0, 1, 3).reshape(16, 8)
    with np.errstate(all="ignore"):
        made = (c + a @ b).astype(np.float32)
    given = made.reshape(2, 8, 4, 2).transpose(1, 2, 0, 3).reshape(WARP, 4)
    return [tuple(each) for each in given]


def _check_rounded(factors: Any) -> None:
    dropped = np.uint32(0x1FFF if factors.shape[-1] == 1 else 0xFFFF)
    rest = factors.astype(np.float32).view(np.uint32) & dropped
    if (rest[np.isfinite(factors)] != 0).any():
        raise ValueError("a factor of a matrix is not rounded: a device would leave its last bits out")


def together(name: str, told: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return what each lane of a warp gets from a word that all of them meet at."""
    if name in ("mma_tf32", "mma_bf16"):
        return multiplied(told)
    return matrices([(memory, index) for memory, index in told], turned=name == "ldmatrix_turned")


MEETINGS: Final = ("mma_tf32", "mma_bf16", "ldmatrix", "ldmatrix_turned")
"""Words that all lanes of a warp meet at."""

FUNCTIONS: Final[Mapping[str, object]] = {"tf32": to_tf32, "bf16": to_bf16, "st4_bf16": st4_bf16}
"""Words that need no other thread. What is rounded to bf16 stays float32 here."""
