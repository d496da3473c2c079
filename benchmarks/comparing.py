"""Whether participants do the same work: their losses from the same weights on the same batches.

Rounding differs, and a training makes differences grow: Adam's first steps have the size of the rate
whatever the gradient's, and which of two nearly equal maxima a pool takes is decided by the last bit. So the
first loss has to agree to rounding, a few more closely, and all of them in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOUNDS = {"float32": (1e-4, 1e-2, 2e-2), "tf32": (2e-3, 2e-2, 3e-2), "bf16": (2e-2, 5e-2, 5e-2)}
"""How far the first loss may differ, those of the first five steps, and the mean of all. Factors of products
that are rounded are not the same ones for all, so losses differ by some roundings of a factor."""

BEGINNING = 5


@dataclass(frozen=True, slots=True)
class Apart:
    """How far a peer's losses are from netdsl's, as shares of netdsl's."""

    first: float
    early: float
    mean: float
    steps: int

    def same_work(self, precision: str = "float32") -> bool:
        """Tell whether the differences are those of rounding. A figure that is no number is a difference."""
        first, early, mean = BOUNDS[precision]
        return self.first <= first and self.early <= early and self.mean <= mean

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
