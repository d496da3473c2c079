"""The words a thread's kernels share: its context block and the barrier.

Both are arrays of 64-bit integers, aligned to 128 bytes, so that no two threads write to one cache line.
"""

from typing import Final

WORDS: Final = 64
"""Words in a context block (512 bytes)."""

STEP: Final = 0
"""The word in which `interpret` writes the number of the step it walks."""

BARRIER_WORDS: Final = 16
"""Words of a barrier: arrivals in word 0, the generation in word 8, on a cache line of its own."""

GENERATION: Final = 8
ALIGNMENT: Final = 128
SPINS: Final = 100
"""Pauses before a waiting thread gives its core away; longer spins cost dearly when cores are short."""
