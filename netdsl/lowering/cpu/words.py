"""The words of a thread's context block that the runtime writes before a run and that kernels read.

The first word is the interpreter's: the number of the step. `BATCH` is how many rows each step takes, so
that the rows of step s begin at s * batch, the short last batch too. Each address from `FIRST` on is that of
a bound field, in the order of a program's inputs, then those of its results.

`netdsl.kernels.cpu.context` has what the hand-written kernels read of them: they know of no program.
"""

from collections.abc import Sequence
from typing import Final

STEP: Final = 0
BATCH: Final = 1
FIRST_STEP: Final = 2
"""The number that the first step of the run has for random draws."""

SEED: Final = 3
ORDER: Final = 4
"""The address of the order of rows (int64)."""

NUMBERS: Final = 5
"""The address of the table of numbers, a row of float32 a step."""

FIRST: Final = 8


def of_run(batch: int, step: int, seed: int, order: int, numbers: int, addresses: Sequence[int]) -> list[int]:
    """Return the words from `BATCH` on: those of a run, then the addresses of fields and results. A seed of
    64 bits becomes the number with a sign that has its bits."""
    run = [batch, step, (seed + 2**63) % 2**64 - 2**63, order, numbers, 0, 0]
    assert BATCH + len(run) == FIRST
    return [*run, *addresses]


def field_word(inputs: int, number: int) -> int:
    """Return the word of a bound field; `inputs` is how many there are."""
    assert number < inputs
    return FIRST + number


def result_word(inputs: int, number: int) -> int:
    """Return the word of a result."""
    return FIRST + inputs + number
