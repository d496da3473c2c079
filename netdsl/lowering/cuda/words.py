"""The words of a device program's context: whole numbers in its memory, so that one graph serves all steps.

There is a row of words for each step that a graph has: the first step reads the first row, whose cursor is
the number of its batch, the next step the next row. `advance` moves all cursors on where a graph ends; the
runtime writes the other words before a run.
"""

from typing import Final

CURSOR: Final = 0
"""The number of the batch within the run."""

BATCH: Final = 1
"""Rows of each step, so that those of step s begin at s * batch, the short last batch too."""

FIRST_STEP: Final = 2
"""The number that the first step of the run has for random draws."""

SEED: Final = 3
COUNT: Final = 4

TOGETHER: Final = 16
"""Steps of a graph, at most: they share what a graph costs the host, and the phase of `advance`."""
