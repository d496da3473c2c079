"""The words a thread's kernels share: its context block and the barrier.

Both are arrays of 64-bit integers, aligned to 128 bytes, so that no two threads write to one cache line.
`netdsl.lowering.cpu.words` lays the context block out, and names the words that programs alone use.
"""

from typing import Final

STEP: Final = 0
"""The number of the step within the run, written by `interpret`."""

BATCH: Final = 1
"""Rows of a batch: those of step s begin at s * batch, the short last batch too."""

FIRST_STEP: Final = 2
"""The number that the run's first step has for random draws."""

SEED: Final = 3

ORDER: Final = 4
"""The address of the order of rows (int64)."""

BARRIER_WORDS: Final = 16
"""Words of a barrier: arrivals in word 0, the generation in word 8, on a cache line of its own."""

GENERATION: Final = 8
ALIGNMENT: Final = 128
SPINS: Final = 100
"""Pauses before a waiting thread gives its core away; longer spins cost dearly when cores are short."""

READY: Final = 1
"""What stands in the word `turn` while a thread stands by (`stand_by`): any other number says that it is
asked for, has gone, or has never come."""
