"""The eight tile registers of AMX, each of 16 lines of 64 bytes, and products of what they hold.

`TDPBF16PS` multiplies 16 lines of 32 bfloat16 with 16 lines of 16 pairs of them, and adds to 16 lines of 16
float32. A float32 product is made of six such ones, of factors in three parts (`parts.py`). Registers are
no values of LLVM: it keeps the order of these instructions among themselves and with loads and stores.
Who uses them calls `configure_tiles` first and `release_tiles` last, so that a thread that does something
else has no tiles for the system to keep.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import I8, I64, NOTHING, VOID, WORD, Value, emits, external, whole
from netdsl.kernels.cpu.looping import Carried, repeat
from netdsl.kernels.cpu.machine import machine

PARTS: Final = 3
"""Parts of a float32: the bfloat16 next to it, that of what is left, and what is left then."""

BLOCK: Final = PARTS * 1024
"""Bytes of 16 rows of a left factor, or 16 columns of a right one, by 32 steps: 16 lines of each part."""

LINE: Final = PARTS * 64
"""Bytes from a line of a tile to the next: those of the other parts lie between them."""

STEPS: Final = 32
"""Steps of a sum that a product of two tiles goes through."""

HIGH, MIDDLE, LOW = range(PARTS)

ORDER: Final = ((LOW, HIGH), (MIDDLE, HIGH), (MIDDLE, MIDDLE), (HIGH, MIDDLE), (HIGH, LOW), (HIGH, HIGH))
"""Which parts are multiplied: the left factor's and the right one's. From one product to the next one factor
stays; the products left out are below 2^-25 of that of the numbers."""

_LEFT, _RIGHT = (4, 5), (6, 7)
_SUMS: Final = ((0, 1), (2, 3))


def has_tiles() -> bool:
    """Tell whether this machine has tile registers that may be used."""
    return machine().level == "amx"


def _pointer(builder: Any, address: Value) -> Value:
    return builder.inttoptr(address, I8.as_pointer())


def _number(value: int) -> Value:
    return ir.Constant(I8, value)


def _load(builder: Any, tile: int, address: Value, line: Value) -> None:
    load = external(builder, "llvm.x86.tileloadd64", VOID, I8, I8.as_pointer(), I64)
    builder.call(load, [_number(tile), _pointer(builder, address), line])


def _store(builder: Any, tile: int, address: Value, line: Value) -> None:
    store = external(builder, "llvm.x86.tilestored64", VOID, I8, I8.as_pointer(), I64)
    builder.call(store, [_number(tile), _pointer(builder, address), line])


def _multiply(builder: Any, total: int, left: int, right: int) -> None:
    product = external(builder, "llvm.x86.tdpbf16ps", VOID, I8, I8, I8)
    builder.call(product, [_number(total), _number(left), _number(right)])


@emits(NOTHING)
def configure_tiles(builder: Any) -> None:
    """Make all eight tiles 16 lines of 64 bytes; until this they cannot be used."""
    if has_tiles():
        configure = external(builder, "llvm.x86.ldtilecfg", VOID, I8.as_pointer())
        builder.call(configure, [builder.bitcast(_shapes(builder.module), I8.as_pointer())])


@emits(NOTHING)
def release_tiles(builder: Any) -> None:
    """Give the tiles back: they hold nothing any more."""
    if has_tiles():
        builder.call(external(builder, "llvm.x86.tilerelease", VOID), [])


def _shapes(module: Any) -> Value:
    name = "netdsl.tiles"
    if name in module.globals:
        return module.globals[name]
    bytes_of_lines = [64, 0] * 8 + [0] * 16
    words = [1, *[0] * 15, *bytes_of_lines, *[16] * 8, *[0] * 8]
    table = ir.GlobalVariable(module, ir.ArrayType(I8, len(words)), name)
    table.initializer = ir.Constant(table.value_type, words)
    table.global_constant = True
    table.linkage = "internal"
    table.align = 64
    return table


@emits(NOTHING, *[WORD] * 5)
def start_sums(builder: Any, c00: Value, c01: Value, c10: Value, c11: Value, line: Value) -> None:
    """Load the four tiles of sums, each from lines `line` bytes apart: 0 for one line, else 64."""
    if has_tiles():
        for place, tile in zip((c00, c01, c10, c11), (*_SUMS[0], *_SUMS[1]), strict=True):
            _load(builder, tile, place, line)


@emits(NOTHING, *[WORD] * 4)
def store_sums(builder: Any, c00: Value, c01: Value, c10: Value, c11: Value) -> None:
    """Store the four tiles of sums, each with 64 bytes from line to line."""
    if has_tiles():
        for place, tile in zip((c00, c01, c10, c11), (*_SUMS[0], *_SUMS[1]), strict=True):
            _store(builder, tile, place, whole(64))


Aside = Callable[[Sequence[Value]], Sequence[Value]]
"""What is done after every four products, which take 64 cycles and only few instructions: it is given values
that are carried along, and returns their next."""


def emit_sums(
    builder: Any,
    turns: Value,
    left: tuple[Value, Value],
    right: tuple[Value, Value],
    carried: Sequence[Value] = (),
    aside: Aside | None = None,
) -> None:
    """Emit the addition of products of 32 rows by 32 columns to the tiles of sums, so many times 32 steps.

    `left` is a block of the left factor's first 16 rows, behind which that of the next steps lies, and how
    many bytes behind it the block of the next 16 rows lies; `right` is the same of the right factor.
    """
    if not has_tiles():
        return

    def turn(_: Value, held: Carried) -> Carried:
        above, first, *rest = held
        there: dict[int, int] = {}
        for pair in ORDER:
            for side, start, apart, tiles in ((0, above, left[1], _LEFT), (1, first, right[1], _RIGHT)):
                if there.get(side) != pair[side]:
                    there[side] = pair[side]
                    place = builder.add(start, whole(64 * pair[side]))
                    _load(builder, tiles[0], place, whole(LINE))
                    _load(builder, tiles[1], builder.add(place, apart), whole(LINE))
            for i, row in enumerate(_SUMS):
                for j, tile in enumerate(row):
                    _multiply(builder, tile, _LEFT[i], _RIGHT[j])
            rest = [*aside(rest)] if aside else rest
        return [builder.add(above, whole(BLOCK)), builder.add(first, whole(BLOCK)), *rest]

    repeat(builder, turns, [left[0], right[0], *carried], turn)


@emits(NOTHING, *[WORD] * 5)
def add_products(builder: Any, turns: Value, left: Value, below: Value, right: Value, beside: Value) -> None:
    """Add products to the tiles of sums as `emit_sums` does."""
    emit_sums(builder, turns, (left, below), (right, beside))
