"""A product of matrices by a library, with numbers for its sizes and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netdsl.graph import Precision
from netdsl.program import LibraryProduct, Matrices


@dataclass(frozen=True, slots=True)
class PlacedMatrices:
    """Matrices at an address. The numbers of a row lie together, rows `line` floats apart; of `turned` ones
    those of a column. The next matrix is `apart` floats away; their memory ends at `end`."""

    address: int
    line: int
    turned: bool
    apart: int
    end: int


@dataclass(frozen=True, slots=True)
class Product:
    """result = left right, for each of `count` matrices: `left` is high x deep, `right` deep x wide.

    The library has so many bytes of `room` at `workspace` for itself. `reads` and `writes` are what memory is
    touched, each from an address to before another.
    """

    high: int
    wide: int
    deep: int
    count: int
    left: PlacedMatrices
    right: PlacedMatrices
    result: PlacedMatrices
    precision: Precision
    workspace: int
    room: int
    reads: tuple[tuple[int, int], ...] = ()
    writes: tuple[tuple[int, int], ...] = ()


def placed_product(
    given: LibraryProduct,
    symbols: Mapping[str, int],
    ends: Mapping[str, int],
    reads: tuple[tuple[int, int], ...],
    writes: tuple[tuple[int, int], ...],
) -> Product:
    """Return a product with numbers for its symbols. `ends` are where the memory behind each address ends."""

    def placed(each: Matrices) -> PlacedMatrices:
        end = max(ends.get(name, 0) for name in each.start.symbols())
        return PlacedMatrices(int(each.start.value(symbols)), each.line, each.turned, each.apart, end)

    high, wide, deep, count = (
        int(each.value(symbols)) for each in (given.high, given.wide, given.deep, given.count)
    )
    left, right, result = map(placed, (given.left, given.right, given.result))
    workspace = int(given.workspace.value(symbols))
    precision, room = given.precision, given.room
    return Product(high, wide, deep, count, left, right, result, precision, workspace, room, reads, writes)
