"""Neighboring elements that one thread makes, its lanes: what lies beside each other is read at once.

A formula of a place shows where it is so: all its coefficients are multiples of the number of lanes, and what
is left is the lane. Elements of other places are read one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netdsl.graph import Shape, count
from netdsl.lowering.position import Position
from netdsl.program import Count, symbol

if TYPE_CHECKING:
    from netdsl.lowering.cuda.formulas import Formulas


def of_lane(of: Formulas, place: Count, lane: int, shape: Shape) -> Position:
    """Return the position of a lane's element, `place` being the piece's number; neighbors along a last axis
    of whole pieces are shown as such."""
    flat = of.lanes * place + lane
    if of.lanes == 1 or shape[-1] % of.lanes:
        return of.unflattened(flat, shape)
    before, column = of.index.split(place, shape[-1] // of.lanes)
    position = (*of.unflattened(before, shape[:-1]), of.lanes * column + lane)
    of.flats[position, shape] = flat
    return position


def piece_of(of: Formulas, place: Count) -> tuple[Count, int] | None:
    """Return the place where the piece of an element begins, and its lane; None if that is not known."""
    if of.lanes == 1 or any(c % of.lanes for c, names in place.terms if names):
        return None
    lane = sum(c for c, names in place.terms if not names) % of.lanes
    return place + -lane, lane


def read_lane(of: Formulas, array: str, place: Count, elements: int) -> str:
    """Return the text of a float of an array that has so many elements, or so many in each row."""
    found = piece_of(of, place) if elements % of.lanes == 0 else None
    if found is None:
        return f"{array}[{place}]"
    first, lane = found

    def write(stem: str) -> None:
        of.text.line(f"{_names(of, stem)} = ld4({array}, {first})")

    return f"{once(of, ('read', array, first), 'x', write)}_{lane}"


def add_up(of: Formulas, array: str, place: Count, pieces: int, total: Count) -> str:
    """Add up the pieces of a sum, in order, which lie so many elements apart; return the variable."""
    found = piece_of(of, place)

    def write_one(stem: str) -> None:
        of.text.line(f"{stem} = f32(0.0)")
        depth = len(of.text.blocks)
        of.text.open(f"for piece_{stem} in range({pieces}):")
        of.text.line(f"{stem} = {stem} + {array}[piece_{stem} * ({total}) + {place}]")
        of.text.close_to(depth)

    if found is None:
        return once(of, ("sum", array, place), "sum", write_one)
    first, lane = found

    def write(stem: str) -> None:
        names = [f"{stem}_{each}" for each in range(of.lanes)]
        of.text.lines(f"{name} = f32(0.0)" for name in names)
        depth = len(of.text.blocks)
        of.text.open(f"for piece_{stem} in range({pieces}):")
        of.text.line(f"{_names(of, f'{stem}_part')} = ld4({array}, piece_{stem} * ({total}) + {first})")
        of.text.lines(f"{name} = {name} + {stem}_part_{each}" for each, name in enumerate(names))
        of.text.close_to(depth)

    return f"{once(of, ('sum', array, first), 'sum', write)}_{lane}"


def of_row(of: Formulas, position: Position, shape: Shape) -> Count:
    """Return the place of an element in the field whose rows the order names."""
    place, width = of.flat(position, shape), count(shape)
    row, inside = position[0], place + -width * position[0]
    if (position, shape) in of.flats:
        row, inside = _divided(of, place, width)
    (first, batch), order = (of.word(name) for name in ("CURSOR", "BATCH")), of.pointer("order", "long")

    def write(stem: str) -> None:
        of.text.line(f"{stem} = {order}[{first} * {batch} + {row}]")
        of.depths[stem] = len(of.text.blocks) - 1

    return width * symbol(once(of, ("row", row), "row", write)) + inside


def _divided(of: Formulas, place: Count, width: int) -> tuple[Count, Count]:
    """Return the row of a place and the place within it."""
    found = piece_of(of, place)
    if found is None or width % of.lanes:
        return of.index.split(place, width)
    first, lane = found
    number = Count(tuple((c // of.lanes, names) for c, names in first.terms))
    row, inside = of.index.split(number, width // of.lanes)
    return row, of.lanes * inside + lane


def once(of: Formulas, key: object, stem: str, write: Callable[[str], None]) -> str:
    """Return the stem of variables, which are set unless an open block has them."""
    for block in of.text.blocks:
        if key in block.known:
            return block.known[key]
    known = of.text.blocks[-1].known
    known[key] = of.text.variable(stem)
    write(known[key])
    return known[key]


def _names(of: Formulas, stem: str) -> str:
    return ", ".join(f"{stem}_{each}" for each in range(of.lanes))
