"""A kernel that sorts entries by the row of a table that each belongs to, so that a row finds its own.

One block does it, digit by digit of four bits: a thread counts the digits of its share of the entries, the
counts are added up over digits and threads, and each thread puts its entries where they belong. Entries of
one row keep their order, so what is added up over them has the same bits each time.
"""

from __future__ import annotations

from typing import Final

from netdsl.kernels.cuda.kernel import CudaKernel, Extent, Kind, make, text_of

THREADS: Final = 256
DIGITS: Final = 16
BITS: Final = 4

_START: Final = f"""\
thread = cuda.threadIdx.x
counts = shared_ints(0, {DIGITS * THREADS})
totals = shared_ints(1, {2 * THREADS})
share = ({{entries}} + {THREADS - 1}) // {THREADS}
first = thread * share
last = min(first + share, {{entries}})
for row in range(thread, {{extent}}, {THREADS}):
    begin[row] = 0
    end[row] = 0
"""

_DIGIT: Final = f"""\
for digit in range({DIGITS}):
    counts[digit * {THREADS} + thread] = 0
for place in range(first, last):
    digit = (min(max(x[{{entry}}], 0), {{most}}) >> {{shift}}) & {DIGITS - 1}
    at = digit * {THREADS} + thread
    counts[at] = counts[at] + 1
cuda.syncthreads()
own = 0
for digit in range({DIGITS}):
    own = own + counts[thread * {DIGITS} + digit]
totals[thread] = own
cuda.syncthreads()
now = 0
apart = 1
while apart < {THREADS}:
    total = totals[now + thread]
    if thread >= apart:
        total = total + totals[now + thread - apart]
    now = {THREADS} - now
    totals[now + thread] = total
    cuda.syncthreads()
    apart = apart * 2
before = totals[now + thread] - own
for digit in range({DIGITS}):
    number = counts[thread * {DIGITS} + digit]
    counts[thread * {DIGITS} + digit] = before
    before = before + number
cuda.syncthreads()
for place in range(first, last):
    entry = {{entry}}
    digit = (min(max(x[entry], 0), {{most}}) >> {{shift}}) & {DIGITS - 1}
    at = digit * {THREADS} + thread
    to = counts[at]
    {{target}}[to] = entry
    counts[at] = to + 1
cuda.syncthreads()
"""

_ENDS: Final = f"""\
for place in range(thread, {{entries}}, {THREADS}):
    row = min(max(x[order[place]], 0), {{most}})
    if place == 0 or min(max(x[order[max(place - 1, 0)]], 0), {{most}}) != row:
        begin[row] = place
    if place == {{entries}} - 1 or min(max(x[order[min(place + 1, {{entries}} - 1)]], 0), {{most}}) != row:
        end[row] = place + 1
"""


def sort_entries(entries: Extent, extent: int) -> CudaKernel:
    """Return the kernel for so many entries of a table of so many rows.

    `x` has the row of each entry. It writes into `order` the entries by their rows, and for each row where
    its entries begin and end in it; `other` has room for as many.
    """
    passes = max(1, -(-(extent - 1).bit_length() // BITS))
    words = {"entries": text_of(entries), "extent": extent, "most": extent - 1}
    body = [_START.format(**words)]
    for number in range(passes):
        target, source = ("order", "other") if (passes - number) % 2 else ("other", "order")
        entry = f"{source}[place]" if number else "place"
        body.append(_DIGIT.format(entry=entry, shift=BITS * number, target=target, **words))
    body.append(_ENDS.format(**words))
    kinds: dict[str, Kind] = dict.fromkeys(("x", "order", "other", "begin", "end"), "int")
    return make("sort entries", kinds, "".join(body), THREADS, ((1, 1),))
