"""Values moved as they are: rows picked for a batch, results put away, row-major to panels and back.

Whatever has four bytes an element is moved by the same kernels. `word` is the place in the context block of
the address of the field or of the result.
"""

from netdsl.kernels.cpu.context import BATCH, ORDER, STEP
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at_long, move_words
from netdsl.kernels.cpu.turning import min16


@kernel
def take_rows(context: int, word: int, target: int, width: int, first: int, last: int) -> None:
    """Copy the rows `first` to before `last` of this step's batch, found through the order of rows."""
    own = at_long(context)
    order = at_long(own[ORDER])
    begin = own[STEP] * own[BATCH]
    for r in range(first, last):
        move_words(own[word] + 4 * width * order[begin + r], target + 4 * width * r, width)


@kernel
def take_panels(
    context: int, word: int, target: int, target_panel: int, width: int, first: int, last: int
) -> None:
    """Take rows as `take_rows` does, into panels."""
    own = at_long(context)
    order = at_long(own[ORDER])
    begin = own[STEP] * own[BATCH]
    for r in range(first, last):
        source = own[word] + 4 * width * order[begin + r]
        for p in range((width + 15) >> 4):
            move_words(source + 64 * p, target + 4 * target_panel * p + 64 * r, min16(width - 16 * p))


@kernel
def take_whole(context: int, word: int, target: int, width: int) -> None:
    """Copy a field that all examples share."""
    move_words(at_long(context)[word], target, width)


@kernel
def give_rows(context: int, word: int, source: int, width: int, first: int, last: int) -> None:
    """Copy the rows `first` to before `last` of a row-major value to their place among the results."""
    own = at_long(context)
    begin = own[STEP] * own[BATCH]
    move_words(source + 4 * width * first, own[word] + 4 * width * (begin + first), width * (last - first))


@kernel
def give_panels(
    context: int, word: int, source: int, source_panel: int, width: int, places: int, first: int, last: int
) -> None:
    """Give examples as `give_rows` does, from panels in which each has so many rows."""
    own = at_long(context)
    begin = places * own[STEP] * own[BATCH]
    for r in range(places * first, places * last):
        result = own[word] + 4 * width * (begin + r)
        for p in range((width + 15) >> 4):
            move_words(source + 4 * source_panel * p + 64 * r, result + 64 * p, min16(width - 16 * p))


@kernel
def give_whole(context: int, word: int, source: int, width: int) -> None:
    """Copy a value to the place of this step among the results of the run."""
    own = at_long(context)
    move_words(source, own[word] + 4 * width * own[STEP], width)


@kernel
def unpack_panels(
    source: int, source_panel: int, target: int, target_row: int, columns: int, first: int, last: int
) -> None:
    """Copy the rows `first` to before `last` of panels into a row-major matrix."""
    for r in range(first, last):
        for p in range((columns + 15) >> 4):
            move_words(
                source + 4 * source_panel * p + 64 * r,
                target + 4 * target_row * r + 64 * p,
                min16(columns - 16 * p),
            )
