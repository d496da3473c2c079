"""Kernels of a few lines that the library has not: numbers of the step, rows added to a table."""

from __future__ import annotations

from typing import Final

from netdsl.lowering.cpu.words import NUMBERS, STEP
from netdsl.program import Kernel

TAKE_NUMBERS: Final = Kernel(
    "take_numbers",
    f'''@kernel
def take_numbers(context: int, target: int, count: int) -> None:
    """Copy the numbers of this step to a fixed place."""
    own = at_long(context)
    source = at_int(own[{NUMBERS}])
    numbers = at_int(target)
    first = own[{STEP}] * count
    for i in range(count):
        numbers[i] = source[first + i]
''',
    ("the numbers of the step",),
)

ADD_ROWS: Final = Kernel(
    "add_rows",
    '''@kernel
def add_rows(indices: int, updates: int, target: int, count: int, width: int, lo: int, hi: int) -> None:
    """Add rows to those of a table that indices name, in order, for the rows lo .. hi of the table."""
    index = at_int(indices)
    rows = at(updates)
    table = at(target)
    for i in range(lo * width, hi * width):
        table[i] = f32(0.0)
    for n in range(count):
        place = index[n]
        if (place >= lo) & (place < hi):
            for i in range(width):
                table[place * width + i] = table[place * width + i] + rows[n * width + i]
''',
    ("rows added to a table",),
)

ADD_PANELS: Final = Kernel(
    "add_panels",
    '''@kernel
def add_panels(
    indices: int, updates: int, stride: int, target: int, count: int, extent: int, width: int,
    lo: int, hi: int,
) -> None:
    """Add rows in panels to those of a table that indices name, in order, for the panels lo .. hi."""
    index = at_int(indices)
    table = at(target)
    for p in range(lo, hi):
        rows = at(updates + 4 * stride * p)
        column = 16 * p
        there = width - column
        if there > 16:
            there = 16
        for place in range(extent):
            for lane in range(there):
                table[place * width + column + lane] = f32(0.0)
        if there == 16:
            for n in range(count):
                start = index[n] * width + column
                for lane in range(16):
                    independent()
                    table[start + lane] = table[start + lane] + rows[16 * n + lane]
        else:
            for n in range(count):
                start = index[n] * width + column
                for lane in range(there):
                    table[start + lane] = table[start + lane] + rows[16 * n + lane]
''',
    ("rows in panels added to a table",),
)
"""Two fifths of the time that `add_rows` takes, and no copy of the rows is made for it."""

SUM_LINES: Final = Kernel(
    "sum_lines",
    '''@kernel
def sum_lines(lines: int, target: int, count: int, across: int, width: int) -> None:
    """Sum lines of 16 numbers; of the last `across` lines only `width` numbers are real."""
    x = at(lines)
    total = sum_of(lines, 16 * (count - across))
    for line in range(count - across, count):
        for lane in range(width):
            total = total + x[16 * line + lane]
    at(target)[0] = total
''',
    ("partial sums added up",),
)

ADD_PARTS: Final = Kernel(
    "add_parts",
    '''@kernel
def add_parts(parts: int, target: int, rows: int, width: int, lo: int, hi: int) -> None:
    """Sum rows of so many floats, for the lines lo .. hi of 16 of them, in the order of the rows."""
    total = at(target)
    x = at(parts)
    for i in range(16 * lo, 16 * hi):
        total[i] = x[i]
    for row in range(1, rows):
        x = at(parts + 4 * width * row)
        for i in range(16 * lo, 16 * hi):
            total[i] = total[i] + x[i]
''',
    ("sums of examples added up",),
)

ADD_FURTHER_PARTS: Final = Kernel(
    "add_further_parts",
    '''@kernel
def add_further_parts(parts: int, target: int, rows: int, apart: int, width: int, lo: int, hi: int) -> None:
    """Add rows of so many floats to a target, for the lines lo .. hi of 16 of them: a row for every `apart`
    examples but the first, in their order."""
    total = at(target)
    row = apart
    place = parts
    while row < rows:
        x = at(place)
        for i in range(16 * lo, 16 * hi):
            total[i] = total[i] + x[i]
        place += 4 * width
        row += apart
''',
    ("sums of examples added up",),
)
