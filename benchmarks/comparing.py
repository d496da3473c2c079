"""Whether participants do the same work: their losses from the same weights on the same batches.

Rounding differs, and a training makes differences grow: Adam's first steps have the size of the rate
whatever the gradient's, and which of two nearly equal maxima a pool takes is decided by the last bit. So the
first loss has to agree to rounding, a few more closely, and all of them in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIRST, EARLY, MEAN = 1e-4, 1e-2, 2e-2
"""How far the first loss may differ, those of the first five steps, and the mean of all."""

BEGINNING = 5


@dataclass(frozen=True, slots=True)
class Apart:
    """How far a peer's losses are from netdsl's, as shares of netdsl's."""

    first: float
    early: float
    mean: float
    steps: int

    @property
    def same_work(self) -> bool:
        """Tell whether the differences are those of rounding. A figure that is no number is a difference."""
        return self.first <= FIRST and self.early <= EARLY and self.mean <= MEAN

    def __str__(self) -> str:
        return (
            f"the first loss differs by {self.first:.1e}, the first {BEGINNING} by {self.early:.1e} at most, "
            f"the mean of {self.steps} by {self.mean:.1e}"
        )


def apart(mine: Sequence[float], theirs: Sequence[float]) -> Apart:
    """Return how far a peer's losses are from netdsl's.

    Errors: ValueError where one has made more steps than the other.
    """
    own, other = np.asarray(mine, np.float64), np.asarray(theirs, np.float64)
    if own.shape != other.shape or not len(own):
        raise ValueError(f"{len(own)} losses beside {len(other)}")
    shares = np.abs(other - own) / np.abs(own)
    mean = abs(other.mean() - own.mean()) / abs(own.mean())
    return Apart(float(shares[0]), float(shares[:BEGINNING].max()), float(mean), len(own))
