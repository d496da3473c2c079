"""The words of a device program's context: whole numbers in its memory, so that one graph serves all steps.

`advance` adds one to the cursor at the end of each step; the runtime writes the others before a run.
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
