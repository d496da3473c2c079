"""The order in which an epoch visits the rows."""

import numpy as np

from netdsl.data.draws import permutation


def order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the rows of a part in the order of one epoch (int64).

    It depends on seed and epoch alone, so a training that goes on from a checkpoint sees the same order.
    """
    return permutation(rows, "order", seed, epoch)
