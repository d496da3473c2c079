"""A contraction's kernels: sums of products over axes, of operands whose elements are found by formulas.

Products of matrices of any strides, batched or not, and the three convolutions are contractions. They are
made in tiles, or element by element where tiles would be mostly empty.

Where a grid would leave most of a device idle, the summed axes are cut into `splits` pieces whose sums go to
scratch memory, and a second kernel adds them up in order: the numbers do not depend on what runs when.
"""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.kernels.cuda.addressing import Axis, volume
from netdsl.kernels.cuda.contracted import Contraction, second_pass
from netdsl.kernels.cuda.direct import direct_kernel
from netdsl.kernels.cuda.kernel import Work
from netdsl.kernels.cuda.tiled import tiled_kernel
from netdsl.kernels.cuda.tiling import Sizes, Tile, WarpTile, direct_splits, is_narrow, splits_for, tile_for
from netdsl.program import count_of


def contraction(
    given: Contraction, rows: int, tile: Tile | WarpTile | None = None, splits: int | None = None
) -> Work:
    """Write the kernels of a contraction; what is not given is chosen for `rows` examples.

    A tile that is given has to fit its precision: a `WarpTile` for all but float32. What is made element by
    element is made in float32.
    """
    sizes = Sizes(*(_known(axes, rows) for axes in (given.batch, given.rows, given.columns, given.summed)))
    if tile is None and is_narrow(sizes):
        splits = splits or direct_splits(sizes, _known(given.summed[:1], rows))
        kernel = direct_kernel(given, splits)
    else:
        tile = tile or tile_for(sizes, given.precision)
        splits = splits or splits_for(sizes, tile)
        kernel = tiled_kernel(given, tile, splits)
    if splits == 1:
        return Work((kernel,))
    return Work((kernel, second_pass(given, splits)), count_of(volume(given.axes)) * splits)


def _known(axes: Sequence[Axis], rows: int) -> int:
    return int(count_of(volume(axes)).value({"rows": rows}))
