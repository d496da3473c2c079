"""Which rows of the train part metrics are measured on after an epoch."""

import numpy as np
from numpy.typing import NDArray


def sample_of(rows: int, sample: int | None) -> NDArray[np.int64]:
    """Return all rows, or `sample` of them spread evenly: the same ones after every epoch."""
    if sample is None or sample >= rows:
        return np.arange(rows, dtype=np.int64)
    return np.arange(sample, dtype=np.int64) * rows // sample
