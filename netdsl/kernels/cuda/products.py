"""Products of matrices of any strides, batched or not, as contractions."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Precision
from netdsl.kernels.cuda.addressing import Axis, plain, plain_number
from netdsl.kernels.cuda.contracted import Contraction
from netdsl.kernels.cuda.contraction import contraction
from netdsl.kernels.cuda.kernel import Extent, Kind, Work
from netdsl.kernels.cuda.tiling import Tile, WarpTile
from netdsl.program import count_of

Strided = tuple[Extent, Extent, Extent, Extent]
"""An axis: its extent, and how far apart its elements are in the left operand, the right one, the result."""


def product(
    batch: Sequence[Strided],
    left: Sequence[Strided],
    right: Sequence[Strided],
    summed: Sequence[Strided],
    rows: int,
    *,
    offsets: tuple[Extent, Extent, Extent] = (0, 0, 0),
    finish: tuple[str, ...] = (),
    finish_parameters: tuple[tuple[str, Kind], ...] = (),
    tile: Tile | WarpTile | None = None,
    splits: int | None = None,
    precision: Precision = "float32",
) -> Work:
    """Write result[batch, left, right] = sum of x[batch, left, summed] w[batch, right, summed].

    Each axis is told with its strides in `x`, `w` and `result`, 0 where one has it not; of several axes the
    last goes fastest. `rows` is how many examples the choice of tile is for.
    """
    batch, left, right, summed = map(merged, (batch, left, right, summed))
    h, i, j, k = (
        tuple(Axis(f"{letter}{number}", each[0]) for number, each in enumerate(axes))
        for letter, axes in zip("hijk", (batch, left, right, summed), strict=True)
    )
    strides = dict(
        zip(
            (axis.name for axes in (h, i, j, k) for axis in axes),
            (each for axes in (batch, left, right, summed) for each in axes),
            strict=True,
        )
    )
    x, w, result = (
        plain(
            name,
            [(axis, each[place]) for axis, each in strides.items() if str(each[place]) != "0"],
            offsets[place - 1],
        )
        for place, name in ((1, "x"), (2, "w"), (3, "result"))
    )
    given = Contraction("product", h, i, j, k, x, w, result, finish, finish_parameters, precision)
    return contraction(given, rows, tile, splits)


def merged(axes: Sequence[Strided]) -> Sequence[Strided]:
    """Return axes of which neighbors are one where all three operands have them side by side."""
    result: list[Strided] = []
    for each in axes:
        if result and all(
            str(count_of(outer)) == str(count_of(each[0]) * inner)
            for outer, inner in zip(result[-1][1:], each[1:], strict=True)
        ):
            extent = plain_number(count_of(result.pop()[0]) * each[0])
            each = (extent, *each[1:])
        result.append(each)
    return result


def matrix_product(
    rows: Extent,
    columns: Extent,
    summed: Extent,
    count: int,
    *,
    turned: tuple[bool, bool] = (False, False),
    tile: Tile | WarpTile | None = None,
    splits: int | None = None,
    precision: Precision = "float32",
) -> Work:
    """Write result = x w of matrices in row-major order; `turned` tells which of them lies transposed."""
    x = (1, rows) if turned[0] else (summed, 1)
    w = (1, summed) if turned[1] else (columns, 1)
    return product(
        (),
        ((rows, x[0], 0, columns),),
        ((columns, 0, w[1], 1),),
        ((summed, x[1], w[0], 0),),
        count,
        tile=tile,
        splits=splits,
        precision=precision,
    )
